from __future__ import annotations

import numpy as np
import pytest

from analysis.evidence.backtest import RUN_NOISE, Task, order_of_renderings, score
from analysis.laws import Floats, law_error
from analysis.paper.recorded import Curve, Setting
from tests.analysis.evidence.truths import observe

LADDER: Floats = 1000 * 2.0 ** np.arange(7, dtype=np.float64)


def test_run_noise_alone_is_what_one_who_knew_the_curves_would_score() -> None:
    """Given curves with 1 % run noise, when scored at two sizes, knowing them leaves sqrt(pi) / 2 = 0.886 %."""
    runs = {f"arm {i}": observe(0.4, 0.1 + 0.05 * i, 2.0, 0.01, np.repeat(LADDER, 2), seed=i) for i in range(6)}
    curves = {name: Curve(truth.n, truth.error) for name, truth in runs.items()}
    later = {name: curve.beyond(16_000) for name, curve in curves.items()}
    two = {name: Curve(curve.n[::2], curve.error[::2]) for name, curve in later.items()}
    task = Task("64k", {name: c.upto(16_000) for name, c in curves.items()}, two, dict.fromkeys(curves, ""), log=True)
    scores = {each.method: each.rmse for each in score(task)}
    assert scores[RUN_NOISE] == pytest.approx(0.00886, rel=0.2)


@pytest.mark.parametrize(("apart", "low", "high"), [(0.05, 0.99, 1.0), (0.0, 0.0, 0.6)])
def test_order_that_run_noise_alone_leaves(apart: float, low: float, high: float) -> None:
    """Given four settings, when their errors lie far apart all is in order; when they are equal, little is."""
    paper = {}
    for i in range(4):
        setting = Setting("64k", "objdet", f"bop-lv{i}", "r50", 23.9, "objdet", "coco", 1)
        clean = law_error(LADDER, 0.4, 0.3 + apart * i, 1.0)
        paper[setting] = Curve(LADDER, clean * np.exp(0.002 * np.random.default_rng(i).standard_normal(7)))
    assert low <= order_of_renderings(paper)[RUN_NOISE] <= high
