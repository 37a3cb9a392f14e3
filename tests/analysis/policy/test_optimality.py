from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from analysis import fit_law
from analysis.laws import law_gradient
from analysis.policy.goals import Terms
from analysis.policy.optimality import best_fit, propose_d_optimal, propose_v_optimal
from analysis.policy.proposal import Policy
from analysis.policy.runs import ArmState, Run
from tests.analysis.evidence.truths import observe

RUNGS = [1000 * 2**i for i in range(7)]
CRITERIA = [propose_d_optimal, propose_v_optimal]


def _state(n: Sequence[int], sigma: float = 0.003) -> ArmState:
    truth = observe(0.45, 0.3, 8.0, sigma, np.array(n, float), seed=1)
    runs = tuple(Run("a", size, list(n[:i]).count(size)) for i, size in enumerate(n))
    return ArmState("a", fit_law(truth.n, truth.error), runs)


def _same(run: Run, assumed: Sequence[Run]) -> float:
    return 1.0


def test_the_best_fit_to_well_measured_runs_is_the_truth() -> None:
    found = best_fit(_state(4 * RUNGS, sigma=0.001).fit)
    assert (found.alpha, found.C) == pytest.approx((0.45, 0.3), rel=0.05)


def test_errors_that_rise_with_n_still_have_a_best_fit() -> None:
    assert np.isfinite(best_fit(fit_law(RUNGS[:4], [0.5, 0.51, 0.52, 0.53])).covariance).all()


def test_d_optimal_takes_the_run_that_raises_the_determinant_most() -> None:
    state = _state(3 * RUNGS)
    found = best_fit(state.fit)
    D = found.d * np.exp(found.alpha * found.log_n_ref)
    law = (found.alpha, found.C, D)
    n = np.array(RUNGS, float)
    looks = law_gradient(n, *law) / (found.C + D * n**-found.alpha)[:, None]
    determinants = [np.linalg.det(3 * looks.T @ looks + np.outer(look, look)) for look in looks]
    assert propose_d_optimal([state], {"a": RUNGS}, _same)[0].run.n == RUNGS[int(np.argmax(determinants))]


def test_v_optimal_takes_the_run_that_lowers_the_variance_beyond_the_ladder_most() -> None:
    state = _state(3 * RUNGS)
    found = best_fit(state.fit)
    beyond = found.jacobian(RUNGS[-1] * np.array([2.0, 4.0, 8.0]))
    left = [np.trace(beyond @ found.seen(n).covariance @ beyond.T) for n in RUNGS]
    assert propose_v_optimal([state], {"a": RUNGS}, _same)[0].run.n == RUNGS[int(np.argmin(left))]


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
