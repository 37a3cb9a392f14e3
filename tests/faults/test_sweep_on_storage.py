"""A sweep whose run folder and artifacts are on object storage: ended, killed, and gone on with from empty disks."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyarrow import BufferReader

from tests.faults import sweeps
from tests.faults.s3_server import S3Server
from tests.integration.command_line import place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def rows(s3: S3Server) -> list[dict[str, Any]]:
    parts = [key for key in s3.objects("runs/x/results/") if key.endswith(".parquet")]
    return [row for key in parts for row in pq.read_table(BufferReader(s3.get(key))).to_pylist()]


def errors(s3: S3Server) -> dict[tuple[str, int, int, int], float]:
    return {(r["arm"], r["n"], r["seed"], r["repeat"]): r["error"] for r in rows(s3) if r["split"] == "test"}


def open_reservations(s3: S3Server) -> set[str]:
    events = [json.loads(line) for line in s3.get("runs/x/ledger.jsonl").splitlines()]
    settled = {event["id"] for event in events if event["event"] == "settle"}
    return {event["id"] for event in events if event["event"] == "reserve"} - settled


def test_ended_then_killed_it_goes_on_from_an_empty_disk_to_the_same_table(s3: S3Server, tmp_path: Path) -> None:
    config = str(sweeps.write(tmp_path, seconds=2.0))
    for machine in "abc":
        (tmp_path / machine).mkdir()
    on_s3 = (config, f"output={s3.uri('runs/x')}", f"store={s3.uri('artifacts')}")

    # given a driver that is told to end once it has observed something
    with place(tmp_path / "a") as first:
        sweep = first.start("run", *on_s3)
        sweep.wait_for(lambda: len(sweep.of("observed")) >= 1, 200)
        began = time.monotonic()
        os.kill(sweep.process.pid, signal.SIGTERM)
        ended = sweep.finish(60)
        took = time.monotonic() - began

        # then it saves and says so within seconds, nothing stays reserved, and the next may begin at once
        assert ended.code == 1
        assert "run the same command again to go on" in ended.err
        assert "Traceback" not in ended.err
        assert took < 30
        assert open_reservations(s3) == set()
        assert not s3.objects("runs/x/lease/")
    before = errors(s3)
    assert before

    # given another machine's driver, killed while a fine-tune is under way
    with place(tmp_path / "b") as second:
        sweep = second.start("run", *on_s3)
        sweep.wait_for(lambda: len(sweep.of("decided")) >= 1, 200)

        # then meanwhile a second one is refused, and anybody may look
        refused = second.run("run", *on_s3)
        assert refused.code == 2
        assert re.search(r"another sweep is running on it \(process \d+ on ", refused.err)
        told = second.run("status", s3.uri("runs/x"))
        assert told.code == 0, told.err
        assert "not finished" in told.out
        assert f"{sweeps.REFERENCE}: n=0:" in told.out
        sweep.kill_group()
        for process in second.processes():
            os.kill(process, signal.SIGKILL)

    # when a third machine goes on, then it waits for the dead one's lease, and the table is the undisturbed one
    with place(tmp_path / "c") as third:
        done = third.run("run", *on_s3, "--json")
        assert done.code == 0, done.err[-3000:]
        assert errors(s3) == pytest.approx(sweeps.undisturbed())
        assert before.items() <= errors(s3).items()
        assert "runs/x/report.html" in s3.objects("runs/x/")
        assert "s3://sweeps/runs/x/report.html" in done.err + done.out
        assert open_reservations(s3) == set()

        # and what was observed before was not measured again
        assert {e["what"] for e in done.events if e["event"] == "observed"}.isdisjoint(
            {f"{arm} n={n} seed={seed}" for arm, n, seed, _ in before if n > 0 and len(before) % sweeps.REPEATS == 0}
        )
