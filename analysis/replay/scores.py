"""Scores of a replay: precision at certain costs, and the cost of the wanted precision and of the right verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.estimator.law_fit import LawFit
from analysis.laws import TrueLaw
from analysis.policy.registry import NamedPolicy
from analysis.replay.pools import Pool, every_run
from analysis.replay.replay import Rules, Step, first_cost, replay
from analysis.verdict.verdict import Label, verdict

UNDECIDED: Label = "not identified yet"
MIN_GAIN = 0.01


@dataclass(frozen=True)
class Question:
    """The verdict that is asked for at the pool's largest size, and the right one of each arm that has one.

    The size is the same for all policies, however far they went, so that all answer the same question.
    """

    target: float | None
    n_top: float
    right: Mapping[str, Label]

    def label(self, fit: LawFit) -> Label:
        """What is said of a fit."""
        return verdict(fit, target_error=self.target, min_gain=MIN_GAIN, n_max_observed=self.n_top).label


@dataclass(frozen=True, eq=False)
class Trace:
    """One policy with one seed, looked at when certain costs had been spent.

    `alpha_sd`, `C_sd`: the largest of any arm at each of these costs; inf before all arms had a run.
    `precision_cost`, `verdict_cost`: what had been spent when the wanted precision, and the right verdicts of all arms,
    had come to hold for good; inf where they never did. `wrong`: whether a wrong verdict stands at the end.
    """

    alpha_sd: tuple[float, ...]
    C_sd: tuple[float, ...]
    precision_cost: float
    verdict_cost: float
    wrong: bool


@dataclass(frozen=True)
class Spread:
    """Median and quartiles over the seeds."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, eq=False)
class Score:
    """A policy over all seeds: standard deviations at each of `costs`, and what the goals cost.

    `reached`, `right`, `wrong`: shares of the seeds; a cost that was not reached counts as inf in its spread.
    """

    policy: str
    costs: tuple[float, ...]
    alpha_sd: tuple[Spread, ...]
    C_sd: tuple[Spread, ...]
    precision_cost: Spread
    reached: float
    verdict_cost: Spread
    right: float
    wrong: float


def known_question(pool: Pool, law: TrueLaw, target: float | None) -> Question:
    """The question of a simulated law, whose answer is known: with a target as in `analysis.verdict.verdict`."""
    top = _top(pool)
    now, then = float(law.error(top)), float(law.error(2 * top))
    label: Label
    if target is None:
        label = "render more" if 1 - then / now >= MIN_GAIN else "change the rendering"
    elif now <= target:
        label = "good enough"
    else:
        label = "render more" if target > law.C else "change the rendering"
    return Question(target, top, dict.fromkeys(pool.groups, label))


def recorded_question(pool: Pool, target: float | None) -> Question:
    """The question of a recorded table: the right verdict is that of all its runs together, where they decide it."""
    top = _top(pool)
    open_question = Question(target, top, {})
    said = {arm: open_question.label(fit) for arm, fit in Step(pool, tuple(every_run(pool)), 0.0).fits.items()}
    return Question(target, top, {arm: label for arm, label in said.items() if label != UNDECIDED})


def trace(
    pool: Pool, policy: NamedPolicy, rules: Rules, question: Question, costs: Sequence[float], seed: int
) -> Trace:
    """Replay one policy; read its precision when each of `costs` had been spent, and its goals from the end back.

    For a policy that reads no results, only the steps that are read here are fitted.

    Args:
        pool: the runs that may be taken.
        policy: the policy.
        rules: budget, goals and prices.
        question: the verdict that is asked for.
        costs: in units of the prices, in rising order.
        seed: decides order and ties.
    """
    every = len(pool.groups)
    steps = [step for step in replay(pool, policy, rules, seed) if len({run.arm for run in step.runs}) == every]
    goals, looks = rules.goals, [_standing(steps, cost) for cost in costs]
    return Trace(
        alpha_sd=tuple(max(fit.alpha.sd for fit in step.fits.values()) if step else float("inf") for step in looks),
        C_sd=tuple(max(fit.C.sd for fit in step.fits.values()) if step else float("inf") for step in looks),
        precision_cost=first_cost(
            steps,
            lambda step: all(f.alpha.sd <= goals.alpha_sd and f.C.sd <= goals.c_sd for f in step.fits.values()),
        ),
        verdict_cost=first_cost(
            steps,
            lambda step: all(question.label(step.fits[arm]) == label for arm, label in question.right.items()),
        ),
        wrong=any(
            question.label(steps[-1].fits[arm]) not in (label, UNDECIDED) for arm, label in question.right.items()
        )
        if steps
        else False,
    )


def _standing(steps: Sequence[Step], cost: float) -> Step | None:
    """The step that stood when `cost` had been spent; None before the first."""
    place = int(np.searchsorted([step.spent for step in steps], cost * (1 + 1e-9), side="right"))
    return steps[place - 1] if place else None


def summarise(policy: str, traces: Sequence[Trace], costs: Sequence[float]) -> Score:
    """All seeds of one policy, traced at these `costs`."""
    return Score(
        policy,
        tuple(costs),
        tuple(_spread([each.alpha_sd[at] for each in traces]) for at in range(len(costs))),
        tuple(_spread([each.C_sd[at] for each in traces]) for at in range(len(costs))),
        _spread([each.precision_cost for each in traces]),
        float(np.mean([np.isfinite(each.precision_cost) for each in traces])),
        _spread([each.verdict_cost for each in traces]),
        float(np.mean([np.isfinite(each.verdict_cost) for each in traces])),
        float(np.mean([each.wrong for each in traces])),
    )


def _spread(values: Sequence[float]) -> Spread:
    low, median, high = np.quantile(np.asarray(values, float), [0.25, 0.5, 0.75], method="nearest")
    return Spread(float(low), float(median), float(high))


def _top(pool: Pool) -> float:
    return float(max(max(sizes) for sizes in pool.sizes.values()))
