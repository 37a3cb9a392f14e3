from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from analysis.evidence.policy_questions import (
    design_trial,
    drawn_rendering_trial,
    gap_cost_bound,
    gap_cost_trial,
    rendering_trial,
    renderings,
)
from analysis.paper.recorded import read_paper


def test_the_policy_comes_near_the_best_design_where_the_grid_stays_away() -> None:
    ours = np.median([design_trial("adaptive", i) for i in range(3)], axis=0)
    grid = np.median([design_trial("grid", i) for i in range(3)], axis=0)
    assert ours[0] < 1.15
    assert ours[1] < 1.10
    assert (grid > 1.6).all()


def test_the_gap_costs_little_more_than_the_bound_and_far_less_than_the_grid() -> None:
    ours = [gap_cost_trial("adaptive", i) for i in range(3)]
    assert np.median(ours) < 0.7
    assert all(cost >= gap_cost_bound(i) for i, cost in enumerate(ours))
    assert gap_cost_trial("grid", 0) == pytest.approx(1)


@pytest.mark.data
def test_a_fifth_of_the_grid_names_a_rendering_as_good_as_the_best() -> None:
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set: the recorded curves are not at hand")
    pool = renderings(read_paper(Path(root) / "curves" / "cg_transfer_finetune.csv"))
    assert len(pool.groups) == 9
    right, spent = rendering_trial("adaptive", pool, seed=0)
    assert right
    assert spent <= 0.2


def test_drawn_settings_are_judged_by_their_true_errors_for_a_fifth_of_the_grid() -> None:
    trials = [drawn_rendering_trial("grid", i) for i in range(2)]
    assert [right for right, _ in trials] == [True, False]
    assert all(0.1 < spent <= 0.2 for _, spent in trials)
