"""The most that a design fixed beforehand can know of C of pairs for a given cost, every law and noise known: a bound.

Pairs are of one rendering setting; those of a pre-training task share its pre-trainings. A design is a set of sizes for
each pre-training task and, of those, a set for each of its pairs, every size at most once, as the paper's grid has
them. What it knows of a pair is the chance that its C is as near to the whole grid's as is asked: by Fisher's
information, each pair fitted alone by least squares, the difference of nested estimates having the difference of their
variances. The best design that can be paid is found exactly, by dynamic programming over the cost.

It bounds no policy that looks at results as they come, which may do a little better, and no estimator that knows more
than the runs of one pair.
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
class KnownPair:
    """A pair whose law is known, and how near its C is to be to the whole grid's (a standard deviation of C)."""

    law: TrueLaw
    within: float


@dataclass(frozen=True)
class MostWithin:
    """The largest expected `share` of pairs as near as is asked, and the largest chance that `all` of them are; each of
    the design that is best for it."""

    share: float
    all: float


def most_within(
    pairs: Sequence[Sequence[KnownPair]], rungs: Sequence[int], budget: float, prices: Prices
) -> MostWithin:
    """What the best designs for this budget know of C of `pairs`, those of each pre-training task together.

    `rungs`: the grid's sizes, from the smallest. 0 where not even one pair can have three sizes.
    """
    chances = [np.array([chances_within(pair, rungs) for pair in of_task]) for of_task in pairs]
    with np.errstate(divide="ignore"):
        logs = [np.log(of_task) for of_task in chances]
    share = _best(chances, rungs, budget, prices) / sum(len(of_task) for of_task in pairs)
    return MostWithin(max(share, 0.0), float(np.exp(_best(logs, rungs, budget, prices))))


def chances_within(pair: KnownPair, rungs: Sequence[int]) -> Floats:
    """The chance that C is as near to the whole grid's as is asked for each set of sizes, shape (2^rungs,): a set holds
    the i-th size where bit i of its number is set. 0 for fewer than three sizes, which leave C open."""
    sizes = np.asarray(rungs, float)
    sets = [sizes[_members(chosen, sizes.size)] for chosen in range(2**sizes.size)]
    apart = np.array([variance(chosen, pair.law, GAP) for chosen in sets]) - variance(sizes, pair.law, GAP)
    chances: Floats = 2 * ndtr(pair.within / np.sqrt(np.maximum(apart, 1e-300))) - 1
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
