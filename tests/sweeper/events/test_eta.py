"""How long a stage still takes, on every line of its progress."""

from __future__ import annotations

import json

import pytest

from sweeper.events.eta import Rates, eta
from sweeper.events.reporter import Reporter


def test_what_is_left_has_a_range_from_the_fastest_and_the_slowest_of_the_latest_rates() -> None:
    # given a stage of 1,000 images that made 10, then 40, then 20 a second
    rates = Rates()
    rates.eta("render", 0.0, 0, 1000, 10.0)
    rates.eta("render", 10.0, 100, 1000, 10.0)
    rates.eta("render", 15.0, 300, 1000, 20.0)

    left = rates.eta("render", 20.0, 400, 1000, 20.0)

    assert left is not None
    assert (left.expected, left.low, left.high) == pytest.approx((30.0, 15.0, 60.0))
    assert str(left) == "ETA 30 s (15 s to 60 s)"


def test_a_stage_that_has_not_moved_has_no_eta_and_one_that_is_done_has_none_left() -> None:
    assert eta(0, 100, [0.0]) is None
    assert str(eta(100, 100, [5.0])) == "ETA 0 s"


def test_every_line_of_progress_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter("json")
    reporter.progress("render", "plain n=10", 10, 10, 5.0, "images")
    reporter.progress("pretrain", "plain n=10", 60, 60, 5.0, "steps")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [line["eta_s"] for line in lines] == [0.0, 0.0]
    assert all("ETA 0 s" in line["text"] for line in lines)
