from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.evidence.backtest import score, tasks
from analysis.paper.recorded import read_paper


@pytest.mark.data
def test_posterior_beats_the_papers_estimator_on_its_own_curves() -> None:
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set: the recorded curves are not at hand")
    paper = read_paper(Path(root) / "curves" / "cg_transfer_finetune.csv")
    small = next(task for task in tasks(paper, {}) if task.name == "64k")
    scores = {each.method: each for each in score(small)}
    assert scores["posterior"].curves == 45
    assert scores["posterior"].rmse < 0.9 * scores["nls_D_0.48"].rmse
    covered = scores["posterior"].coverage
    assert covered is not None
    assert covered >= 0.85
