"""When to stop, and which arms further runs are worth."""

from collections.abc import Mapping, Sequence

from analysis.amounts import money
from analysis.estimator.identified import noise_unknown
from analysis.policy.goals import Goals, Terms
from analysis.policy.objectives import Aim, Doubt, Precision, aims, arms_that_can_win, chances_of_best
from analysis.policy.proposal import Stop
from analysis.policy.runs import ArmState
from analysis.verdict.verdict import Verdict, undecidable


def still_open(arms: Sequence[ArmState], goals: Goals) -> set[str]:
    """The arms that further runs are worth: for "best" those that can win, for "verdict" and "target" the undecided.

    For "law" and "predict" those that are not as precise as wanted; all, where every one is.
    """
    if goals.objective == "best" and arms:
        return arms_that_can_win(chances_of_best({state.arm: state.fit for state in arms}, goals), goals)
    unsettled = {s.arm for s, aim in zip(arms, aims(arms, goals), strict=True) if not _settled(s, aim, goals)}
    if goals.objective in ("verdict", "target"):
        return unsettled
    return unsettled or {state.arm for state in arms}


def _settled(state: ArmState, aim: Aim, goals: Goals) -> bool:
    """Whether an arm's own answer is known as well as is asked for."""
    if isinstance(aim, Doubt):
        return not (undecidable(state.fit) or 1 - goals.level < aim.probability < goals.level)
    known = not state.fit.noise_unknown
    if goals.objective == "law":
        known = state.fit.identified or _is_plateau(state, goals)
    return known and isinstance(aim, Precision) and _precise(state, aim, goals)


def _precise(state: ArmState, aim: Precision, goals: Goals) -> bool:
    """Whether what is asked for is as precise as wanted; of a plateau C alone is asked for."""
    precise = aim.sd <= aim.wanted
    if goals.objective == "law" and _is_plateau(state, goals):
        precise = precise[1:]
    return bool(precise.all())


def _is_plateau(state: ArmState, goals: Goals) -> bool:
    """Whether the error surely falls no further: then no run ever says anything of alpha."""
    flat = float((state.fit.samples.D == 0).mean())
    return flat >= goals.level and not state.fit.noise_unknown


def should_stop(
    arms: Sequence[ArmState],
    verdicts: Mapping[str, Verdict],
    cheapest: float,
    terms: Terms,
) -> Stop | None:
    """Whether to stop and why; None to go on. An answer to the objective is a reason before the budget is.

    `cheapest`: marginal cost of the cheapest run that could still be chosen.
    """
    unit, left = terms.unit, terms.budget_left
    answered = _answered(arms, verdicts, terms.goals) if arms else None
    if answered is not None:
        return answered
    if cheapest > left:
        return Stop(
            "budget",
            f"nothing affordable is left: the cheapest run costs {money(cheapest, unit)},"
            f" {money(max(left, 0.0), unit)} remain",
        )
    return None


def _answered(arms: Sequence[ArmState], verdicts: Mapping[str, Verdict], goals: Goals) -> Stop | None:
    """The stop because the objective is answered, if it is. Verdicts end `verdict` and `target` only."""
    if goals.objective == "best":
        chances = chances_of_best({state.arm: state.fit for state in arms}, goals)
        winner, chance = max(chances.items(), key=lambda each: each[1])
        within = f" or within {goals.tie:g} of it" if goals.tie else ""
        said = f"the best arm is certain: {winner} has the lowest error at n = {goals.n_target:,.0f}{within}"
        # The noise of the group is enough: arms that cannot win get no further runs.
        known = not any(noise_unknown(state.fit.residual_dof) for state in arms)
        return Stop("best", f"{said} with probability {chance:.1%}") if known and chance >= goals.level else None
    settled = all(_settled(state, aim, goals) for state, aim in zip(arms, aims(arms, goals), strict=True))
    if goals.objective in ("law", "predict") and settled:
        return Stop("precision", f"precision reached: for every arm {_wanted(goals)}")
    decided = [v for v in verdicts.values() if v.label != "not identified yet"]
    if goals.objective in ("verdict", "target") and len(decided) == len(arms):
        lowest = min(v.probability for v in decided)
        return Stop("verdicts", f"every verdict is certain: the least certain holds with probability {lowest:.1%}")
    return None


def _wanted(goals: Goals) -> str:
    def of(name: str) -> str:
        return f" of {name}" if goals.relative else ""

    if goals.objective == "predict":
        at_most = f"at most {goals.prediction_sd:g}{of('the prediction')}"
        return f"the sd of the predicted error at n = {goals.n_target:,.0f} is {at_most}"
    return f"the sd of alpha is at most {goals.alpha_sd:g}{of('alpha')} and that of C at most {goals.c_sd:g}{of('C')}"
