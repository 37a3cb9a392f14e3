"""A sweep whose run folder and artifacts are on object storage: ended, killed, and gone on with from empty disks."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyarrow import BufferReader

from sweeper.storage.filesystem import RetryingFileSystem
from sweeper.storage.lease import Lease
from tests.faults import sweeps
from tests.faults.storage.s3_server import S3Server
from tests.integration.command_line import place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# A busy machine takes minutes to start Ray.
PATIENCE_S = 900


def rows(s3: S3Server) -> list[dict[str, Any]]:
    parts = [key for key in s3.objects("runs/x/results/") if key.endswith(".parquet")]
    return [row for key in parts for row in pq.read_table(BufferReader(s3.get(key))).to_pylist()]


def errors(s3: S3Server) -> dict[tuple[str, int, int, int], float]:
    return {(r["arm"], r["n"], r["seed"], r["repeat"]): r["error"] for r in rows(s3) if r["split"] == "test"}


def open_reservations(s3: S3Server) -> set[str]:
    events = [json.loads(line) for line in s3.get("runs/x/ledger.jsonl").splitlines()]
    settled = {event["id"] for event in events if event["event"] == "settle"}
    return {event["id"] for event in events if event["event"] == "reserve"} - settled


def on(s3: S3Server, folder: Path, seconds: float) -> tuple[str, str, str]:
    """The arguments of a sweep that keeps nothing but on storage."""
    return str(sweeps.write(folder, seconds)), f"output={s3.uri('runs/x')}", f"store={s3.uri('artifacts')}"


def disk(folder: Path) -> Path:
    """Another machine's, empty."""
    folder.mkdir()
    return folder


def test_a_driver_that_is_told_to_end_saves_within_seconds(s3: S3Server, tmp_path: Path) -> None:
    # given a driver that has observed something, and is told to end
    with place(disk(tmp_path / "a")) as here:
        sweep = here.start("run", *on(s3, tmp_path, seconds=1.0))
        sweep.wait_for(lambda: len(sweep.of("observed")) >= 1, PATIENCE_S)
        os.kill(sweep.process.pid, signal.SIGTERM)
        ended = sweep.finish(PATIENCE_S)

    # then it says so in a line, soon; nothing stays reserved, and the next may begin at once
    assert ended.code == 1
    assert "run the same command again to go on" in ended.err
    assert "Traceback" not in ended.err
    assert open_reservations(s3) == set()
    # What remains of an emptied folder is its name.
    assert [key for key in s3.objects("runs/x/lease/") if not key.endswith("/")] == []
    assert errors(s3).items() <= sweeps.undisturbed().items()


def test_a_second_driver_is_refused_while_the_first_is_alive(s3: S3Server, tmp_path: Path) -> None:
    storage = RetryingFileSystem(s3.uri("runs/x"))
    storage.make_root()
    lease = Lease(storage)
    lease.acquire()
    with place(disk(tmp_path / "second")) as here:
        refused = here.run("run", *on(s3, tmp_path, seconds=0.0))
    lease.release()

    assert refused.code == 2
    assert re.search(r"another sweep is running on it \(process \d+ on ", refused.err)
    assert "Traceback" not in refused.err


def test_killed_it_goes_on_from_an_empty_disk_to_the_undisturbed_table(s3: S3Server, tmp_path: Path) -> None:
    arguments = on(s3, tmp_path, seconds=1.0)
    with place(disk(tmp_path / "b")) as first:
        # given a driver with n = 0 observed, which need not be the first of two in flight
        sweep = first.start("run", *arguments)
        sweep.wait_for(lambda: any(e["what"].startswith(sweeps.REFERENCE) for e in sweep.of("observed")), PATIENCE_S)

        # when it is killed with all its processes, and its disk is gone
        sweep.kill_group()
    before = {part: s3.get(part) for part in s3.objects("runs/x/results/") if not part.endswith("/")}

    # then anybody may look
    with place(disk(tmp_path / "looks")) as anywhere:
        told = anywhere.run("status", s3.uri("runs/x"))
    assert told.code == 0, told.err
    assert "not finished" in told.out
    assert f"{sweeps.REFERENCE}: n=0:" in told.out

    # and another machine waits for its lease and goes on: what was there stays, the table is the undisturbed one
    with place(disk(tmp_path / "c")) as second:
        done = second.run("run", *arguments, "--json")
    assert done.code == 0, done.err[-3000:]
    assert errors(s3) == pytest.approx(sweeps.undisturbed())
    assert before
    assert all(s3.get(part) == content for part, content in before.items())
    assert open_reservations(s3) == set()
    assert "s3://sweeps/runs/x/report.html" in done.out
    assert "runs/x/report.html" in s3.objects("runs/x/")
