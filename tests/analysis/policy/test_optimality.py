from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from analysis import fit_law
from analysis.laws import law_gradient
from analysis.policy.goals import Terms
from analysis.policy.optimality import (
    Basin,
    Mixture,
    find_basins,
    log_det_gain,
    prediction_error_gain,
    propose_d_optimal,
    propose_prediction_error,
    propose_v_optimal,
    target_variance_gain,
)
from analysis.policy.proposal import Policy
from analysis.policy.runs import ArmState, Run
from tests.analysis.evidence.truths import observe

RUNGS = [1000 * 2**i for i in range(7)]
CRITERIA = [propose_d_optimal, propose_v_optimal, propose_prediction_error]


def _state(n: Sequence[int], sigma: float = 0.003) -> ArmState:
    truth = observe(0.45, 0.3, 8.0, sigma, np.array(n, float), seed=1)
    runs = tuple(Run("a", size, list(n[:i]).count(size)) for i, size in enumerate(n))
    return ArmState("a", fit_law(truth.n, truth.error), runs)


def _same(run: Run, assumed: Sequence[Run]) -> float:
    return 1.0


def test_well_measured_runs_have_one_basin_and_it_is_the_truth() -> None:
    state = _state(4 * RUNGS, sigma=0.001)
    (basin,) = find_basins(state.fit, 1e-6)
    assert basin.weight == 1
    assert (basin.alpha, basin.C) == pytest.approx((0.45, 0.3), rel=0.05)
    assert basin.predict(np.array(RUNGS, float)) == pytest.approx(
        np.log(0.3 + 8.0 * np.array(RUNGS) ** -0.45), abs=0.003
    )


def test_errors_that_rise_with_n_still_have_a_basin() -> None:
    fit = fit_law(RUNGS[:4], [0.5, 0.51, 0.52, 0.53])
    assert all(np.isfinite(basin.covariance).all() for basin in find_basins(fit, 1e-4))


def test_d_optimal_takes_the_run_that_raises_the_determinant_most() -> None:
    state = _state(3 * RUNGS)
    basin = find_basins(state.fit, 1e-6)[0]
    D = basin.d * np.exp(basin.alpha * basin.log_n_ref)
    law = (basin.alpha, basin.C, D)
    n = np.array(RUNGS, float)
    looks = law_gradient(n, *law) / (basin.C + D * n**-basin.alpha)[:, None]
    determinants = [np.linalg.det(3 * looks.T @ looks + np.outer(look, look)) for look in looks]
    assert propose_d_optimal([state], {"a": RUNGS}, _same)[0].run.n == RUNGS[int(np.argmax(determinants))]


def test_v_optimal_looks_where_the_target_region_is() -> None:
    state = _state(RUNGS[:4])
    assert propose_v_optimal([state], {"a": RUNGS}, _same)[0].run.n == RUNGS[-1]


@pytest.mark.parametrize("policy", CRITERIA)
def test_a_batch_equals_proposals_made_one_by_one_with_the_earlier_ones_pending(policy: Policy) -> None:
    state, pending = _state([1000, 8000, 64_000]), list[Run]()
    for _ in range(4):
        pending.append(policy([state], {"a": RUNGS}, _same, pending)[0].run)
    assert [proposal.run for proposal in policy([state], {"a": RUNGS}, _same, k=4)] == pending
    assert len({run.n for run in pending}) > 1


@pytest.mark.parametrize("policy", CRITERIA)
def test_a_dear_size_is_left_for_cheaper_ones_and_the_budget_holds(policy: Policy) -> None:
    state = _state([1000, 8000, 64_000])
    equal = policy([state], {"a": RUNGS}, _same)[0]
    dear = policy([state], {"a": RUNGS}, lambda run, _: 1e9 if run.n == equal.run.n else 1.0)[0]
    assert dear.run.n != equal.run.n
    assert policy([state], {"a": RUNGS}, _same, terms=Terms(budget_left=0.5)) == []


def _two_modes() -> Mixture:
    """The same errors at small n; one goes on falling, the other has reached its gap."""
    spread = np.diag([0.05, 0.002, 0.002]) ** 2
    falling = Basin(0.6, 0.3, 0.01, 0.5, float(np.log(2000)), 0.5, spread)
    level = Basin(0.4, 1.0, 0.35, 0.16, float(np.log(2000)), 0.5, spread)
    return Mixture((falling, level), 1e-4, np.array([128_000.0, 256_000.0]))


def test_the_run_that_tells_modes_apart_is_worth_more_than_one_where_they_agree() -> None:
    known = _two_modes()
    assert prediction_error_gain(known, 64_000) > 3 * prediction_error_gain(known, 2000)
    # what sees one mode only finds no such worth in it
    assert prediction_error_gain(known, 64_000) > 3 * target_variance_gain(known, 64_000)
    assert log_det_gain(known, 64_000) > 0


@pytest.mark.parametrize("n", [2000, 8000, 64_000])
def test_the_expected_fall_of_the_prediction_error_is_what_outcomes_bring_on_average(n: int) -> None:
    """Outcomes drawn from the mixture, each basin updated by Bayes' rule: appendix D, by Monte Carlo."""
    known, rng, at = _two_modes(), np.random.default_rng(0), np.array([float(n)])

    def spread(weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
        """Weights (..., 2), means and variances (..., 2, target): the mixture's variance, a mean over the target."""
        middle = (weights[..., None] * means).sum(axis=-2, keepdims=True)
        total: np.ndarray = (weights[..., None] * (variances + (means - middle) ** 2)).sum(axis=-2).mean(axis=-1)
        return total

    weights = np.array([b.weight for b in known.basins])
    means = np.array([b.predict(known.target) for b in known.basins])
    J = [b.jacobian(known.target) for b in known.basins]
    look = [b.jacobian(at)[0] for b in known.basins]
    s2 = np.array([known.noise + g @ b.covariance @ g for b, g in zip(known.basins, look, strict=True)])
    m = np.array([b.predict(at)[0] for b in known.basins])
    before = np.array([np.diag(j @ b.covariance @ j.T) for b, j in zip(known.basins, J, strict=True)])
    after = np.array(
        [np.diag(j @ b.seen(n, known.noise).covariance @ j.T) for b, j in zip(known.basins, J, strict=True)]
    )
    shift = np.array([j @ b.covariance @ g / v for b, j, g, v in zip(known.basins, J, look, s2, strict=True)])
    drawn = rng.choice(2, p=weights, size=100_000)
    y = m[drawn] + np.sqrt(s2[drawn]) * rng.standard_normal(drawn.size)
    density = weights * np.exp(-0.5 * (y[:, None] - m) ** 2 / s2) / np.sqrt(s2)
    updated = density / density.sum(axis=1, keepdims=True)
    left = spread(updated, means + shift * (y[:, None] - m)[..., None], after)
    fall, blur = spread(weights, means, before) - left.mean(), left.std() / drawn.size**0.5
    assert prediction_error_gain(known, n) == pytest.approx(fall, abs=4 * blur)
    assert 4 * blur < 0.05 * prediction_error_gain(known, 64_000)
