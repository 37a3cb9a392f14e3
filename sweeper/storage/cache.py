"""Files fetched from a storage, kept on a node's disk: bounded in size, shared by its processes, verified.

A file that a process has asked for is pinned by a shared lock, which the kernel gives back when the process ends. What
is not pinned goes, the longest unused first, when there is no room for the next file.
"""

from __future__ import annotations

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

# Files that one process keeps from being removed: those it asked for last.
PINNED = 64

# Decoded folders that somebody has just asked for are about to be opened.
JUST_USED_S = 600.0


class MismatchError(Exception):
    """A file on storage is not what its manifest says."""


class FileCache:
    """Copies under `folder`, of `limit` bytes at most in all."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._pins: deque[BinaryIO] = deque(maxlen=PINNED)
        self._verified: set[str] = set()

    def get(self, name: str, size: int, sha256: str, fetch: Callable[[Path], None]) -> Path:
        """The copy of a file, fetched if it is not there or is damaged: once a node, whoever asks.

        Raises MismatchError where what was fetched twice is not what it should be, StorageError where there is no room.
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
        # Between opening and locking, it may have been removed to make room.
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
                # A network may flip bits too: a second look tells whether the storage has them wrong.
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
        """An empty file that counts with its later size, pinned, once there is room for it."""
        with _locked(self.folder / ".locks" / "room"):
            if not self._make_room(size):
                # Our own pins are a courtesy to ourselves; those of others are not ours to break.
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
        found = [(path.stat(), path) for path in _files(self.folder)]
        free = self.limit - sum(stat.st_size for stat, _ in found)
        for stat, path in sorted(found, key=lambda item: item[0].st_mtime_ns):
            if free >= size:
                break
            if _remove_unpinned(path):
                free += stat.st_size
        return free >= size


def trim_folders(root: Path, limit: int) -> None:
    """Remove sub-folders, the longest unused first, until they hold `limit` bytes at most; the just used ones stay.

    What a process has mapped into memory stays readable for it.
    """
    if not root.is_dir():
        return
    found = [(folder.stat().st_mtime, folder) for folder in root.iterdir() if folder.is_dir()]
    sizes = {folder: sum(path.stat().st_size for path in folder.iterdir()) for _, folder in found}
    held = sum(sizes.values())
    for used, folder in sorted(found):
        if held <= limit or used > time.time() - JUST_USED_S:
            return
        shutil.rmtree(folder, ignore_errors=True)
        held -= sizes[folder]


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and ".locks" not in path.parts:
            yield path


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
