"""Plain policies to measure `analysis.policy.propose` against, with its interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.amounts import money
from analysis.belief import ArmState, Run, next_seed
from analysis.policy import DEFAULT_TERMS, Cost, Proposal, Terms


def propose_grid(
    arms: Sequence[ArmState],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    pending: Sequence[Run] = (),
    k: int = 1,
    seed: int = 0,
    terms: Terms = DEFAULT_TERMS,
) -> list[Proposal]:
    """The paper's fixed grid: every size of every arm once, the smallest first; then again."""
    return _take(arms, candidates, cost, pending, k, terms, None)


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
    return _take(arms, candidates, cost, pending, k, terms, np.random.default_rng(seed))


def _take(
    arms: Sequence[ArmState],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    pending: Sequence[Run],
    k: int,
    terms: Terms,
    rng: np.random.Generator | None,
) -> list[Proposal]:
    taken, chosen, budget_left = list(pending), list[Proposal](), terms.budget_left
    while len(chosen) < k:
        runs = [
            Run(state.arm, n, next_seed(state.arm, n, (*state.done, *taken)))
            for state in arms
            for n in candidates[state.arm]
        ]
        affordable = [run for run in runs if cost(run, taken) <= budget_left]
        if not affordable:
            break
        run = (
            min(affordable, key=lambda r: (r.seed, r.n, r.arm))
            if rng is None
            else affordable[int(rng.integers(len(affordable)))]
        )
        price = cost(run, taken)
        why = "next in the fixed grid" if rng is None else "drawn at random"
        reason = f"{why}: {run.arm}, n = {run.n:,}, for {money(price, terms.unit)}"
        chosen.append(Proposal(run.arm, run.n, run.seed, None, price, reason))
        taken.append(run)
        budget_left -= price
    return chosen
