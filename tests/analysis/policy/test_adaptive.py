from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from analysis import fit_law
from analysis.policy.adaptive import propose
from analysis.policy.baselines import propose_grid, propose_random
from analysis.policy.belief import belief_of
from analysis.policy.goals import Goals, Terms
from analysis.policy.objectives import current_sds
from analysis.policy.pilot import pilot, pilot_sizes
from analysis.policy.proposal import Policy
from analysis.policy.runs import ArmState, Run
from analysis.policy.stopping import should_stop
from analysis.verdict.verdict import verdict
from tests.analysis.evidence.truths import observe

LADDER = [200, 400, 800, 1600, 3200, 6400]


def _state(arm: str, n: Sequence[int], sigma: float = 0.02, alpha: float = 0.4) -> ArmState:
    truth = observe(alpha, 0.15, 1.5, sigma, np.array(n, float), seed=len(n))
    seen: list[Run] = []
    for size in n:
        seen.append(Run(arm, size, sum(run.n == size for run in seen)))
    return ArmState(arm, fit_law(truth.n, truth.error), tuple(seen))


def _same(run: Run, assumed: Sequence[Run]) -> float:
    return 1.0


def test_the_ends_of_the_ladder_teach_more_than_its_middle() -> None:
    """All runs at equal cost: where the curve bends least, a run says least about alpha and C."""
    state = _state("a", [200, 800, 3200])
    first = propose([state], {"a": LADDER}, _same)[0]
    assert first.run.n in (200, 6400)
    assert first.gain is not None
    assert first.gain > 0


def test_pending_runs_and_batches_spread_out() -> None:
    state, candidates = _state("a", [200, 800, 3200]), {"a": LADDER}
    alone = propose([state], candidates, _same)[0]
    beside = propose([state], candidates, _same, pending=[Run("a", alone.run.n, 1)] * 3)[0]
    assert beside.run.n != alone.run.n
    batch = propose([state], candidates, _same, k=6)
    assert len({proposal.run.n for proposal in batch}) > 1
    assert len({proposal.run for proposal in batch}) == 6


def test_a_batch_equals_proposals_made_one_by_one_with_the_earlier_ones_pending() -> None:
    states, candidates = (
        [_state("a", [200, 800, 3200]), _state("b", [200, 800, 3200, 6400])],
        {"a": LADDER, "b": LADDER},
    )
    pending: list[Run] = []
    for _ in range(4):
        pending.append(propose(states, candidates, _same, pending)[0].run)
    assert [proposal.run for proposal in propose(states, candidates, _same, k=4)] == pending


def test_a_dear_size_is_left_for_cheaper_ones() -> None:
    state = _state("a", [200, 800, 3200])
    equal = propose([state], {"a": LADDER}, _same)[0]
    dear = propose([state], {"a": LADDER}, lambda run, _: 1000.0 if run.n == equal.run.n else 1.0)[0]
    assert dear.run.n != equal.run.n


def test_the_marginal_cost_hears_what_is_already_assumed() -> None:
    """Once 6,400 images are to be rendered, every smaller size and every repeat renders nothing."""

    def images(run: Run, assumed: Sequence[Run]) -> float:
        return 0.1 + max(run.n - max((other.n for other in assumed), default=0), 0) / 1000

    batch = propose([_state("a", [200, 800, 3200])], {"a": LADDER}, images, pending=[Run("a", 6400, 0)], k=3)
    assert [proposal.cost for proposal in batch] == [0.1, 0.1, 0.1]


def test_the_arm_that_is_least_known_comes_first() -> None:
    known, unknown = _state("known", LADDER * 3, 0.005), _state("unknown", [200, 800, 3200])
    chosen = propose([known, unknown], {"known": LADDER, "unknown": LADDER}, _same)[0]
    assert chosen.run.arm == "unknown"


def test_a_repeat_takes_the_next_seed() -> None:
    state = _state("a", [200, 200, 800, 3200])
    chosen = propose([state], {"a": [200]}, _same, pending=[Run("a", 200, 2)])[0]
    assert chosen.run == Run("a", 200, 3)
    assert "n = 200 again" in chosen.reason


