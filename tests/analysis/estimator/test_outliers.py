from __future__ import annotations

import numpy as np
import pytest

from analysis import Prior, fit_law, fit_laws
from analysis.laws import Floats
from tests.analysis.evidence.truths import observe

LADDER: Floats = 1000 * 2.0 ** np.arange(8, dtype=np.float64)
ROBUST = Prior(outlier_share=0.05)


def test_one_training_that_went_wrong_does_not_bend_a_robust_fit() -> None:
    """Given eight quiet runs of which one is 30 % off, fitted robustly, that run is named and the far end right."""
    truth = observe(0.4, 0.1, 3.0, 0.003, LADDER, seed=2)
    error = truth.error.copy()
    error[5] *= 1.3
    plain, robust = fit_law(truth.n, error), fit_law(truth.n, error, prior=ROBUST)
    far = 1e6
    assert robust.outlier.argmax() == 5
    assert robust.outlier[5] > 0.99
    assert robust.outlier[np.arange(8) != 5].max() < 0.2
    off = [abs(np.log(fit.predict(far) / truth.at(far))) for fit in (plain, robust)]
    assert off[1] < 0.25 * off[0]
    low, high = robust.C.interval(0.95)
    assert low < 0.1 < high


def test_two_of_ten_runs_that_went_wrong_are_both_named() -> None:
    """Given ten runs with two outliers on different sides, when fitted robustly, both are named."""
    n = np.append(LADDER, [8000.0, 16000.0])
    truth = observe(0.4, 0.2, 3.0, 0.003, n, seed=4)
    error = truth.error.copy()
    error[[2, 7]] *= [1.4, 0.8]
    outlier = fit_law(n, error, prior=ROBUST).outlier
    assert set(np.flatnonzero(outlier > 0.9)) == {2, 7}


def test_robustness_costs_clean_runs_little() -> None:
    """Given clean runs, when fitted robustly, the law is known about as well as without, and no run is suspected."""
    truth = observe(0.4, 0.1, 3.0, 0.01, LADDER, seed=3)
    plain, robust = fit_law(truth.n, truth.error), fit_law(truth.n, truth.error, prior=ROBUST)
    assert robust.C.mean == pytest.approx(plain.C.mean, abs=0.3 * plain.C.sd)
    assert robust.C.sd < 1.3 * plain.C.sd
    assert robust.outlier.max() < 0.5
    assert plain.outlier.max() == 0


def test_an_outlier_among_pooled_arms_is_found_too() -> None:
    """Given four arms of one group, one with a wild run, when fitted together robustly, it is named in its own arm."""
    arms = {f"arm {i}": observe(0.3 + 0.05 * i, 0.2, 0.9, 0.003, LADDER, seed=i) for i in range(4)}
    wild = arms["arm 1"].error.copy()
    wild[3] = 0.9
    data = {name: (each.n, wild if name == "arm 1" else each.error) for name, each in arms.items()}
    fits = fit_laws(data, prior=ROBUST)
    assert fits["arm 1"].outlier[3] > 0.99
    assert max(fit.outlier.max() for name, fit in fits.items() if name != "arm 1") < 0.5


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_an_outlier_share_that_is_no_probability_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="give a probability, at least 0 and below 1"):
        Prior(outlier_share=share)
