from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from analysis import fit_law
from analysis.estimator.likelihood import arm_data, misfit, weigh
from analysis.estimator.prior import Prior
from analysis.laws import Floats, law_error

SIZES = (1000.0, 4000.0, 16_000.0, 64_000.0)


def _walk(n: Floats) -> Floats:
    """Covariance of the discrepancy of every run with every other, from the formula of `estimator.posterior`."""
    below = np.log(n.max() / n)
    p, q = np.minimum.outer(below, below), np.maximum.outer(below, below)
    return p**3 * (p**2 - 5 * p * q + 10 * q**2) / 120


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(SIZES), st.floats(0.05, 0.9), st.sampled_from([0.0, 1e-5, 1e-3])), min_size=2),
    st.integers(0, 2**32 - 1),
)
def test_gathered_runs_have_the_density_of_every_run_by_itself(
    runs: list[tuple[float, float, float]], seed: int
) -> None:
    """Given runs with repeats, of equal or unequal known variances, the density is that of scipy's normal."""
    n, error, variance = (np.array(column) for column in zip(*runs, strict=True))
    data = arm_data(n, error, variance)
    heights = np.random.default_rng(seed).normal(-1.5, 0.5, len(SIZES))
    law = dict(zip(SIZES, heights, strict=True))
    sizes = np.exp(data.x + data.log_n_ref)
    residual = data.y - np.array([law[min(SIZES, key=lambda each: abs(each - size))] for size in sizes])
    means = np.array([law[each] for each in n])
    for noise in Prior().noise():
        weights = weigh(data, noise)
        _, form = misfit(residual, weights)
        found = weights.log_scale - 0.5 * form - 0.5 * n.size * np.log(2 * np.pi)
        for at in range(0, noise.tau.size, 5):
            own = np.exp(2 * noise.log_sigma[at]) + variance
            covariance = np.diag(own) + noise.tau[at] ** 2 * _walk(n)
            each = multivariate_normal(means, covariance, allow_singular=False).logpdf(np.log(error))
            assert found[at] == pytest.approx(float(each), rel=1e-6, abs=1e-4)


@pytest.mark.parametrize("variances", [(0.0, 0.0), (1e-6, 4e-5)], ids=["alike", "unlike"])
def test_a_fit_of_repeats_is_the_fit_of_its_single_runs(variances: tuple[float, float]) -> None:
    """Given sizes run four times, when told apart by a millionth of an image, the fit stays as it is."""
    n = np.repeat(np.array(SIZES), 4)
    rng = np.random.default_rng(3)
    error = law_error(n, 0.4, 0.2, 5.0) * np.exp(0.01 * rng.standard_normal(n.size))
    known = np.tile(np.repeat(variances, 2), len(SIZES))
    gathered = fit_law(n, error, log_variance=known)
    singly = fit_law(n + 1e-6 * np.arange(n.size), error, log_variance=known)
    for name in ("alpha", "C", "D", "sigma"):
        one, other = getattr(gathered.samples, name), getattr(singly.samples, name)
        assert np.quantile(one, [0.05, 0.5, 0.95]) == pytest.approx(np.quantile(other, [0.05, 0.5, 0.95]), rel=1e-4)


def test_the_order_of_runs_does_not_matter() -> None:
    n = np.tile(np.array(SIZES), 3)
    error = law_error(n, 0.4, 0.2, 5.0) * np.exp(0.01 * np.random.default_rng(5).standard_normal(n.size))
    order = np.random.default_rng(6).permutation(n.size)
    one, other = fit_law(n, error), fit_law(n[order], error[order])
    assert one.C.mean == pytest.approx(other.C.mean, rel=1e-6)
    assert one.alpha.sd == pytest.approx(other.alpha.sd, rel=1e-4)
