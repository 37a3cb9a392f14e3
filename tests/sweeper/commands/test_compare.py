"""Sweeps side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sweeper import __main__ as commands
from sweeper.errors import BadInput
from tests.sweeper.examples import SIMULATED_ARM as ARM
from tests.sweeper.examples import simulated_run


def finished(folder: Path, scale: float, **changes: Any) -> str:
    """A run folder with six runs whose errors fall with n."""
    falling = ((1000, 0.3), (2000, 0.26), (4000, 0.23), (8000, 0.21), (16000, 0.195), (32000, 0.187))
    return str(simulated_run(folder, [(n, 0, error * scale) for n, error in falling], **changes))


def test_what_differs_and_every_verdict_and_cost_stand_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given two sweeps that differ in their target and in their errors
    first = finished(tmp_path / "a", 1.0, target={"error": 0.2})
    second = finished(tmp_path / "b", 2.0, target={"error": 0.3})

    # when they are compared, as text and for machines
    commands.compare([first, second])
    text = capsys.readouterr().out
    commands.compare([first, second], json=True)
    told = json.loads(capsys.readouterr().out)

    # then only the target differs, not where the runs are
    assert told["config"] == {"target.error": {first: 0.2, second: 0.3}}
    # and the arm has a verdict and intervals in both
    better, worse = (told["sweeps"][run]["arms"][ARM] for run in (first, second))
    assert better["verdict"] == "good enough"
    low, high = better["C"]["interval"]
    assert low < better["C"]["median"] < high < worse["error_now"]["median"]
    assert told["sweeps"][first]["usd"] == 0.0
    assert "target.error" in text
    assert "good enough (probability" in text
    assert "95% intervals" in text
    assert "0.0 min alive" in text


def test_one_sweep_is_nothing_to_compare(tmp_path: Path) -> None:
    run = finished(tmp_path / "a", 1.0)
    with pytest.raises(BadInput, match="compare needs two run folders"):
        commands.compare([run, run])
