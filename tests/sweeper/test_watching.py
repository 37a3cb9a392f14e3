"""What those who watch from outside are told."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sweeper.config import Budget
from sweeper.ledger import Ledger
from sweeper.progress import Reporter
from sweeper.watching import tensorboard


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of TensorBoard's record files: length, its checksum, an event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack("<Q", data[at : at + 8])
            event = Event.FromString(data[at + 12 : at + 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            at += 16 + length
    return found


def test_tensorboard_has_each_runs_error_at_its_n_and_the_spend(tmp_path: Path) -> None:
    reporter, ledger = Reporter("json"), Ledger(tmp_path / "ledger.jsonl", Budget())
    reporter.tell(tensorboard(tmp_path, ledger))

    reporter.event("observed", "a run", arm="plain/simulated", n=1000, seed=0, error=0.25)
    reporter.event("decided", "nothing that has an error", arm="plain/simulated", n=2000)

    assert scalars(tmp_path / "tensorboard") == [
        ("error/plain/simulated", 1000, pytest.approx(0.25)),
        ("spent/usd", 1, 0.0),
    ]


def test_who_is_no_longer_told_hears_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    reporter, heard = Reporter("json"), []
    reporter.tell(lambda event, fields: heard.append(event))
    reporter.progress("render", "plain", 1, 2, 3.0, "images")
    reporter.tell()
    reporter.event("observed", "a run")
    assert heard == ["progress"]
