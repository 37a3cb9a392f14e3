"""A cache of files from storage on a node's disk: bounded in size, shared by processes, verified by checksum.

A file that a process has asked for is pinned by a shared lock, which the kernel releases when the process ends. Where
the next file needs space, files that are not pinned are removed, the least recently used first.
"""

import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sweeper.storage.filesystem import StorageError

# How many files one process pins: those it asked for last.
PINNED = 64

# A decoded folder that was used this recently may be about to be opened, and is not removed.
JUST_USED_S = 600.0


class MismatchError(Exception):
    """A file on storage is not what its manifest says."""


class FileCache:
    """Copies of files under `folder`, at most `limit` bytes in all."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._pins: deque[BinaryIO] = deque(maxlen=PINNED)
        self._verified: set[str] = set()

    def get(self, name: str, size: int, sha256: str, fetch: Callable[[Path], None]) -> Path:
        """The local copy of a file of `size` bytes; where it is missing or damaged, `fetch(target)` downloads it.

        A node downloads a file once, whichever process asks. Raises MismatchError where two downloads have another
        checksum, StorageError where the cache has no space.
        """
        path = self.folder / name
        with _locked(self.folder / ".locks" / hashlib.sha256(name.encode()).hexdigest()[:2]):
            if not self._is_sound(path, name, sha256):
                self._fetch(path, size, sha256, fetch)
            self._verified.add(name)
            os.utime(path)
        return path

    def forget(self, name: str) -> None:
        """Remove a copy."""
        self._verified.discard(name)
        (self.folder / name).unlink(missing_ok=True)

    def _is_sound(self, path: Path, name: str, sha256: str) -> bool:
        try:
            pin = path.open("rb")
        except FileNotFoundError:
            return False
        fcntl.flock(pin, fcntl.LOCK_SH)
        # Another process may have removed it between opening and locking.
        if path.exists() and (name in self._verified or file_sha256(path) == sha256):
            self._pins.append(pin)
            return True
        pin.close()
        return False

    def _fetch(self, path: Path, size: int, sha256: str, fetch: Callable[[Path], None]) -> None:
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
        pin = self._reserve(part, size)
        try:
            for _ in range(2):
                # A network may flip bits too; if a second download differs as well, the stored file is damaged.
                fetch(part)
                if file_sha256(part) == sha256:
                    part.replace(path)
                    self._pins.append(pin)
                    return
            raise MismatchError(path.name)
        except BaseException:
            pin.close()
            part.unlink(missing_ok=True)
            raise

    def _reserve(self, part: Path, size: int) -> BinaryIO:
        """A pinned, sparse file of the final size, which reserves its space in the cache."""
        with _locked(self.folder / ".locks" / "room"):
            if not self._make_room(size):
                # Our own pins may go; those of other processes may not.
                self._pins.clear()
                if not self._make_room(size):
                    raise StorageError(
                        f"cache {self.folder}: its {self.limit / 1e9:g} GB are in use and {part.name} needs "
                        f"{size / 1e9:.3g} GB more: raise cache_gb"
                    )
            part.parent.mkdir(parents=True, exist_ok=True)
            pin = part.open("w+b")
            fcntl.flock(pin, fcntl.LOCK_SH)
            pin.truncate(size)
            return pin

    def _make_room(self, size: int) -> bool:
        paths = (path for path in self.folder.rglob("*") if path.is_file() and ".locks" not in path.parts)
        found = [(path.stat(), path) for path in paths]
        free = self.limit - sum(stat.st_size for stat, _ in found)
        for stat, path in sorted(found, key=lambda item: item[0].st_mtime_ns):
            if free >= size:
                break
            if _remove_unpinned(path):
                free += stat.st_size
        return free >= size


def make_room(root: Path, folder: Path, size: int, *, limit: int) -> None:
    """Remove sub-folders of `root` until `folder` of `size` bytes can come to it; where it is there, it stays."""
    if folder.is_dir():
        os.utime(folder)
        size = 0
    trim_folders(root, max(0, limit - size))


def trim_folders(root: Path, limit: int) -> None:
    """Remove sub-folders, the least recently used first, until the rest holds `limit` bytes; just used ones stay.

    Files that a process has mapped into memory stay readable for it. Hidden folders are being made: they count.
    """
    if not root.is_dir():
        return
    found: list[tuple[float, Path]] = []
    sizes: dict[Path, int] = {}
    for folder in root.iterdir():
        # Another process may be renaming or removing it.
        with suppress(FileNotFoundError, NotADirectoryError):
            sizes[folder] = sum(path.stat().st_size for path in folder.iterdir())
            found.append((folder.stat().st_mtime, folder))
    held = sum(sizes.values())
    for used, folder in sorted(found):
        if held <= limit or used > time.time() - JUST_USED_S:
            return
        if not folder.name.startswith("."):
            shutil.rmtree(folder, ignore_errors=True)
            held -= sizes[folder]


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remove_unpinned(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        path.unlink()
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
