from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from analysis.estimator.fit import fit_laws
from analysis.estimator.law_fit import LawFit
from analysis.laws import TrueLaw
from analysis.policy.goals import Goals
from analysis.policy.registry import POLICIES, NamedPolicy
from analysis.policy.runs import Run
from analysis.replay.pools import STANDARD_PRICES, Pool, every_run, recorded_pool, simulated_pool
from analysis.replay.replay import Rules, Step, first_cost, replay
from analysis.replay.scores import Question, Trace, known_question, recorded_question, summarise, trace

SIZES = [1000, 2000, 4000, 8000]
LAW = TrueLaw(0.45, 0.3, 8.0, 0.003)


def _recorded(seed: int = 0) -> Pool:
    """Two arms with two runs at 1,000."""
    errors = {arm: {n: [float(LAW.error(n)) + 0.01 * k for k in range(1 + (n == 1000))] for n in SIZES} for arm in "ab"}
    return recorded_pool({"a": "", "b": ""}, errors, seed)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_every_policy_takes_each_run_of_the_pool_once_and_pays_for_it(policy: NamedPolicy) -> None:
    pool = _recorded()
    steps = list(replay(pool, policy, Rules(), seed=0))
    assert sorted(steps[-1].runs) == sorted(every_run(pool))
    assert [step.spent for step in steps] == pytest.approx([STANDARD_PRICES.total(step.runs) for step in steps])


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_every_policy_stays_within_the_budget_and_repeats_itself_for_a_seed(policy: NamedPolicy) -> None:
    rules = Rules(budget=5.0)
    first, again = (list(replay(_recorded(), policy, rules, seed=4)) for _ in range(2))
    assert [step.runs for step in first] == [step.runs for step in again]
    assert 3 < first[-1].spent <= 5.0


def test_an_arms_images_are_paid_once() -> None:
    cost = STANDARD_PRICES.cost([Run("a", 4000, 0)])
    # more images than there are; a smaller size, whose images are there; another arm's images
    assert cost(Run("a", 8000, 0), ()) == pytest.approx(1.15 + 4000 / 64_000)
    assert cost(Run("a", 2000, 0), ()) == pytest.approx(1.15)
    assert cost(Run("b", 4000, 0), ()) == pytest.approx(1.15 + 4000 / 64_000)
    assert cost(Run("a", 8000, 1), [Run("a", 8000, 0)]) == pytest.approx(1.15)


def test_the_same_simulated_run_has_the_same_error_for_every_policy() -> None:
    one, other = simulated_pool(LAW, SIZES, 3), simulated_pool(LAW, SIZES, 3)
    assert one.error(Run("simulated", 2000, 1)) == other.error(Run("simulated", 2000, 1))
    assert one.error(Run("simulated", 2000, 0)) != one.error(Run("simulated", 2000, 1))
    noise = [np.log(one.error(Run("simulated", 2000, k)) / LAW.error(2000)) for k in range(400)]
    assert np.std(noise) == pytest.approx(LAW.sigma, rel=0.1)


def test_a_cost_counts_from_where_it_holds_to_the_end() -> None:
    pool = _recorded()
    steps = [Step(pool, tuple(every_run(pool)[: k + 1]), float(k)) for k in range(5)]
    assert first_cost(steps, lambda step: step.spent in (1.0, 3.0, 4.0)) == 3.0
    assert first_cost(steps, lambda step: step.spent < 4) == float("inf")


def test_the_right_verdict_of_a_known_law_follows_from_its_errors() -> None:
    pool = simulated_pool(LAW, SIZES, 0)
    assert known_question(pool, LAW, None).right["simulated"] == "render more"
    assert known_question(pool, LAW, 0.6).right["simulated"] == "good enough"
    assert known_question(pool, LAW, 0.35).right["simulated"] == "render more"
    assert known_question(pool, LAW, 0.25).right["simulated"] == "change the rendering"


def test_a_recorded_table_is_judged_by_all_its_runs() -> None:
    assert recorded_question(_recorded(), 0.25).right == {}
    quiet = Pool(_recorded().groups, _recorded().sizes, lambda run: float(LAW.error(run.n)))
    assert recorded_question(quiet, 0.1).right == {"a": "change the rendering", "b": "change the rendering"}


def test_a_trace_finds_the_precision_and_the_verdict_and_what_they_cost() -> None:
    pool = simulated_pool(LAW, [1000 * 2**i for i in range(7)], 0)
    question = known_question(pool, LAW, 0.25)
    found = trace(pool, POLICIES["adaptive"], Rules(budget=20.0), question, [0.5, 5.0, 20.0], seed=0)
    assert found.C_sd[0] == float("inf") > found.C_sd[1] > found.C_sd[2]
    assert found.verdict_cost <= 20.0
    assert not found.wrong


def test_a_policy_that_looks_at_no_result_is_fitted_only_where_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given some twelve runs of a grid, when they are looked at once and no goal holds at the end, few are fitted."""
    pool, fitted = simulated_pool(LAW, SIZES, 77), list[int]()

    def counting(arms: Mapping[str, Any], **told: Any) -> dict[str, LawFit]:
        fitted.append(sum(len(n) for n, _ in arms.values()))
        return fit_laws(arms, **told)

    monkeypatch.setattr("analysis.replay.replay.fit_laws", counting)
    rules = Rules(budget=14.0, goals=Goals(alpha_sd=1e-9, c_sd=1e-9))
    trace(pool, POLICIES["grid"], rules, Question(None, 8000.0, {}), [6.0], seed=1)
    assert fitted == [1, 5, 12]


def test_the_same_runs_of_a_table_are_fitted_once_in_whatever_order_they_came() -> None:
    pool = _recorded()
    runs = every_run(pool)
    assert Step(pool, tuple(runs), 1.0).fits is Step(pool, tuple(reversed(runs)), 2.0).fits


def test_costs_that_are_never_reached_count_as_endless() -> None:
    endless = float("inf")
    reached = Trace((endless, 0.5, 0.1), (endless, 0.3, 0.2), 2.0, endless, True)
    never = Trace((endless, 0.5, 0.4), (endless, 0.3, 0.3), endless, endless, False)
    score = summarise("grid", [reached, never, never], [0.5, 1.5, 2.0])
    assert [spread.median for spread in score.alpha_sd] == [float("inf"), 0.5, 0.4]
    assert score.precision_cost.median == float("inf")
    assert (score.reached, score.right, score.wrong) == pytest.approx((1 / 3, 0, 1 / 3))
