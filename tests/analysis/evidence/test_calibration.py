from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import t

from analysis.evidence.calibration import Design, prior_designs, profile_intervals, simulate
from analysis.laws import Floats, law_error


def test_intervals_cover_what_they_say_and_are_mostly_narrower_than_profile_likelihoods() -> None:
    """A small version of docs/measured/calibration-truths.csv: 40 truths from the prior; 0.85 is 3 sd below 95 %."""
    results = np.array([simulate(design, 1, seed=i) for i, design in enumerate(prior_designs(40, seed=3))])
    covered = results[:, 1:5].mean(axis=0)
    narrower = (results[:, 5:9] < results[:, 13:]).mean(axis=0)
    assert (covered >= 0.85).all(), covered
    assert (narrower >= 0.5).all(), narrower


def test_profile_interval_is_students_where_the_law_is_nearly_linear() -> None:
    """Given quiet runs, when C is well known, profile likelihood and the linear approximation agree."""
    design = Design(0.8, 0.05, 0.475 * 1000**0.8, 0.002, sizes=10, repeats=1)
    error = design.runs(np.random.default_rng(2))

    def log_law(n: Floats, log_alpha: float, log_gap: float, log_at_1000: float) -> Floats:
        alpha = np.exp(log_alpha)
        return np.log(law_error(n, alpha, np.exp(log_gap), np.exp(log_at_1000) * 1000**alpha))

    best, covariance = curve_fit(log_law, design.n, np.log(error), p0=np.log([0.8, 0.05, 0.475]))
    half = t.ppf(0.975, 7) * np.sqrt(np.diag(covariance))[:2] * np.exp(best[:2])
    intervals = profile_intervals(design.n, error)[:2]
    assert intervals[:, 1] - intervals[:, 0] == pytest.approx(2 * half, rel=0.03)


def test_profile_likelihood_covers_a_well_determined_law() -> None:
    design = Design(0.44, 0.05, 10.0, 0.01, sizes=7, repeats=2)
    result = simulate(design, 12, seed=1)
    assert result[9:13].min() >= 0.8
    assert result[0] > 0.9


def test_profile_interval_of_a_noiseless_curve_is_tiny() -> None:
    design = Design(0.44, 0.05, 10.0, 0.0, sizes=8, repeats=1)
    clean = design.runs(np.random.default_rng(0)) * np.exp(1e-5 * np.random.default_rng(1).standard_normal(8))
    (low, high), (low_gap, high_gap) = profile_intervals(design.n, clean)[:2]
    assert low < 0.44 < high < low + 0.01
    assert low_gap < 0.05 < high_gap < low_gap + 0.01
