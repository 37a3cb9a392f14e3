"""What to run next and when to stop: pure functions of posteriors, costs and what is already under way.

The joint draws of an arm give the covariance of its targets (log alpha and C) with the log error at every
candidate size. A run at n is a noisy look at log error(n), so the targets' expected variance falls by cov^2 /
(variance + noise), the update of a Gaussian. Pending runs and batch members chosen before are conditioned on
in the same way, which is what spreads concurrent proposals out. The next run is the one with the largest
fall, in units of the precision that is wanted, per unit of marginal cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from analysis.amounts import money
from analysis.belief import ArmState, Belief, Run, believe, next_seed
from analysis.goals import DEFAULT_TERMS, Goals, Terms
from analysis.verdict import Verdict

# Marginal cost of a run in the budget's unit, given the pending and chosen runs that will be there by then:
# images that those render, or a checkpoint that exists, cost nothing again.
Cost = Callable[[Run, Sequence[Run]], float]


@dataclass(frozen=True)
class Proposal:
    """The next run, what it is expected to teach and why in one line.

    `gain`: expected fall of the summed variance of alpha and C, in units of the wanted precision squared;
    None where no posterior was asked (pilot, baselines). `cost`: marginal, in the budget's unit.
    """

    arm: str
    n: int
    seed: int
    gain: float | None
    cost: float
    reason: str

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
    runs under way. `seed` settles ties; the same arguments give the same proposals. Raises ValueError where k
    < 1 or an arm has no candidates.
    """
    if k < 1:
        raise ValueError(f"k is {k}; ask for at least one proposal")
    beliefs = [believe(state, candidates, pending) for state in arms]
    taken, chosen, budget_left = list(pending), list[Proposal](), terms.budget_left
    ties = np.random.default_rng(seed).permutation(sum(len(belief.sizes) for belief in beliefs))
    while len(chosen) < k:
        options = _options(beliefs, candidates, cost, taken, terms.goals, budget_left)
        if not options:
            break
        # Worth is rounded so that equal options tie in spite of floating-point dust.
        _, _, belief, size, price, gain = max(
            (float(f"{gain / max(price, 1e-12):.9e}"), int(tie), b, i, price, gain)
            for (b, i, price, gain), tie in zip(options, ties, strict=False)
        )
        best, n = beliefs[belief], beliefs[belief].sizes[size]
        run = Run(best.state.arm, n, next_seed(best.state.arm, n, (*best.state.done, *taken)))
        reason = _reason(best, size, price, terms)
        chosen.append(Proposal(run.arm, n, run.seed, gain, price, reason))
        best.condition(n)
        taken.append(run)
        budget_left -= price
    return chosen


def pilot(
    arms: Sequence[str], ladder: Sequence[int], cost: Callable[[int], float], unit: str = "$", seed: int = 0
) -> list[Proposal]:
    """The runs to begin with: three sizes of the ladder for every arm, the cheapest size of all arms first.

    The lowest size, the middle one and the largest whose `cost` (of a single run at n) is at most half the
    top's: wide enough to see the curve bend, without paying for the top before it is known to teach anything.
    """
    sizes = sorted(set(ladder))
    if not sizes or sizes[0] <= 0:
        raise ValueError(f"the ladder is {list(ladder)}; give sizes above 0")
    affordable = [n for n in sizes if cost(n) <= cost(sizes[-1]) / 2]
    upper = affordable[-1] if len(affordable) > 2 else sizes[-1]
    between = [n for n in sizes if sizes[0] < n < upper]
    picked = sorted({sizes[0], between[len(between) // 2] if between else sizes[0], upper})
    return [
        Proposal(
            arm,
            n,
            seed,
            None,
            cost(n),
            f"pilot: a first look at {arm}, n = {n:,}, for {money(cost(n), unit)}",
        )
        for n in picked
        for arm in arms
    ]


def should_stop(
    arms: Sequence[ArmState],
    verdicts: Mapping[str, Verdict],
    cheapest: float,
    terms: Terms,
) -> Stop | None:
    """Whether to stop and why; None to go on.

    `cheapest`: marginal cost of the cheapest run that could still be chosen. The order of the reasons is that
    of what was hoped for: precision, then verdicts, then money.
    """
    goals, unit, left = terms.goals, terms.unit, terms.budget_left
    precise = [s for s in arms if s.fit.alpha.sd <= goals.alpha_sd and s.fit.C.sd <= goals.c_sd and s.fit.identified]
    if arms and len(precise) == len(arms):
        return Stop(
            "precision",
            f"precision reached: for every arm the sd of alpha is at most {goals.alpha_sd:g}"
            f" and that of C at most {goals.c_sd:g}",
        )
    decided = [v for v in verdicts.values() if v.label != "not identified yet"]
    if arms and len(decided) == len(arms):
        lowest = min(v.probability for v in decided)
        return Stop("verdicts", f"every verdict is certain: the least certain holds with probability {lowest:.1%}")
    if cheapest > left:
        return Stop(
            "budget",
            f"nothing affordable is left: the cheapest run costs {money(cheapest, unit)},"
            f" {money(max(left, 0.0), unit)} remain",
        )
    return None


def _options(
    beliefs: Sequence[Belief],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    taken: Sequence[Run],
    goals: Goals,
    budget_left: float,
) -> list[tuple[int, int, float, float]]:
    """Every affordable (arm index, size index, cost, gain) that still teaches something."""
    wanted = np.array([goals.alpha_sd, goals.c_sd])
    options = []
    for b, belief in enumerate(beliefs):
        before = float(((belief.spread() / wanted) ** 2).sum())
        for i, n in enumerate(belief.sizes):
            if n not in candidates[belief.state.arm]:
                continue
            run = Run(belief.state.arm, n, next_seed(belief.state.arm, n, (*belief.state.done, *taken)))
            price = cost(run, taken)
            if price <= budget_left:
                options.append((b, i, price, before - float(((belief.after(i) / wanted) ** 2).sum())))
    return options


def _reason(belief: Belief, size: int, price: float, terms: Terms) -> str:
    before, after = belief.spread(), belief.after(size)
    falls = (before**2 - after**2) / np.array([terms.goals.alpha_sd, terms.goals.c_sd]) ** 2
    first, second = (0, 1) if falls[0] >= falls[1] else (1, 0)
    names = ("the pre-training rate alpha", "the transfer gap C")
    short = ("alpha", "C")
    n = belief.sizes[size]
    again = " again" if any(run.n == n for run in belief.state.done) else ""
    return (
        f"to pin down {names[first]} of {belief.state.arm}: n = {n:,}{again} is expected to take its sd"
        f" from {before[first]:.3g} to {after[first]:.3g} ({short[second]}: {before[second]:.3g} to"
        f" {after[second]:.3g}) for {money(price, terms.unit)}"
    )
