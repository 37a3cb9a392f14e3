from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.estimator.fit import LawFit, fit_laws
from analysis.evidence.policy_questions import (
    Case,
    cross_task_trial,
    cross_tasks,
    design_trial,
    gap_cost_bound,
    gap_cost_trial,
    rendering_trial,
    renderings,
    whole_gaps,
)
from analysis.laws import TrueLaw
from analysis.paper.recorded import read_paper
from analysis.policy.goals import Goals
from analysis.policy.registry import POLICIES, NamedPolicy
from analysis.policy.runs import Run
from analysis.replay.pools import STANDARD_PRICES, Pool, PoolArm, every_run, recorded_pool, simulated_pool, whole_grid
from analysis.replay.replay import Rules, Step, first_cost, replay
from analysis.replay.scores import Question, Trace, known_question, recorded_question, summarise, trace

SIZES = [1000, 2000, 4000, 8000]
LAW = TrueLaw(0.45, 0.3, 8.0, 0.003)


def _recorded(seed: int = 0) -> Pool:
    """Two arms on one rendering and one pre-training, with two runs at 1,000."""
    arms = [PoolArm("a", "plain", "net"), PoolArm("b", "plain", "net")]
    errors = {
        arm.name: {n: [float(LAW.error(n)) + 0.01 * k for k in range(1 + (n == 1000))] for n in SIZES} for arm in arms
    }
    return recorded_pool(arms, errors, seed)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_every_policy_takes_each_run_of_the_pool_once_and_pays_for_it(policy: NamedPolicy) -> None:
    pool = _recorded()
    steps = list(replay(pool, policy, Rules(), seed=0))
    assert sorted(steps[-1].runs) == sorted(every_run(pool))
    assert [step.spent for step in steps] == pytest.approx([STANDARD_PRICES.total(pool, step.runs) for step in steps])


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_every_policy_stays_within_the_budget_and_repeats_itself_for_a_seed(policy: NamedPolicy) -> None:
    rules = Rules(budget=5.0)
    first, again = (list(replay(_recorded(), policy, rules, seed=4)) for _ in range(2))
    assert [step.runs for step in first] == [step.runs for step in again]
    assert 3 < first[-1].spent <= 5.0


def test_images_and_checkpoints_are_paid_once() -> None:
    pool = _recorded()
    cost = STANDARD_PRICES.cost(pool, [Run("a", 4000, 0)])
    # more images of the same rendering; the same pre-training for another task; a smaller size's images are there
    assert cost(Run("a", 8000, 0), ()) == pytest.approx(1.15 + 4000 / 64_000)
    assert cost(Run("b", 4000, 0), ()) == pytest.approx(0.15)
    assert cost(Run("b", 2000, 0), ()) == pytest.approx(1.15)
    assert cost(Run("a", 8000, 0), [Run("b", 8000, 0)]) == pytest.approx(0.15)


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
    quiet = Pool(_recorded().arms, _recorded().sizes, lambda run: float(LAW.error(run.n)))
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


def test_the_policy_comes_near_the_best_design_where_the_grid_stays_away() -> None:
    ours = np.median([design_trial("adaptive", i) for i in range(3)], axis=0)
    grid = np.median([design_trial("grid", i) for i in range(3)], axis=0)
    assert ours[0] < 1.15
    assert ours[1] < 1.10
    assert (grid > 1.6).all()


def test_the_gap_costs_little_more_than_the_bound_and_far_less_than_the_grid() -> None:
    ours = [gap_cost_trial("adaptive", i) for i in range(3)]
    assert np.median(ours) < 0.7
    assert all(cost >= gap_cost_bound(i) for i, cost in enumerate(ours))
    assert gap_cost_trial("grid", 0) == pytest.approx(1)


@pytest.fixture(scope="module")
def curves() -> Mapping[str, Case]:
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set: the recorded curves are not at hand")
    paper = read_paper(Path(root) / "curves" / "cg_transfer_finetune.csv")
    return {"renderings": renderings(paper), "pairs": cross_tasks(paper)}


@pytest.mark.data
def test_a_fifth_of_the_grid_names_a_rendering_as_good_as_the_best(curves: Mapping[str, Case]) -> None:
    case = curves["renderings"]
    assert len(case.arms) == 9
    right, spent = rendering_trial("adaptive", case, seed=0)
    assert right
    assert spent <= 0.2


@pytest.mark.data
@pytest.mark.slow
def test_for_half_of_the_grid_every_identified_gap_is_within_its_own_error_of_it(
    curves: Mapping[str, Case],
) -> None:
    case = curves["pairs"]
    # a pre-training serves all three fine-tuning tasks and every size its images, or the grid would cost 108.6
    assert STANDARD_PRICES.total(case.pool(), whole_grid(case.pool())) == pytest.approx(28 + 84 * 0.15 + 1)
    whole = whole_gaps(case)
    ours, grid = (cross_task_trial(policy, case, whole, seed=0) for policy in ("adaptive", "grid"))
    assert len(ours) > 0
    # 0.28 to 0.39 when this was written: it does not claim more than half of the grid can know
    assert max(abs(each.in_own_errors) for each in ours) <= 1
    # in the full grid's much smaller errors it was 0.36 to 1.92 away, a grid that stops at half of its cost 0.7 to 7.1
    assert max(abs(each.in_grid_errors) for each in ours) < max(abs(each.in_grid_errors) for each in grid) / 2
