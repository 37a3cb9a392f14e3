"""What each objective asks for: where it sends the next run, when it has its answer, which arms it lets go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from analysis import fit_law
from analysis.policy.adaptive import propose
from analysis.policy.belief import prediction
from analysis.policy.goals import Goals, Terms
from analysis.policy.objectives import Doubt, arms_that_can_win, chances_of_best, current_sds
from analysis.policy.runs import ArmState, Run
from analysis.policy.stopping import should_stop, still_open
from analysis.verdict.verdict import verdict
from tests.analysis.evidence.truths import observe

LADDER = [200, 400, 800, 1600, 3200, 6400]
PILOT = (200, 800, 3200)


def _state(arm: str, C: float, n: Sequence[int] = PILOT, sigma: float = 0.02, seed: int = 1) -> ArmState:
    truth = observe(0.4, C, 1.5, sigma, np.array(n, float), seed)
    return ArmState(arm, fit_law(truth.n, truth.error), tuple(Run(arm, size, i) for i, size in enumerate(n)))


def _same(run: Run, assumed: Sequence[Run]) -> float:
    return 1.0


def test_the_risk_of_a_doubt_is_what_simulated_observations_leave_on_average() -> None:
    """Owen's T against plain simulation: P' over 200,000 outcomes of a run that explains 40 % of the variance."""
    doubt = Doubt("target", "whether", 0.3, 1.0, prediction(1000))
    shown = np.random.default_rng(0).standard_normal(200_000)
    then = ndtr((ndtri(0.3) - np.sqrt(0.4) * shown) / np.sqrt(0.6))

    assert then.mean() == pytest.approx(0.3, abs=0.002)
    assert float(doubt.risk(np.array([0.6]))) == pytest.approx((then * (1 - then)).mean(), abs=0.001)
    assert doubt.spread(np.array([0.6])) == pytest.approx(np.sqrt((then * (1 - then)).mean()), abs=0.002)

    # and at the ends: nothing learnt leaves P (1 - P), everything learnt leaves nothing
    assert float(doubt.risk(np.array([1.0]))) == pytest.approx(0.3 * 0.7)
    assert float(doubt.risk(np.array([0.0]))) == pytest.approx(0.0, abs=1e-4)


def test_predict_goes_to_the_size_nearest_to_the_one_asked_for() -> None:
    state, candidates = _state("a", 0.15, [200, 800, 3200, 6400]), {"a": LADDER}
    for wanted in (200, 6400):
        goals = Goals(objective="predict", n_target=wanted)
        (chosen,) = propose([state], candidates, _same, terms=Terms(goals))
        assert chosen.run.n == wanted
        assert f"the error of a at n = {wanted:,}" in chosen.reason


def test_an_arm_that_is_precise_enough_gets_no_more_runs_while_another_is_not() -> None:
    """Given one arm known to the precision asked for and one with three runs, law spends on the other alone."""
    states = [_state("known", 0.15, LADDER * 6), _state("open", 0.2)]
    candidates = dict.fromkeys(("known", "open"), LADDER)
    goals = Goals(alpha_sd=0.2, c_sd=0.02)
    chosen = propose(states, candidates, _same, k=4, terms=Terms(goals))
    assert {proposal.run.arm for proposal in chosen} == {"open"}
    assert still_open(states, goals) == {"open"}
    # where nothing is left to ask, a sweep that goes on all the same may run either
    assert still_open(states[:1], goals) == {"known"}


def test_target_spends_on_the_arm_whose_answer_is_open() -> None:
    # given an arm that surely reaches 30 %, one that surely does not, and one whose answer is open
    states = [_state("yes", 0.05, LADDER * 2), _state("no", 0.6, LADDER * 2), _state("open", 0.29)]
    candidates = dict.fromkeys(("yes", "no", "open"), LADDER)

    # when the next three runs are chosen, then all go to the open one, and the line says so
    chosen = propose(states, candidates, _same, k=3, terms=Terms(Goals(objective="target", target_error=0.3)))
    assert [each.run.arm for each in chosen] == ["open"] * 3
    assert chosen[0].reason.startswith("to decide whether open reaches 30.0% with any number of images (probability ")
    assert chosen[0].expected is not None
    assert chosen[0].expected.after < chosen[0].expected.before < 0.5


def test_an_arm_whose_answer_is_certain_gets_no_more_runs() -> None:
    # given an arm that surely reaches 30 %, and one whose answer is open but that has no sizes left
    states = [_state("yes", 0.05, LADDER * 2), _state("open", 0.29)]
    terms = Terms(Goals(objective="target", target_error=0.3))
    assert still_open(states, terms.goals) == {"open"}

    # then there is nothing worth running
    assert propose(states, {"yes": LADDER, "open": []}, _same, terms=terms) == []


def test_an_arm_without_sizes_left_is_still_compared_with() -> None:
    # given the best arm, run to the end, and one that is far behind: alone, that would be the best of its kind
    states = [_state("best", 0.1), _state("behind", 0.5)]
    terms = Terms(Goals(objective="best", n_target=6400))
    assert propose(states, {"best": [], "behind": LADDER}, _same, terms=terms) == []


def test_an_arm_that_cannot_win_gets_no_more_runs() -> None:
    # given two arms that are close and one that is far behind and hardly known
    states = [_state("first", 0.15, seed=1), _state("second", 0.15, seed=2), _state("behind", 0.5, sigma=0.05)]
    candidates = dict.fromkeys(("first", "second", "behind"), LADDER)
    goals = Goals(objective="best", n_target=6400)

    # then its chance of being the best is nil, and a whole batch goes to the other two
    fits = {state.arm: state.fit for state in states}
    chances = chances_of_best(fits, goals)
    assert sum(chances.values()) == pytest.approx(1.0, abs=0.01)
    assert arms_that_can_win(chances, goals) == {"first", "second"}
    chosen = propose(states, candidates, _same, k=6, terms=Terms(goals))
    assert {each.run.arm for each in chosen} == {"first", "second"}


def test_equal_arms_are_all_kept_however_many_they_are() -> None:
    """With 150 equals each has a chance below `hopeless`; it is the leader's chance that counts."""
    fit = _state("one", 0.15).fit
    goals = Goals(objective="best", n_target=6400)
    chances = chances_of_best({f"arm {i}": fit for i in range(150)}, goals)
    assert max(chances.values()) < 0.05
    assert len(arms_that_can_win(chances, goals)) == 150


