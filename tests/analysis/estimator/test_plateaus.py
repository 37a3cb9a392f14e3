"""Curves that fall no further, laws that end, and laws that bend beyond the runs."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import Prior, fit_law
from analysis.laws import Bend, LawSamples, TrueLaw, law_error
from analysis.verdict.verdict import verdict

LADDER = 1000 * 2.0 ** np.arange(7)
LAW = TrueLaw(alpha=0.5, C=0.1, D=3.0, sigma=0.01)


def _observed(error: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    n = np.repeat(LADDER, 2)
    return n, np.repeat(error, 2) * np.exp(0.01 * np.random.default_rng(seed).standard_normal(n.size))


def test_a_flat_curve_is_taken_for_a_plateau_and_a_falling_one_is_not() -> None:
    flat = fit_law(*_observed(np.full(7, 0.3), seed=1))
    falling = fit_law(*_observed(LAW.error(LADDER), seed=1))

    assert (flat.samples.D == 0).mean() > 0.5
    assert (falling.samples.D == 0).mean() < 0.01
    assert verdict(flat).label == "change the rendering"
    low, high = flat.band(1e6)
    assert low < 0.3 < high


def test_a_plateau_is_believed_less_without_its_prior() -> None:
    n, error = [1000, 4000, 16_000], [0.302, 0.3, 0.299]
    with_one, without = (
        verdict(fit_law(n, error, prior=Prior(plateau_share=share, break_share=0.0))).next_doubling
        for share in (0.1, 0.0)
    )
    assert with_one < without


def test_a_law_that_ends_is_forecast_to_stay() -> None:
    """Given a curve that stops falling in the middle of its sizes, the forecast is its last level."""
    stopped = LAW.error(np.minimum(LADDER, 8000))
    fit = fit_law(*_observed(stopped, seed=2))
    law_alone = fit_law(*_observed(stopped, seed=2), prior=Prior(plateau_share=0.0, break_share=0.0))

    end = float(stopped[-1])
    assert abs(fit.predict(640_000) - end) < abs(law_alone.predict(640_000) - end)
    low, high = fit.band(640_000.0, 0.95)
    assert low < end < high


def test_a_law_that_ends_never_reaches_what_lies_below_its_end() -> None:
    alpha, C, D, sigma, stop = (np.array([x]) for x in (0.5, 0.1, 3.0, 0.01, 8000.0))
    ends = LawSamples(alpha, C, D, sigma, stop=stop)
    at_end = float(law_error(8000, 0.5, 0.1, 3.0))
    assert ends.limit == pytest.approx(at_end)
    assert ends.error(1e9) == pytest.approx(at_end)
    assert np.isinf(ends.n_needed(at_end * 0.99))
    assert ends.n_needed(at_end * 1.1) < 8000


def test_a_law_that_bends_is_left_beyond_the_runs_alone() -> None:
    bend = Bend(scale=np.array([0.01, 0.0]), toss=np.array([1.0, 1.0]), last=64_000, reach=float(np.log(64)))
    alpha, C, D, sigma = (np.array([x, x]) for x in (0.5, 0.1, 3.0, 0.01))
    two = LawSamples(alpha, C, D, sigma, tau=np.array([0.09, 0.0]), bend=bend)
    law = law_error(np.array([1000.0, 64_000, 6.4e5]), 0.5, 0.1, 3.0)

    np.testing.assert_allclose(two.error(np.array([1000.0, 64_000, 6.4e5]))[1], law)
    np.testing.assert_allclose(two.error(np.array([1000.0, 64_000]))[0], law[:2])
    assert two.error(6.4e5)[0] > law[2]
    # beyond the reach of what was run it stays as it is
    assert two.gap()[0] == pytest.approx(0.1 * np.exp(0.01 * np.log(64) ** 2.5))
    # an exact answer where a draw has no bend
    assert two.n_needed(float(law[2]))[1] == pytest.approx(6.4e5)


@pytest.mark.parametrize(("plateau", "ends"), [(1.0, 0.0), (0.1, -0.1), (0.5, 0.5)])
def test_shares_that_are_no_probabilities_are_refused(plateau: float, ends: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Prior(plateau_share=plateau, break_share=ends)
