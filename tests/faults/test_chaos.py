"""Nodes die and return at random: every run is observed exactly once, and the budget holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.chaos import measure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_every_run_is_observed_once_and_the_budget_holds(tmp_path: Path) -> None:
    figures = measure(tmp_path, runs=30, seconds=1.5, seed=7, every_s=5.0, device_hours=1.0)

    assert figures.code == 0, figures
    assert figures.nodes_lost >= 1, "nothing happened that could be told from a calm run"
    assert (figures.missing, figures.repeated, figures.failed) == (0, 0, 0), figures
    assert figures.open_reservations == 0
    assert 30 * 1.5 <= figures.spent_device_s <= figures.allowed_device_s
