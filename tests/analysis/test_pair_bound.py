from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.optimal_design import TrueLaw
from analysis.pair_bound import KnownPair, chances_within, most_within
from analysis.pools import Prices

RUNGS = (1_000, 4_000, 8_000, 32_000)
PRICES = Prices(pretrain=1.0, finetune=0.15, image=1 / 32_000)
PAIRS = [
    [KnownPair(TrueLaw(0.4, 0.3, 4.0, 0.003), 0.01), KnownPair(TrueLaw(0.6, 0.1, 9.0, 0.002), 0.0005)],
    [KnownPair(TrueLaw(0.3, 0.5, 2.0, 0.004), 0.02), KnownPair(TrueLaw(0.5, 0.2, 7.0, 0.003), 0.002)],
]
SETS = [[i for i in range(len(RUNGS)) if chosen >> i & 1] for chosen in range(2 ** len(RUNGS))]
WHOLE = 2 * len(RUNGS) * (1 + 2 * 0.15) + 1


def tried(budget: float) -> tuple[float, float]:
    """The same by trying every set of fine-tunes of every pair."""
    chances = np.array([[chances_within(pair, RUNGS) for pair in of_task] for of_task in PAIRS])
    best_share = best_all = 0.0
    for sets in itertools.product(range(len(SETS)), repeat=4):
        trained = [set(SETS[a]) | set(SETS[b]) for a, b in (sets[:2], sets[2:])]
        images = max((RUNGS[max(of_task)] for of_task in trained if of_task), default=0)
        fine_tunes = sum(len(SETS[each]) for each in sets)
        cost = sum(len(of_task) for of_task in trained) + 0.15 * fine_tunes + images / 32_000
        if cost <= budget + 1e-9:
            found = chances.reshape(4, -1)[range(4), list(sets)]
            best_share, best_all = max(best_share, float(found.mean())), max(best_all, float(found.prod()))
    return best_share, best_all


@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
def test_no_choice_of_runs_knows_more_and_one_knows_as_much(share: float) -> None:
    """Given two pre-training tasks of two pairs, the bound is what trying every choice of runs finds."""
    most = most_within(PAIRS, RUNGS, share * WHOLE, PRICES)
    assert (most.share, most.all) == pytest.approx(tried(share * WHOLE), abs=1e-9)


def test_the_whole_grid_knows_all_and_too_little_money_nothing() -> None:
    most = most_within(PAIRS, RUNGS, WHOLE, PRICES)
    assert (most.share, most.all) == pytest.approx((1.0, 1.0))
    nothing = most_within(PAIRS, RUNGS, 2.0, PRICES)
    assert (nothing.share, nothing.all) == (0, 0)


def test_the_chance_is_that_of_nested_estimates() -> None:
    """Given runs at three of four sizes, simulated least squares come that often as near to the grid's as is asked."""
    pair, rng = PAIRS[0][0], np.random.default_rng(0)
    law, sizes = pair.law, np.array(RUNGS, float)
    decay = sizes**-law.alpha
    slopes = np.stack([-law.D * decay * np.log(sizes), np.ones(4), law.D * decay], axis=1) / law.error(sizes)[:, None]
    noise = law.sigma * rng.standard_normal((20_000, 4))
    whole = noise @ np.linalg.pinv(slopes).T
    part = noise[:, :3] @ np.linalg.pinv(slopes[:3]).T
    within = float((np.abs(part[:, 1] - whole[:, 1]) <= pair.within).mean())
    assert 0.1 < within < 0.9
    assert chances_within(pair, RUNGS)[0b0111] == pytest.approx(within, abs=0.015)
