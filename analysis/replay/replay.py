"""Policies on recorded or simulated runs: each takes one run after another from a pool and pays for it.

A policy may only take what is in the pool. A policy that reads results begins with a pilot. Any other begins with one
run of each arm, at the size its registry entry says.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial

import numpy as np

from analysis.estimator.fit import fit_laws
from analysis.estimator.law_fit import LawFit
from analysis.policy.goals import DEFAULT_TERMS, Goals, Terms
from analysis.policy.pilot import pilot_sizes
from analysis.policy.proposal import Cost
from analysis.policy.registry import NamedPolicy
from analysis.policy.runs import ArmState, Run
from analysis.replay.pools import STANDARD_PRICES, Pool, Prices

# How many sets of runs keep their fits in memory; with nine arms the fits of one set are a megabyte.
_FITS_KEPT = 100


@dataclass(frozen=True)
class Rules:
    """What all policies of a replay keep to.

    `budget` in units of `prices`; `runs`: the most runs. `pilot`: sizes each arm begins with, None for those of
    `pilot_sizes`. `ladder`: rungs the pilot and the grid keep to, None for every size of the pool.
    """

    budget: float = float("inf")
    runs: int = 10_000
    goals: Goals = DEFAULT_TERMS.goals
    prices: Prices = STANDARD_PRICES
    pilot: tuple[int, ...] | None = None
    ladder: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """What stands after a run: all `runs` taken so far, what they cost, and their fits."""

    pool: Pool = field(repr=False)
    runs: tuple[Run, ...]
    spent: float

    @cached_property
    def fits(self) -> dict[str, LawFit]:
        """The posterior of every arm that has a run."""
        seen: dict[str, list[tuple[int, float]]] = {}
        for run in sorted(self.runs):
            seen.setdefault(run.arm, []).append((run.n, self.pool.error(run)))
        return _fits(tuple((arm, tuple(runs)) for arm, runs in seen.items()), tuple(self.pool.groups.items()))


@lru_cache(maxsize=_FITS_KEPT)
def _fits(
    seen: tuple[tuple[str, tuple[tuple[int, float], ...]], ...], groups: tuple[tuple[str, str], ...]
) -> dict[str, LawFit]:
    """Fits are kept, because replays of one recorded table often meet the same set of runs, in any order."""
    return fit_laws({arm: tuple(zip(*runs, strict=True)) for arm, runs in seen}, groups=dict(groups))


def replay(pool: Pool, policy: NamedPolicy, rules: Rules, seed: int) -> Iterator[Step]:
    """Each run that the policy takes, until nothing affordable is left; `seed` decides order and ties."""
    step = Step(pool, (), 0.0)
    for run in _opening(pool, policy, rules, seed):
        price = rules.prices.cost(step.runs)(run, ())
        if step.spent + price > rules.budget or len(step.runs) == rules.runs:
            return
        step = Step(pool, (*step.runs, run), step.spent + price)
        yield step
    fits = step.fits
    # Policies that draw nothing settle ties by the order of the arms.
    order = np.random.default_rng([seed, 2]).permutation(list(pool.groups)).tolist()
    while len(step.runs) < rules.runs:
        if policy.reads_results:
            fits = step.fits
        candidates = _candidates(pool, policy, rules, step.runs)
        states = [
            ArmState(arm, fits[arm], tuple(run for run in step.runs if run.arm == arm))
            for arm in order
            if arm in candidates
        ]
        if not states:
            return
        cost = rules.prices.cost(step.runs)
        terms = Terms(rules.goals, rules.budget - step.spent)
        draw = int(np.random.SeedSequence([seed, len(step.runs)]).generate_state(1)[0])
        chosen = policy.propose(states, candidates, cost, seed=draw, terms=terms)
        if not chosen:
            return
        step = Step(pool, (*step.runs, chosen[0].run), step.spent + chosen[0].cost)
        yield step


def first_cost(steps: Sequence[Step], holds: Callable[[Step], bool]) -> float:
    """What had been spent when the condition came to hold for good; inf where it does not hold at the end."""
    reached = float("inf")
    for step in reversed(steps):
        if not holds(step):
            break
        reached = step.spent
    return reached


def _opening(pool: Pool, policy: NamedPolicy, rules: Rules, seed: int) -> list[Run]:
    """The first runs, in a random order."""
    rng = np.random.default_rng([seed, 1])
    first = []
    price = rules.prices.cost(())
    for arm, offered in pool.sizes.items():
        rungs = [n for n in sorted(offered) if rules.ladder is None or n in rules.ladder]
        if policy.opening == "smallest":
            sizes: Sequence[int] = rungs[:1]
        elif policy.opening == "random":
            sizes = [int(rng.choice(rungs))]
        else:
            sizes = rules.pilot or pilot_sizes(rungs, partial(_alone, price, arm))
        first += [Run(arm, n, 0) for n in sizes]
    return [first[i] for i in rng.permutation(len(first))]


def _alone(price: Cost, arm: str, n: int) -> float:
    return price(Run(arm, n, 0), ())


def _candidates(pool: Pool, policy: NamedPolicy, rules: Rules, taken: Sequence[Run]) -> dict[str, list[int]]:
    left = pool.left(taken)
    if not policy.on_rungs or rules.ladder is None:
        return left
    kept = {arm: [n for n in sizes if n in rules.ladder] for arm, sizes in left.items()}
    return {arm: sizes for arm, sizes in kept.items() if sizes}
