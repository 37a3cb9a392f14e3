"""Plain policies to measure `analysis.policy.propose` against, with its interface: they look at no result.

Those that look at results, by the classical criteria of optimal design, are in `analysis.criteria`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.amounts import money
from analysis.belief import ArmState, Run, next_seed
from analysis.policy import DEFAULT_TERMS, Cost, Proposal, Terms

# The next of the affordable runs, each with its price.
Pick = Callable[[Sequence[tuple[Run, float]]], tuple[Run, float]]


def propose_grid(
    arms: Sequence[ArmState],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    pending: Sequence[Run] = (),
    k: int = 1,
    seed: int = 0,
    terms: Terms = DEFAULT_TERMS,
) -> list[Proposal]:
    """The paper's fixed grid: every size of every arm once, the smallest first, arms as given; then again."""
    return _take(arms, candidates, cost, pending, k, terms, "next in the fixed grid", _least(_grid_order))


def propose_random(
    arms: Sequence[ArmState],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    pending: Sequence[Run] = (),
    k: int = 1,
    seed: int = 0,
    terms: Terms = DEFAULT_TERMS,
) -> list[Proposal]:
    """An affordable arm and size at random."""
    rng = np.random.default_rng(seed)
    return _take(
        arms, candidates, cost, pending, k, terms, "drawn at random", lambda runs: runs[int(rng.integers(len(runs)))]
    )


def propose_cheapest(
    arms: Sequence[ArmState],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    pending: Sequence[Run] = (),
    k: int = 1,
    seed: int = 0,
    terms: Terms = DEFAULT_TERMS,
) -> list[Proposal]:
    """The run that costs least ("Cheapest" of Li et al. 2026, section 5.1); among equals, as the grid does."""

    def order(option: tuple[Run, float]) -> tuple[Any, ...]:
        return float(f"{option[1]:.9e}"), *_grid_order(option)

    return _take(arms, candidates, cost, pending, k, terms, "the cheapest run there is", _least(order))


def _grid_order(option: tuple[Run, float]) -> tuple[Any, ...]:
    run, _ = option
    return run.seed, run.n


def _least(order: Callable[[tuple[Run, float]], tuple[Any, ...]]) -> Pick:
    return lambda runs: min(runs, key=order)


def _take(
    arms: Sequence[ArmState],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    pending: Sequence[Run],
    k: int,
    terms: Terms,
    why: str,
    pick: Pick,
) -> list[Proposal]:
    taken, chosen, budget_left = list(pending), list[Proposal](), terms.budget_left
    while len(chosen) < k:
        runs = [
            Run(state.arm, n, next_seed(state.arm, n, (*state.done, *taken)))
            for state in arms
            for n in candidates[state.arm]
        ]
        priced = [(run, cost(run, taken)) for run in runs]
        affordable = [(run, price) for run, price in priced if price <= budget_left]
        if not affordable:
            break
        run, price = pick(affordable)
        reason = f"{why}: {run.arm}, n = {run.n:,}, for {money(price, terms.unit)}"
        chosen.append(Proposal(run.arm, run.n, run.seed, None, price, reason))
        taken.append(run)
        budget_left -= price
    return chosen
