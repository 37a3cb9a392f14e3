"""What to run next and when to stop: pure functions of posteriors, costs and what is already under way.

Every affordable (arm, size) is imagined as one more run. What it is worth is the expected fall of the arm's risk
(`analysis.objectives`, from the draws of its posterior through `analysis.belief`) per unit of marginal cost. Pending
runs and batch members chosen before are conditioned on, which is what spreads concurrent proposals out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from analysis.amounts import left_then, money
from analysis.belief import ArmState, Belief, Run, believe
from analysis.goals import DEFAULT_TERMS, Goals, Terms
from analysis.laws import Floats
from analysis.objectives import Aim, Doubt, Expected, Precision, aims, chances_of_best, hopeful
from analysis.verdict import Verdict

__all__ = [
    "DEFAULT_TERMS",
    "Cost",
    "Goals",
    "Policy",
    "Proposal",
    "Stop",
    "Terms",
    "pilot",
    "pilot_sizes",
    "propose",
    "should_stop",
    "still_open",
]

# Marginal cost of a run in the budget's unit, given the pending and chosen runs that will be there by then:
# images that those render, or a checkpoint that exists, cost nothing again.
Cost = Callable[[Run, Sequence[Run]], float]


@dataclass(frozen=True)
class Proposal:
    """The next run, what it is expected to teach and why in one line.

    `gain`: expected fall of the arm's risk (`analysis.objectives`); None where no posterior was asked (pilot,
    baselines). `cost`: marginal, in the budget's unit. `expected`: the quantity that the run is for, now and then.
    """

    arm: str
    n: int
    seed: int
    gain: float | None
    cost: float
    reason: str
    expected: Expected | None = None

    @property
    def run(self) -> Run:
        """The run that is proposed."""
        return Run(self.arm, self.n, self.seed)


@dataclass(frozen=True)
class Stop:
    """Why nothing further should be run; `kind` for machines, `reason` in words."""

    kind: str
    reason: str


class Policy(Protocol):
    """The interface of `propose` and of the baselines in `analysis.baselines`."""

    def __call__(
        self,
        arms: Sequence[ArmState],
        candidates: Mapping[str, Sequence[int]],
        cost: Cost,
        pending: Sequence[Run] = (),
        k: int = 1,
        seed: int = 0,
        terms: Terms = ...,
    ) -> list[Proposal]:
        """Up to k runs in the order of worth."""
        ...


@dataclass(eq=False)
class _Option:
    """An arm with its candidate sizes, as `propose` sees it: `gains` (sizes,) of one more run at each."""

    belief: Belief
    aim: Aim
    places: list[int]
    gains: Floats

    @property
    def arm(self) -> str:
        """The arm's name."""
        return self.belief.state.arm

    def imagine(self) -> None:
        """Reckon the gains anew, after the belief has been conditioned on a run."""
        now = self.aim.risk(self.belief.left())
        self.gains = np.maximum(now - self.aim.risk(self.belief.left_after()[self.places]), 0.0)


def propose(
    arms: Sequence[ArmState],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    pending: Sequence[Run] = (),
    k: int = 1,
    seed: int = 0,
    terms: Terms = DEFAULT_TERMS,
) -> list[Proposal]:
    """Up to k runs in the order of worth, each with its reason; fewer where the budget allows no more.

    `candidates`: sizes to choose from, per arm; a size run before is a repeat, with the next seed. `pending`:
    runs under way. `seed` settles ties; the same arguments give the same proposals. Arms that are not open any more
    (`still_open`) get no runs, and neither do those whose list of candidates is empty: they are only compared with.
    Raises ValueError where k < 1 or an arm has no list of candidates.
    """
    if k < 1:
        raise ValueError(f"k is {k}; ask for at least one proposal")
    open_ = still_open(arms, terms.goals)
    options = [
        _option(state, aim, candidates, pending)
        for state, aim in zip(arms, aims(arms, terms.goals), strict=True)
        if state.arm in open_ and (state.arm not in candidates or candidates[state.arm])
    ]
    taken, chosen, left = list(pending), list[Proposal](), terms.budget_left
    seeds = _next_seeds(pending)
    ties = np.random.default_rng(seed).permutation(sum(len(option.places) for option in options)).tolist()
    while len(chosen) < k:
        worths = list(_worths(options, ties, cost, taken, seeds, left))
        if not worths:
            break
        _, _, price, option, at = max(worths, key=lambda worth: worth[:2])
        run = _run(option, at, seeds)
        again = run.n in option.belief.state.times or (run.arm, run.n) in seeds
        proposal = _proposal(option, at, run, price, Terms(terms.goals, left, terms.unit), again=again)
        chosen.append(proposal)
        taken.append(run)
        seeds[run.arm, run.n] = run.seed + 1
        left -= price
        option.belief.condition(run.n)
        option.imagine()
    return chosen


def still_open(arms: Sequence[ArmState], goals: Goals) -> set[str]:
    """The arms that further runs are worth: for "best" those that can win, for "target" those whose answer is open.

    For "law" and "predict" those that are not as precise as wanted; all, where every one is.
    """
    if goals.objective == "best" and arms:
        return hopeful(chances_of_best({state.arm: state.fit for state in arms}, goals), goals)
    unsettled = {s.arm for s, aim in zip(arms, aims(arms, goals), strict=True) if not _settled(s, aim, goals)}
    if goals.objective == "target":
        return unsettled
    return unsettled or {state.arm for state in arms}