def test_each_objective_stops_for_its_own_reason() -> None:
    def reason(states: Sequence[ArmState], goals: Goals) -> str:
        verdicts = {s.arm: verdict(s.fit, target_error=goals.target_error) for s in states}
        stop = should_stop(states, verdicts, 1.0, Terms(goals))
        return "" if stop is None else stop.kind

    known, open_ = _state("known", 0.15, LADDER * 4, 0.002), _state("open", 0.15, sigma=0.05)
    # predict: the sd of the predicted error, however certain verdicts are
    assert reason([known], Goals(objective="predict", n_target=12800)) == "precision"
    assert reason([open_], Goals(objective="predict", n_target=12800, prediction_sd=0.001)) == ""
    # target: verdicts, however wide the law
    assert reason([known], Goals(objective="target", target_error=0.05)) == "verdicts"
    assert reason([open_], Goals(objective="target", target_error=0.13)) == ""
    # best: one arm wins, or the best are equal enough
    behind = _state("behind", 0.4, LADDER * 4, 0.002)
    assert reason([known, behind], Goals(objective="best", n_target=6400)) == "best"
    twin = _state("twin", 0.15, LADDER * 4, 0.002, seed=1)
    assert reason([known, twin], Goals(objective="best", n_target=6400)) == ""
    assert reason([known, twin], Goals(objective="best", n_target=6400, tie=0.01)) == "best"


def test_runs_under_way_make_a_further_one_worth_less() -> None:
    state, candidates = _state("a", 0.29), {"a": LADDER}
    for goals in (
        Goals(),
        Goals(objective="predict", n_target=6400),
        Goals(objective="target", target_error=0.3),
    ):
        alone = propose([state], candidates, _same, terms=Terms(goals))[0].gain
        crowded = propose([state], candidates, _same, [Run("a", n, 9) for n in LADDER], terms=Terms(goals))[0].gain
        assert alone is not None
        assert crowded is not None
        assert crowded < alone


@pytest.mark.parametrize(
    ("goals", "says"),
    [
        ({"objective": "predict"}, "objective 'predict' needs n_target"),
        ({"objective": "best", "n_target": 0}, "objective 'best' needs n_target"),
        ({"objective": "target"}, "objective 'target' needs target_error"),
        ({"objective": "luck"}, "objective is 'luck'; choose one of verdict, law, predict, target, best"),
        ({"level": 0.4}, "level 0.4 must lie in"),
    ],
)
def test_goals_that_ask_for_nothing_are_refused_in_one_line(goals: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Goals(**goals)


@pytest.mark.parametrize("objective", ["verdict", "law", "predict", "target", "best"])
def test_where_no_arm_has_a_law_nothing_is_to_be_learnt_of_any(objective: str) -> None:
    """Given settings of an adaptive design, each run at one size, the log of what runs taught is empty."""
    goals = Goals(objective=objective, n_target=2_000, target_error=0.2)  # type: ignore[arg-type]

    assert current_sds([], goals) == {}