def test_a_size_that_is_under_way_or_chosen_before_is_called_a_repeat() -> None:
    state, only = _state("a", [200, 800, 3200]), {"a": [6400]}
    first, second = propose([state], only, _same, k=2)
    assert "n = 6,400 is expected" in first.reason
    assert "n = 6,400 again is expected" in second.reason
    (beside,) = propose([state], only, _same, pending=[first.run])
    assert beside.reason == second.reason


def test_the_reason_is_one_line_with_uncertainty_expectation_and_cost() -> None:
    chosen = propose([_state("a", [200, 800, 3200])], {"a": LADDER}, _same, terms=Terms(unit="minutes"))[0]
    assert "\n" not in chosen.reason
    assert " of a: n = " in chosen.reason
    assert "is expected to take its sd from " in chosen.reason
    assert chosen.reason.endswith(" for 1 minutes")
    left = propose([_state("a", [200, 800, 3200])], {"a": LADDER}, _same, terms=Terms(budget_left=7, unit="minutes"))
    assert left[0].reason.endswith(" for 1 minutes; 6 minutes left then")


def test_a_proposal_carries_what_it_expects_for_the_comparison_with_what_came() -> None:
    state = _state("a", [200, 800, 3200])
    expected = propose([state], {"a": LADDER}, _same)[0].expected
    assert expected is not None
    now = current_sds([state], Goals())["a"]
    assert expected.before == pytest.approx(now[expected.about])
    assert 0 < expected.after < expected.before


def test_a_new_size_is_worth_more_than_a_repeat_where_only_three_sizes_speak_for_the_law() -> None:
    """Given many quiet runs at three sizes, a law and a discrepancy fit alike: another size tells them apart."""
    sizes = [200] * 4 + [1600] * 5 + [6400] * 5
    truth = observe(0.45, 0.3, 2.0, 0.003, np.array(sizes, float), seed=0)
    fit = fit_law(truth.n, truth.error)
    state = ArmState("a", fit, tuple(Run("a", n, i) for i, n in enumerate(sizes)))
    left = dict(zip(LADDER, belief_of(state, {"a": LADDER}, []).left_after()[:, 1], strict=True))
    new, run = {400, 800, 3200}, {200, 1600, 6400}
    assert min(left[n] for n in new) < min(left[n] for n in run)
    assert propose([state], {"a": LADDER}, _same, terms=Terms(Goals(alpha_sd=float("inf"))))[0].run.n in new


def test_where_a_law_may_have_ended_the_next_run_goes_where_that_shows() -> None:
    """Given a curve that falls to 1,600 and is flat from 6,400 on, its law may end between or bend."""
    sizes = [200] * 5 + [400, 800] + [1600] * 4 + [6400] * 4 + [25_600] * 5
    ladder = [200 * 2**i for i in range(8)]
    truth = observe(0.4, 0.386, 0.55, 0.012, np.minimum(np.array(sizes, float), 2300.0), seed=0)
    fit = fit_law(sizes, truth.error)
    assert fit.samples.stop is not None
    assert 0.1 < np.isfinite(fit.samples.stop).mean() < 0.9
    state = ArmState("a", fit, tuple(Run("a", n, i) for i, n in enumerate(sizes)))

    belief = belief_of(state, {"a": ladder}, [])

    # then repeats at either end of the curve say less than every size about which the ends disagree
    left = dict(zip(ladder, belief.left_after()[:, 0], strict=True))
    assert max(left[n] for n in (400, 800, 3200)) < min(left[200], left[25_600])
    assert propose([state], {"a": ladder}, _same)[0].run.n in (400, 800, 1600, 3200)


@pytest.mark.parametrize("policy", [propose, propose_grid, propose_random])
def test_every_policy_is_deterministic_and_stays_within_the_budget(policy: Policy) -> None:
    states, candidates = [_state("a", [200, 800, 3200]), _state("b", [200, 800, 3200])], {"a": LADDER, "b": LADDER}
    terms = Terms(budget_left=3.5)
    first, again = (policy(states, candidates, _same, k=10, seed=7, terms=terms) for _ in range(2))
    assert first == again
    assert len(first) == 3
    assert policy(states, candidates, _same, terms=replace(terms, budget_left=0.5)) == []


