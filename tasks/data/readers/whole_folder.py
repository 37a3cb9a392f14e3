"""Folders that are made once, whole or not at all, by whichever process needs them first."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# beside the files of a decoded folder: the SHA-256 of each
CHECKSUMS = "sha256.json"
# whoever makes a folder writes its files all the time: one that has been still for so long is nobody's
_ABANDONED_S = 86400.0

log = logging.getLogger("sweeper")


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `folder` at the end; not where an exception ends it.

    Of two processes that make it at once, the later one drops its own work.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield partial
        try:
            os.rename(partial, folder)
        except OSError:
            # another process was first; a rename onto a filled folder changes nothing
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def decoded_once(folder: Path, decode: Callable[[Path], None], *, verify: bool) -> None:
    """Let `decode(temporary folder)` fill `folder` where it does not exist yet; the checksums of its files are added.

    With `verify` every byte is compared with what was written, and a damaged folder is made anew, which is said.
    A second process waits for the first one's work.
    """
    if folder.is_dir() and not verify:
        return
    with locked(folder.with_name(f".{folder.name}.lock")):
        _made_or_mended(folder, decode, verify=verify)


def _made_or_mended(folder: Path, decode: Callable[[Path], None], *, verify: bool) -> None:
    if verify and folder.is_dir() and not _is_whole(folder):
        log.warning("decoded images %s are damaged; decoding them again", folder)
        # renamed first: of two processes that notice, one removes it
        with suppress(OSError):
            damaged = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            os.rename(folder, damaged)
            shutil.rmtree(damaged, ignore_errors=True)
    if not folder.is_dir():
        with made_whole(folder) as partial:
            decode(partial)
            (partial / CHECKSUMS).write_text(json.dumps(_checksums(partial), sort_keys=True))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which is gone at the end. The system releases it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # whoever had it may have removed it since it was opened, and another holds a file of its name
            if not _is_there(path, stream.fileno()):
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_there(path: Path, opened: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(opened).st_ino
    except FileNotFoundError:
        return False


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the list of them itself."""
    sums = {}
    for file in sorted(folder.iterdir()):
        if file.name != CHECKSUMS:
            with file.open("rb") as stream:
                sums[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return sums


def _is_whole(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / CHECKSUMS).read_text()) == _checksums(folder))
    except (OSError, ValueError):
        return False


def _remove_abandoned(folder: Path) -> None:
    """What a killed process left of the same folder."""
    for partial in folder.parent.glob(f".{folder.name}-*"):
        with suppress(FileNotFoundError):
            if time.time() - partial.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(partial, ignore_errors=True)
