"""A run folder that lives on storage: worked on in a local copy, and each write sent up before it counts.

Files that hold what is known - config, results, decisions, ledger, stops - are passed to `keep` by whoever writes them.
For a run folder on a local disk there is nothing to do.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import BadInput
from sweeper.storage.filesystem import Storage, StorageError
from sweeper.storage.lease import FOLDER as LEASE
from sweeper.storage.lease import Lease
from sweeper.storage.uris import is_uri, working_copy

# Files that are fetched or sent at a time.
AT_ONCE = 16

# What Ray Train needs to go on with a pre-training is its own affair.
SCRATCH = "scratch"


@dataclass(frozen=True)
class _Kept:
    """Where a working copy's files go, and the right to write there."""

    place: Storage
    lease: Lease


_kept: dict[Path, _Kept] = {}


def seen(output: str, *, missing_ok: bool = False) -> Path:
    """A run folder to look at: one on storage is fetched as it is now, apart from what a driver here may work on.

    Raises BadInput where there is nothing, or where the storage cannot be read.
    """
    if not is_uri(output):
        return Path(output)
    copy = working_copy(output)
    folder, place = copy.with_name(f"{copy.name}-seen"), Storage(output)
    try:
        _mirror(place, folder)
    except StorageError as error:
        raise BadInput(str(error)) from None
    if not missing_ok and not (folder / "config.yaml").exists():
        raise BadInput(f"{place.shown}: not a run folder (no config.yaml in it); give what output= was set to")
    return folder


@contextmanager
def held(output: str) -> Iterator[Path]:
    """The run folder at this place, ours alone to write; fetched first if it is on storage.

    Raises BadInput where it cannot be written, or where another driver that is alive holds it.
    """
    if not is_uri(output):
        yield Path(output)
        return
    folder, place = working_copy(output), Storage(output)
    place.make_root()
    lease = Lease(place)
    lease.acquire()
    _kept[folder] = _Kept(place, lease)
    try:
        _mirror(place, folder)
        yield folder
    finally:
        del _kept[folder]
        lease.release()


def keep(path: Path) -> None:
    """Send a file that was just written to where its run folder is kept.

    Raises StorageError where that fails, LeaseLostError where the folder may be another driver's by now.
    """
    for folder, kept in _kept.items():
        if path.is_relative_to(folder):
            kept.lease.check()
            kept.place.upload(path, path.relative_to(folder).as_posix())


def keep_all(folder: Path, *names: str) -> None:
    """Send files, and folders with all that is in them."""
    paths = [path for name in names for path in [folder / name, *(folder / name).rglob("*")] if path.is_file()]
    if folder in _kept:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(keep, paths))


def discard(path: Path) -> None:
    """Remove a file of a run folder, there and here."""
    for folder, kept in _kept.items():
        if path.is_relative_to(folder):
            kept.lease.check()
            kept.place.delete(path.relative_to(folder).as_posix())
    path.unlink()


def _mirror(place: Storage, folder: Path) -> None:
    """Make a local folder what is on storage; results are never rewritten, so those that are here stay."""
    there = {e.name: e.bytes for e in place.entries() if e.name.partition("/")[0] not in (LEASE, SCRATCH)}
    here = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    for name in here.keys() - there.keys():
        (folder / name).unlink(missing_ok=True)
    wanted = [n for n, size in there.items() if not (n.startswith("results/") and here.get(n) == size)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: _fetch(place, name, folder / name), wanted))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)


def _fetch(place: Storage, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    place.download(name, part)
    part.replace(target)