def _settled(state: ArmState, aim: Aim, goals: Goals) -> bool:
    """Whether an arm's own answer is known as well as is asked for."""
    if isinstance(aim, Doubt):
        return not 1 - goals.level < aim.probability < goals.level
    known = goals.objective == "predict" or state.fit.identified
    return known and isinstance(aim, Precision) and bool((aim.sd <= aim.wanted).all())


def pilot_sizes(ladder: Sequence[int], cost: Callable[[int], float]) -> list[int]:
    """The sizes to begin with, from the smallest: three of the ladder, or all of a shorter one.

    The lowest size, the middle one and the largest whose `cost` (of a single run at n) is at most half the top's, or
    twice the lowest's: wide enough to see the curve bend, without paying for the top before it is known to teach
    anything; but where most of a run costs the same at every size, a narrow look spares little.
    """
    sizes = sorted(set(ladder))
    if not sizes or sizes[0] <= 0:
        raise ValueError(f"the ladder is {list(ladder)}; give sizes above 0")
    costs = [cost(n) for n in sizes]
    affordable = [n for n, price in zip(sizes, costs, strict=True) if price <= max(costs[-1] / 2, 2 * costs[0])]
    upper = affordable[-1] if len(affordable) > 2 else sizes[-1]
    between = [n for n in sizes if sizes[0] < n < upper]
    return sorted({sizes[0], between[len(between) // 2] if between else sizes[0], upper})


def pilot(
    arms: Sequence[str], sizes: Sequence[int], cost: Callable[[Run], float], unit: str = "$", seed: int = 0
) -> list[Proposal]:
    """The runs to begin with: these sizes for every arm, a size of all arms at a time, each for its `cost`."""
    looks = []
    for n in sizes:
        for arm in arms:
            price = cost(Run(arm, n, seed))
            reason = f"pilot: a first look at {arm}, n = {n:,}, for {money(price, unit)}"
            looks.append(Proposal(arm, n, seed, None, price, reason))
    return looks


def should_stop(
    arms: Sequence[ArmState],
    verdicts: Mapping[str, Verdict],
    cheapest: float,
    terms: Terms,
) -> Stop | None:
    """Whether to stop and why; None to go on.

    `cheapest`: marginal cost of the cheapest run that could still be chosen. The order of the reasons is that
    of what was hoped for: the answer to the objective, then money.
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
    """Whether the question of the objective has its answer; verdicts end `law` and `target` only."""
    if goals.objective == "best":
        chances = chances_of_best({state.arm: state.fit for state in arms}, goals)
        winner, chance = max(chances.items(), key=lambda each: each[1])
        within = f" or within {goals.tie:g} of it" if goals.tie else ""
        said = f"the best arm is certain: {winner} has the lowest error at n = {goals.n_target:,.0f}{within}"
        return Stop("best", f"{said} with probability {chance:.1%}") if chance >= goals.level else None
    settled = all(_settled(state, aim, goals) for state, aim in zip(arms, aims(arms, goals), strict=True))
    if goals.objective != "target" and settled:
        return Stop("precision", f"precision reached: for every arm {_wanted(goals)}")
    decided = [v for v in verdicts.values() if v.label != "not identified yet"]
    if goals.objective != "predict" and len(decided) == len(arms):
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


def _option(state: ArmState, aim: Aim, candidates: Mapping[str, Sequence[int]], pending: Sequence[Run]) -> _Option:
    belief = believe(state, candidates, pending, aim.gradients)
    allowed = set(candidates[state.arm])
    places = [i for i, n in enumerate(belief.sizes) if n in allowed]
    option = _Option(belief, aim, places, np.zeros(len(places)))
    option.imagine()
    return option


def _worths(
    options: Sequence[_Option],
    ties: Sequence[int],
    cost: Cost,
    taken: Sequence[Run],
    seeds: Mapping[tuple[str, int], int],
    left: float,
) -> Iterator[tuple[float, int, float, _Option, int]]:
    """(gain per cost, tie breaker, cost, arm, place) of every run that can be paid."""
    turn = iter(ties)
    for option in options:
        for at, gain in enumerate(option.gains.tolist()):
            tie, price = next(turn), cost(_run(option, at, seeds), taken)
            if price <= left:
                # Rounded, so that equal options tie in spite of floating-point dust.
                yield float(f"{gain / max(price, 1e-12):.9e}"), tie, price, option, at


def _run(option: _Option, at: int, seeds: Mapping[tuple[str, int], int]) -> Run:
    n = option.belief.sizes[option.places[at]]
    return Run(option.arm, n, max(option.belief.state.next_seeds.get(n, 0), seeds.get((option.arm, n), 0)))


def _next_seeds(runs: Iterable[Run]) -> dict[tuple[str, int], int]:
    """For each (arm, n) the smallest seed above all that these runs have."""
    seeds: dict[tuple[str, int], int] = defaultdict(int)
    for run in runs:
        seeds[run.arm, run.n] = max(seeds[run.arm, run.n], run.seed + 1)
    return seeds


def _proposal(option: _Option, at: int, run: Run, price: float, terms: Terms, *, again: bool) -> Proposal:
    """`again`: whether another run at this size is done, under way or chosen before, so that this one is a repeat."""
    belief = option.belief
    expected = option.aim.expect(belief.left(), belief.left_after()[option.places[at]])
    repeat = " again" if again else ""
    rest = left_then(terms.budget_left - price, terms.unit)
    reason = (
        f"{expected.why}: n = {run.n:,}{repeat} is expected to {expected.to_do} for {money(price, terms.unit)}{rest}"
    )
    return Proposal(run.arm, run.n, run.seed, float(option.gains[at]), price, reason, expected)
