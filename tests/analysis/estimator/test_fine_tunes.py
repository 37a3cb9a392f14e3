"""Runs of several fine-tunes: what their spread says of the noise, and whether intervals still cover."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import fit_laws
from analysis.estimator.observations import Repeated, with_pooled_variance
from analysis.laws import law_error

FAR = 25_600.0


def covered(truths: int, seed: int, *, pool: bool = True) -> np.ndarray:
    """Shares of truths whose C and whose error at `FAR` lie in their 95 % intervals; two fine-tunes a run.

    Truths: alpha uniform in 0.2 to 0.8, C in 0.05 to 0.6, four to six runs at 200 to 6,400 images; the noise of the
    log error is 0.01 a pre-training and 0.03 a fine-tune. `pool=False` takes each run's own spread for known.
    """
    rng, inside = np.random.default_rng(seed), []
    for _ in range(truths):
        alpha, gap = rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.6)
        n = np.array([200, 800, 3200, 200, 6400, 1600])[: rng.integers(4, 7)]
        rate = rng.uniform(0.2, 0.9) * (0.95 - gap) * 200**alpha
        noise = 0.01 * rng.standard_normal(n.size)[:, None] + 0.03 * rng.standard_normal((n.size, 2))
        logs = np.log(law_error(n, alpha, gap, rate))[:, None] + noise
        spread = logs.var(axis=1, ddof=1)
        runs = Repeated(n, np.exp(logs.mean(axis=1)), spread, np.full(n.size, 2))
        column = with_pooled_variance({"arm": runs}, {"arm": "all"})["arm"] if pool else (n, runs.error, spread / 2)
        fit = fit_laws({"arm": column})["arm"]
        low, high = fit.band([FAR], 0.95)
        lowest, highest = fit.C.interval(0.95)
        inside.append([lowest <= gap <= highest, low[0] <= law_error(FAR, alpha, gap, rate) <= high[0]])
    return np.mean(inside, axis=0)


def test_intervals_cover_where_runs_are_means_of_two_fine_tunes() -> None:
    """A small version of docs/concepts/estimator.md's 300 truths; 0.85 is 3 sd below 95 %."""
    shares = covered(50, seed=3)

    assert (shares >= 0.85).all(), shares


def test_the_variance_of_a_fine_tune_is_pooled_over_the_arms_of_a_group_and_over_no_others() -> None:
    arms = {
        "two": Repeated([100, 200], [0.3, 0.2], [0.04, 0.02], [2, 2]),
        "four": Repeated([100], [0.3], [0.02], [4]),
        "one": Repeated([100], [0.3], [0.0], [1]),
        "elsewhere": Repeated([100], [0.3], [0.0], [1]),
    }
    groups = {"two": "a", "four": "a", "one": "a", "elsewhere": "b"}

    found = {arm: variance.tolist() for arm, (_, _, variance) in with_pooled_variance(arms, groups).items()}

    of_one = (0.04 + 0.02 + 3 * 0.02) / 5
    assert found["two"] == pytest.approx([of_one / 2, of_one / 2])
    assert found["four"] == pytest.approx([of_one / 4])
    assert found["one"] == pytest.approx([of_one])
    assert found["elsewhere"] == [0.0]
