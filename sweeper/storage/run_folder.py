"""A run folder on storage: a local working copy, from which every written file is uploaded before it counts.

Config, results, decisions, ledger and stops are passed to `sync` by the code that writes them. For a run folder on a
local disk, `sync` does nothing.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sweeper.errors import BadInput, bad_input
from sweeper.storage.filesystem import RetryingFileSystem, StorageError
from sweeper.storage.lease import FOLDER as LEASE
from sweeper.storage.lease import Lease
from sweeper.storage.uris import is_uri, local_copy

# Files that are downloaded or uploaded at the same time.
AT_ONCE = 16

# The sub-folder in which Ray Train keeps the checkpoints of trainings under way; it is never mirrored.
SCRATCH = "scratch"


# By working copy, the right to write its run folder on storage.
_leases: dict[Path, Lease] = {}


def fetched_run_folder(output: str, *, missing_ok: bool = False) -> Path:
    """A run folder to read; one on storage is downloaded as it is now, beside the copy that a driver here works on.

    Raises BadInput where there is no run folder (unless missing_ok), or where the storage cannot be read.
    """
    if not is_uri(output):
        return Path(output)
    copy = local_copy(output)
    folder, files = copy.with_name(f"{copy.name}-seen"), RetryingFileSystem(output)
    with bad_input("", StorageError):
        _mirror(files, folder)
    if not missing_ok and not (folder / "config.yaml").exists():
        raise BadInput(f"{files.redacted}: not a run folder (no config.yaml in it); give what output= was set to")
    return folder


@contextmanager
def locked_run_folder(output: str) -> Iterator[Path]:
    """The run folder at a path or URI; one on storage is leased to this driver alone, and downloaded first.

    Raises BadInput where it cannot be written, or where another driver that is alive holds it.
    """
    if not is_uri(output):
        yield Path(output)
        return
    folder, files = local_copy(output), RetryingFileSystem(output)
    files.make_root()
    lease = Lease(files)
    lease.acquire()
    _leases[folder] = lease
    try:
        _mirror(files, folder)
        yield folder
    finally:
        del _leases[folder]
        lease.release()


def sync(path: Path) -> None:
    """Upload a file that was just written, if its run folder is on storage.

    Raises StorageError where that fails, LeaseLostError where another driver may hold the folder by now.
    """
    for folder, lease in _leases.items():
        if path.is_relative_to(folder):
            lease.check()
            lease.files.upload(path, path.relative_to(folder).as_posix())


def sync_all(folder: Path, *names: str) -> None:
    """Upload files of a run folder, and sub-folders with all that is in them."""
    paths = [path for name in names for path in [folder / name, *(folder / name).rglob("*")] if path.is_file()]
    if folder in _leases:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(sync, paths))


def remove(path: Path) -> None:
    """Remove a file of a run folder, on storage and here."""
    for folder, lease in _leases.items():
        if path.is_relative_to(folder):
            lease.check()
            lease.files.delete(path.relative_to(folder).as_posix())
    path.unlink()


def _mirror(files: RetryingFileSystem, folder: Path) -> None:
    """Make a local folder equal to what is on storage; results are never rewritten, so those that are here stay."""
    there = {e.name: e.bytes for e in files.entries() if e.name.partition("/")[0] not in (LEASE, SCRATCH)}
    here = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    for name in here.keys() - there.keys():
        (folder / name).unlink(missing_ok=True)
    wanted = [n for n, size in there.items() if not (n.startswith("results/") and here.get(n) == size)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: _fetch(files, name, folder / name), wanted))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)


def _fetch(files: RetryingFileSystem, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    files.download(name, part)
    part.replace(target)