def test_the_expected_fall_is_what_happens_on_average() -> None:
    """The sd of C forecast for one more run at 6,400, against refits with that run drawn from the posterior."""
    truth = observe(0.5, 0.15, 2.0, 0.01, np.array(LADDER[:5] * 2, float), seed=3)
    fit = fit_law(truth.n, truth.error)
    state = ArmState("a", fit, tuple(Run("a", n, i) for i, n in enumerate(LADDER[:5] * 2)))
    of_C = belief_of(state, {"a": [6400]}, []).left_after()[0, 1]
    forecast = fit.C.sd * of_C**0.5
    rng = np.random.default_rng(0)
    drawn = fit.samples.error(6400) * np.exp(fit.samples.sigma * rng.standard_normal(fit.samples.sigma.size))
    refits = [
        fit_law([*truth.n, 6400], [*truth.error, float(error)]).C.sd for error in rng.choice(drawn, 20, replace=False)
    ]
    assert forecast < 0.9 * fit.C.sd
    assert np.mean(refits) == pytest.approx(forecast, rel=0.25)


def test_the_pilot_is_four_sizes_an_arm_and_a_repeat_and_spares_the_top() -> None:
    runs = pilot(["a", "b"], pilot_sizes(LADDER, lambda n: 1 + n / 1000), lambda run: run.n / 1000, unit="minutes")
    assert [(p.run.arm, p.run.n, p.run.seed) for p in runs] == [
        ("a", 200, 0),
        ("b", 200, 0),
        ("a", 400, 0),
        ("b", 400, 0),
        ("a", 800, 0),
        ("b", 800, 0),
        ("a", 1600, 0),
        ("b", 1600, 0),
        ("a", 1600, 1),
        ("b", 1600, 1),
    ]
    assert all(p.gain is None and p.reason.startswith("pilot: ") for p in runs)
    assert pilot_sizes([200, 400], lambda n: n) == [200, 400]


def test_the_pilot_is_wide_where_most_of_a_run_costs_the_same_at_every_size() -> None:
    """Given the costs of the quickstart, whose top costs 2.5 of the lowest, it goes up to twice the lowest."""
    assert pilot_sizes(LADDER, lambda n: 1.09 + 0.000283 * n) == [200, 800, 1600, 3200]


def test_stopping_gives_its_reason() -> None:
    sure, open_ = _state("a", LADDER * 4, 0.002), _state("a", [200, 800, 3200], 0.05)
    decided = verdict(sure.fit, arm="a", target_error=0.9)
    undecided = verdict(open_.fit, arm="a", target_error=0.18)
    terms = Terms(goals=Goals(0.05, 0.01), budget_left=10.0, unit="minutes")
    precise = should_stop([sure], {}, 1.0, terms)
    assert precise is not None
    assert precise.kind == "precision"
    certain = should_stop([open_], {"a": decided}, 1.0, replace(terms, goals=Goals(objective="verdict")))
    assert certain is not None
    assert certain.kind == "verdicts"
    assert should_stop([open_], {"a": decided}, 1.0, terms) is None
    broke = should_stop([open_], {"a": undecided}, 12.0, terms)
    assert broke is not None
    assert broke.reason == "nothing affordable is left: the cheapest run costs 12 minutes, 10 minutes remain"
    assert should_stop([open_], {"a": undecided}, 1.0, terms) is None


def test_bad_requests_are_refused_in_one_line() -> None:
    state = _state("a", [200, 800, 3200])
    with pytest.raises(ValueError, match="k is 0; ask for at least one proposal"):
        propose([state], {"a": LADDER}, _same, k=0)
    with pytest.raises(ValueError, match="arm 'a' has no candidate sizes"):
        propose([state], {}, _same)
    with pytest.raises(ValueError, match="the ladder is \\[\\]; give sizes above 0"):
        pilot_sizes([], lambda n: n)
    with pytest.raises(ValueError, match="must all be above 0"):
        Goals(alpha_sd=0)
