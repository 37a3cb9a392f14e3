"""The most that any choice of runs can know of C of pairs for a given cost, every law and noise known: a bound.

Pairs are of one rendering setting; those of a pre-training task share its pre-trainings. A choice is a set of sizes for
each pre-training task and, of those, a set for each of its pairs, every size at most once, as the paper's grid has
them. What it knows of a pair is the chance that its C is within one standard error of what the whole grid says: by
Fisher's information, each pair fitted alone, the difference of nested estimates having the difference of their
variances. The best choice that can be paid is found exactly, by dynamic programming over the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.special import ndtr

from analysis.laws import Floats
from analysis.optimal_design import GAP, TrueLaw, variance
from analysis.pools import Prices

# Costs are counted in these, rounded down, so that the bound stays one.
_STEP = 0.05


@dataclass(frozen=True)
class MostWithin:
    """The largest expected `share` of pairs within one standard error, and the largest chance that `all` of them are;
    each of the choice of runs that is best for it."""

    share: float
    all: float


def most_within(laws: Sequence[Sequence[TrueLaw]], rungs: Sequence[int], budget: float, prices: Prices) -> MostWithin:
    """What the best choices of runs for this budget know of C, when each pre-training task's pairs have these laws.

    `rungs`: the grid's sizes, from the smallest. 0 where not even one pair can have three sizes.
    """
    chances = [np.array([chances_within(law, rungs) for law in pairs]) for pairs in laws]
    with np.errstate(divide="ignore"):
        logs = [np.log(pairs) for pairs in chances]
    share = _best(chances, rungs, budget, prices) / sum(len(pairs) for pairs in laws)
    return MostWithin(max(share, 0.0), float(np.exp(_best(logs, rungs, budget, prices))))


def chances_within(law: TrueLaw, rungs: Sequence[int]) -> Floats:
    """The chance that C is within one standard error of the whole grid's for each set of sizes, shape (2^rungs,): a set
    holds the i-th size where bit i of its number is set. 0 for fewer than three sizes, which leave C open."""
    sizes = np.asarray(rungs, float)
    whole = variance(sizes, law, GAP)
    ratios = np.array([variance(sizes[_members(chosen, sizes.size)], law, GAP) for chosen in range(2**sizes.size)])
    ratios /= whole
    chances: Floats = 2 * ndtr(np.maximum(ratios - 1, 1e-9) ** -0.5) - 1
    return chances


def _members(chosen: int, of: int) -> np.ndarray:
    return (chosen >> np.arange(of) & 1).astype(bool)


def _best(values: Sequence[Floats], rungs: Sequence[int], budget: float, prices: Prices) -> float:
    """The largest sum of the pairs' values that the budget pays, over all largest sizes that may be rendered."""
    totals = []
    for top in range(len(rungs)):
        steps = int(np.floor((budget - prices.image * rungs[top]) / _STEP + 1e-9))
        if steps >= 0:
            tasks = [_by_cost(pairs[:, : 2 ** (top + 1)], steps, prices) for pairs in values]
            totals.append(float(reduce(_joined, tasks)[: steps + 1].max()))
    return max(totals, default=-np.inf)


def _by_cost(values: Floats, steps: int, prices: Prices) -> Floats:
    """The largest sum of one pre-training task's values at each cost in steps; `values`: (pairs, sets of sizes)."""
    sets = values.shape[1]
    sizes = np.array([chosen.bit_count() for chosen in range(sets)])
    # Of each set of pre-trained sizes, the largest sum with so many fine-tunes in all: (fine-tunes, sets).
    sums = reduce(_joined, [_by_fine_tunes(pair, sizes) for pair in values])
    fine_tunes = np.arange(sums.shape[0])[:, None]
    costs = np.floor((prices.pretrain * sizes + prices.finetune * fine_tunes) / _STEP + 1e-9).astype(int)
    found = np.full(steps + 1, -np.inf)
    paid = costs <= steps
    np.maximum.at(found, costs[paid], sums[paid])
    return found


def _by_fine_tunes(values: Floats, sizes: np.ndarray) -> Floats:
    """Of one pair the largest value with so many fine-tunes, all of pre-trained sizes: (fine-tunes, sets)."""
    found = np.where(sizes == np.arange(sizes.max() + 1)[:, None], values, -np.inf)
    for bit in 2 ** np.arange(int(sizes.max())):
        has = (np.arange(values.size) & bit) > 0
        found[:, has] = np.maximum(found[:, has], found[:, ~has])
    return found


def _joined(one: Floats, other: Floats) -> Floats:
    """The largest sum of one of each with so much in all, along the first axis."""
    joined = np.full((one.shape[0] + other.shape[0] - 1, *one.shape[1:]), -np.inf)
    for spent, value in enumerate(one):
        part = joined[spent : spent + other.shape[0]]
        np.maximum(part, value + other, out=part)
    return joined
