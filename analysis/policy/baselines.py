"""Baselines for `analysis.policy.adaptive.propose`, with its interface. They look at no result.

Those that look at results, by the classical criteria of optimal design, are in `analysis.policy.optimality`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.policy.goals import DEFAULT_TERMS, Terms
from analysis.policy.proposal import Cost, Policy, Proposal
from analysis.policy.runs import ArmState, Run, next_seeds

# A run with its price.
Priced = tuple[Run, float]
# The next of the affordable runs.
Pick = Callable[[Sequence[Priced]], Priced]
# How a policy picks in one call of it, from (arms, candidates, pending, seed).
Prepare = Callable[[Sequence[ArmState], Mapping[str, Sequence[int]], Sequence[Run], int], Pick]


def greedy_policy(why: str, prepare: Prepare) -> Policy:
    """A policy that picks its runs singly, each among those that the budget still allows; `why` begins its reasons."""

    def propose(
        arms: Sequence[ArmState],
        candidates: Mapping[str, Sequence[int]],
        cost: Cost,
        pending: Sequence[Run] = (),
        k: int = 1,
        seed: int = 0,
        terms: Terms = DEFAULT_TERMS,
    ) -> list[Proposal]:
        pick = prepare(arms, candidates, pending, seed)
        taken, chosen, budget_left = list(pending), list[Proposal](), terms.budget_left
        seeds = next_seeds(arms, pending)
        while len(chosen) < k:
            runs = [state.next_run(n, seeds) for state in arms for n in candidates[state.arm]]
            priced = [(run, cost(run, taken)) for run in runs]
            affordable = [(run, price) for run, price in priced if price <= budget_left]
            if not affordable:
                break
            run, price = pick(affordable)
            budget_left -= price
            named = f"{why}: {run.arm}, n = {run.n:,}"
            chosen.append(Proposal(run, None, price, terms.unit, named, budget_left))
            taken.append(run)
            seeds[run.arm, run.n] = run.seed + 1
        return chosen

    return propose


def _least(order: Callable[[Priced], tuple[Any, ...]]) -> Prepare:
    return lambda *_: lambda runs: min(runs, key=order)


def _any(arms: Sequence[ArmState], candidates: Mapping[str, Sequence[int]], pending: Sequence[Run], seed: int) -> Pick:
    rng = np.random.default_rng(seed)
    return lambda runs: runs[int(rng.integers(len(runs)))]


def _grid_order(option: Priced) -> tuple[int, int]:
    run, _ = option
    return run.seed, run.n


def _price_order(option: Priced) -> tuple[float, int, int]:
    # Rounded, so that equal prices tie in spite of floating-point dust.
    return float(f"{option[1]:.9e}"), *_grid_order(option)


# The paper's fixed grid: every size of every arm once, the smallest first, arms as given; then again.
propose_grid = greedy_policy("next in the fixed grid", _least(_grid_order))
# An affordable arm and size at random.
propose_random = greedy_policy("drawn at random", _any)
# The run that costs least ("Cheapest" of Li et al. 2026, section 5.1); among equals, as the grid does.
propose_cheapest = greedy_policy("the cheapest run there is", _least(_price_order))
