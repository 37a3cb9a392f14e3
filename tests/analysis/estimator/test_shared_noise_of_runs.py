"""Runs that have something in common: a training, a block, a test set."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from analysis import LawFit, fit_law
from analysis.estimator.likelihood import arm_data, misfit, weigh
from analysis.estimator.observations import TRAJECTORY_POINTS
from analysis.estimator.prior import Prior
from analysis.laws import TrueLaw
from analysis.verdict.verdict import verdict

LAW = TrueLaw(alpha=0.4, C=0.3, D=1.2, sigma=0.02)
FEW_MISTAKES = [8 / 400, 5 / 400, 3 / 400, 2 / 400]
FOUR_SIZES = [250, 1000, 4000, 16_000]


def _width(fit: LawFit, n: float) -> float:
    low, high = fit.band(n)
    return float(high - low)


def test_runs_of_a_block_have_the_density_of_normals_that_share_a_part_of_their_noise() -> None:
    n, block = np.array([1000.0, 4000.0, 16_000.0, 1000.0, 4000.0]), np.array([0, 0, 0, 1, 1])
    error, variance = np.array([0.5, 0.4, 0.35, 0.52, 0.41]), np.array([0.0, 1e-4, 0.0, 0.0, 1e-5])
    residual = np.log([1.01, 0.98, 1.0, 1.03, 1.02])
    data = arm_data(n, error, variance, block)

    (noise, _) = Prior().noise(blocks=True)
    weights = weigh(data, noise)
    found = weights.log_scale - 0.5 * misfit(residual, weights)[1] - 0.5 * n.size * np.log(2 * np.pi)

    for pair in range(0, noise.tau.size, 7):
        sigma2 = np.exp(2 * noise.log_sigma[pair])
        covariance = sigma2 * noise.shared[pair] * np.equal.outer(block, block)
        covariance += np.diag(sigma2 * (1 - noise.shared[pair]) + variance)
        assert found[pair] == pytest.approx(multivariate_normal(np.zeros(n.size), covariance).logpdf(residual))


def test_what_a_seed_does_at_every_size_does_not_blur_the_slope() -> None:
    """Given three seeds at four sizes, apart by 3 % alike at all of them, blocks narrow alpha to what the rest says."""
    n, seed = np.tile([125, 500, 2000, 8000], 3), np.repeat([0, 1, 2], 4)
    own = 0.002 * np.random.default_rng(0).standard_normal(12)
    error = LAW.error(n) * np.exp(np.array([0.03, -0.03, 0.0])[seed] + own)

    alone, blocks = fit_law(n, error), fit_law(n, error, block=seed)

    assert blocks.alpha.sd < 0.75 * alone.alpha.sd
    low, high = blocks.alpha.interval()
    assert low < LAW.alpha < high


def test_blocks_of_one_run_each_change_nothing() -> None:
    n = [125, 500, 2000, 8000]
    error = LAW.error(n)
    assert fit_law(n, error, block=list("abcd")).alpha.mean == fit_law(n, error).alpha.mean


def test_a_handful_of_mistakes_on_a_small_test_set_is_no_certain_fall() -> None:
    """Given twice 8, 5, 3 and 2 mistakes, when the 400 test images are counted, then the verdict waits."""
    sizes, errors = FOUR_SIZES * 2, FEW_MISTAKES * 2
    assert verdict(fit_law(sizes, errors)).label == "render more"

    counted = verdict(fit_law(sizes, errors, test_size=400))

    assert counted.label == "not identified yet"
    assert counted.probability < 0.95


def test_a_target_is_judged_by_what_the_test_set_can_tell() -> None:
    """Given many runs just below the target: on 372 images nobody knows which side the error on all images is on."""
    n = np.repeat([250, 1000, 4000, 16_000], 5)
    error = TrueLaw(0.5, 0.44, 1.0, 0.01).observed(n, np.random.default_rng(0).standard_normal(n.size))

    known, counted = (verdict(fit_law(n, error, test_size=size), target_error=0.46) for size in (None, 372))

    assert known.label == "good enough"
    assert counted.label == "not identified yet"


def test_no_mistake_counts_as_half_a_mistake_where_the_test_set_is_known() -> None:
    with pytest.raises(ValueError, match=r"errors must lie in \(0, 1\]"):
        fit_law([100, 1000, 10_000], [0.02, 0.01, 0.0])

    fit = fit_law([100, 1000, 10_000], [0.02, 0.01, 0.0], test_size=[100, 100, 200])

    assert fit.error[2] == 0.5 / 200


def test_points_of_one_training_are_thinned_and_counted() -> None:
    """Given 200 points of one training and one of another, a dozen of the first are kept, its ends among them."""
    n = np.append(np.geomspace(100, 10_000, 200), 50.0)
    fit = fit_law(n, LAW.error(n), trajectory=["one"] * 200 + ["other"])

    assert fit.n.size <= TRAJECTORY_POINTS + 1
    assert {50.0, 100.0, n[199]} <= set(fit.n.tolist())
    assert np.diff(np.log(np.sort(fit.n)[1:])).max() < 1.2 * np.log(100) / (TRAJECTORY_POINTS - 1)
    assert f"({201 - fit.n.size} more points of their trajectories left out)" in str(fit)


def test_points_that_repeat_one_trainings_noise_do_not_count_as_runs() -> None:
    """Given noise of 2 % that wanders slowly along each of five trainings, it is seen as noise where that is said."""
    n = np.geomspace(100, 10_000, 120)
    noise = []
    for seed in range(5):
        wander = np.interp(np.log(n), np.log(n[::15]), np.random.default_rng(seed).normal(0, 0.02, 8))
        error = LAW.error(n) * np.exp(wander)
        noise.append([fit_law(n, error, trajectory=told).sigma.median for told in (["one"] * 120, None)])

    told, untold = np.mean(noise, axis=0)
    assert 0.005 < told < 0.02
    assert untold < 0.2 * told


def test_points_without_a_training_are_runs_of_their_own() -> None:
    n = np.geomspace(100, 10_000, 40)
    assert fit_law(n, LAW.error(n), trajectory=[None, float("nan")] * 20).left_out == 0  # type: ignore[arg-type]


def test_least_squares_refuses_blocks() -> None:
    with pytest.raises(ValueError, match="least squares knows of no block"):
        fit_law(FOUR_SIZES, FEW_MISTAKES, method="nls", block=[0, 0, 1, 1])


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"block": [0, 1]}, "lengths differ (4 n, 4 error, 2 block); give one entry a run"),
        ({"trajectory": "a"}, "trajectory has 0 dimensions; give a flat list, one entry a run"),
        ({"test_size": 0}, "test_size holds 0 (entry 1); give the number of test images, 1 or more"),
        ({"test_size": [10, 20]}, "2 test_size for 4 runs; give one for all, or one entry a run"),
    ],
)
def test_what_does_not_fit_the_runs_is_refused_in_one_line(told: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the line is looked at below
        fit_law(FOUR_SIZES, FEW_MISTAKES, **told)  # type: ignore[arg-type]
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
