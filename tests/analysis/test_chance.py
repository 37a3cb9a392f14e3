from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from analysis.chance import LAWS_KNOWN, PAPER, POPULATION_KNOWN, POSTERIOR, order_by_chance, rmse_by_chance
from analysis.contest import tasks
from analysis.recorded import read_paper

ROOT = os.environ.get("SWEEPER_DATA_ROOT")
pytestmark = pytest.mark.skipif(not ROOT, reason="SWEEPER_DATA_ROOT is not set: the recorded curves are not at hand")


def test_who_knows_the_laws_orders_new_runs_best_and_not_always_right() -> None:
    """Given worlds like the recorded one, knowing the laws beats three runs each, and noise still turns pairs."""
    taus = order_by_chance(read_paper(Path(ROOT or "") / "curves" / "cg_transfer_finetune.csv"), worlds=12)
    assert set(taus) == {POSTERIOR, PAPER, POPULATION_KNOWN, LAWS_KNOWN}
    assert taus[POSTERIOR].mean() < taus[LAWS_KNOWN].mean() < 1
    assert taus[POPULATION_KNOWN].mean() < taus[LAWS_KNOWN].mean()
    assert (taus[POSTERIOR] > 0.5).all()


def test_on_three_curves_either_method_may_be_ahead() -> None:
    """Given worlds like the 1280k collection's, the sign of the difference changes from world to world."""
    paper = read_paper(Path(ROOT or "") / "curves" / "cg_transfer_finetune.csv")
    (large,) = (task for task in tasks(paper, {}) if task.name == "1280k")
    rmse = rmse_by_chance(large, worlds=12)
    apart = rmse[POSTERIOR] - rmse[PAPER]
    assert apart.min() < 0 < apart.max()
    assert np.array_equal(apart, np.subtract(*rmse_by_chance(large, worlds=12).values()))
