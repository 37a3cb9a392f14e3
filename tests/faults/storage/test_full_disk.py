"""A disk that is full: one line, and what was written before is whole."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.storage.artifacts import ArtifactStore
from sweeper.storage.filesystem import StorageError
from sweeper.storage.json_lines import append_event, read_events
from sweeper.study import results
from tests.sweeper.examples import STUDIES, row

SIZE = 256 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room at all."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while stream.write(bytes(512)):
            pass
    return filler


def test_the_ledger_stays_readable_and_goes_on_when_there_is_room_again(small: Path) -> None:
    ledger = small / "ledger.jsonl"
    append_event(ledger, {"event": "start"})
    filler = fill(small)

    with pytest.raises(StorageError, match=r"ledger\.jsonl: cannot be written: the disk is full; free some space"):
        append_event(ledger, {"event": "settle", "text": "x" * 40960})

    filler.unlink()
    append_event(ledger, {"event": "tick"})
    kept = [event["event"] for event in read_events(ledger)]
    assert (kept[0], kept[-1]) == ("start", "tick")


def test_an_observation_is_in_the_table_whole_or_not_at_all(small: Path) -> None:
    results.write(small / "results", row(seed=0))
    filler = fill(small)

    with pytest.raises(StorageError, match=r"\.parquet: cannot be written: the disk is full"):
        results.write(small / "results", row(seed=1))
    assert results.read(small / "results", STUDIES) == [row(seed=0)]

    filler.unlink()
    results.write(small / "results", row(seed=1))
    assert results.read(small / "results", STUDIES) == [row(seed=0), row(seed=1)]


def test_an_artifact_that_does_not_fit_is_none(small: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.pt").write_bytes(bytes(2 * SIZE))
    store = ArtifactStore(str(small / "store"))

    with pytest.raises(StorageError, match=r"model\.pt: cannot be written: the disk is full"):
        store.commit({"stage": "pretrain"}, made)

    assert store.find({"stage": "pretrain"}) is None
    (made / "model.pt").write_bytes(bytes(1000))
    committed = store.commit({"stage": "pretrain"}, made)
    assert ArtifactStore(str(small / "store")).find_sound({"stage": "pretrain"}) == committed
