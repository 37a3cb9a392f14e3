"""Every policy on four questions, one trial at a time: three with known laws, one with recorded or drawn curves.

1. `design_trial`: alpha and C of one known law, every run at the same price. What counts is the Fisher variance, at the
   true law, of the runs that were chosen, beside that of the locally optimal design (`analysis.replay.optimal_design`).
2. `gap_cost_trial`: what it costs until the standard error of C is what the fixed grid has after four rounds.
3. `rendering_trial`: which of nine rendering settings is the best at n = 64,000, for a fifth of the grid's cost. The
   recorded settings are one draw, on which nothing is chosen; `drawn_rendering_trial` asks the same of drawn ones.
4. `ending_trial`: whether a law holds up to the largest size or has ended before, when so many runs were made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.evidence.backtest import nine_renderings
from analysis.laws import TrueLaw
from analysis.paper.recorded import Curve, Setting
from analysis.policy.goals import Goals
from analysis.policy.registry import POLICIES
from analysis.policy.runs import Run
from analysis.replay.optimal_design import GAP, best_design, bound, relative, variance
from analysis.replay.pools import EQUAL_PRICES, STANDARD_PRICES, Pool, recorded_pool, simulated_pool, whole_grid
from analysis.replay.replay import Rules, replay

RUNGS = tuple(1000 * 2**i for i in range(7))
# What may be run: the rungs and one size between any two.
SIZES = tuple(round(1000 * 2 ** (i / 2)) for i in range(13))
_FINE = tuple(1000 * 2 ** (i / 4) for i in range(25))
DESIGN_RUNS = (14, 28)
GRID_ROUNDS = 4

ENDING_SIZES = tuple(125 * 2**i for i in range(10))
ENDING_RUNS = 24

DRAWN_SETTINGS = 9
_NEAR_BEST = 0.002
_SHARE_OF_GRID = 0.2
# One look at each setting: three would be more than a fifth of the grid. The size was chosen on drawn settings
# (docs/measurements/policy.md).
_RENDERING_PILOT = (16_000,)


def draw_law(i: int) -> TrueLaw:
    """The i-th law: alpha in 0.2 to 0.8, C in 0.05 to 0.95, noise in 0.001 to 0.01 (log-uniform); half of what is
    not transfer gap is left at n = 1000."""
    rng = np.random.default_rng([5, i])
    alpha, C = float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.05, 0.95))
    return TrueLaw(alpha, C, 0.5 * (1 - C) * 1000**alpha, float(np.exp(rng.uniform(np.log(0.001), np.log(0.01)))))


def design_trial(policy: str, i: int) -> tuple[float, ...]:
    """Variance of alpha and C relative to their squares, over the locally optimal design's, after DESIGN_RUNS."""
    law = draw_law(i)
    goals = Goals(alpha_sd=0.1, c_sd=0.1, relative=True)
    rules = Rules(runs=max(DESIGN_RUNS), goals=goals, prices=EQUAL_PRICES, ladder=RUNGS)
    runs = list(replay(simulated_pool(law, SIZES, i), POLICIES[policy], rules, i))[-1].runs
    criterion = relative(law)
    return tuple(
        variance([run.n for run in runs[:k]], law, criterion)
        / variance(best_design(_FINE, k, law, criterion), law, criterion)
        for k in DESIGN_RUNS
    )


def gap_cost_trial(policy: str, i: int) -> float:
    """Cost until the standard error of C is the fixed grid's after GRID_ROUNDS, over the grid's cost; inf above 2."""
    law = draw_law(i)
    pool = simulated_pool(law, SIZES, i)
    wanted, grid_cost = _grid_gap(law)
    rules = Rules(budget=2 * grid_cost, goals=Goals(alpha_sd=float("inf"), c_sd=wanted**0.5), ladder=RUNGS)
    for step in replay(pool, POLICIES[policy], rules, i):
        if variance([run.n for run in step.runs], law, GAP) <= wanted * (1 + 1e-9):
            return step.spent / grid_cost
    return float("inf")


def gap_cost_bound(i: int) -> float:
    """The least that any design costs which knows the law, runs being divisible, over the grid's cost."""
    law = draw_law(i)
    wanted, grid_cost = _grid_gap(law)
    costs = [
        STANDARD_PRICES.run * bound(_FINE[: i + 1], law, GAP) / wanted + STANDARD_PRICES.image * top
        for i, top in enumerate(_FINE)
        if top >= 4_000
    ]
    return min(costs) / grid_cost


def renderings(paper: Mapping[Setting, Curve]) -> Pool:
    """The paper's nine rendering settings: objdet to objdet, ResNet-50, 64k collection, fraction 1 %."""
    curves = nine_renderings(paper)
    errors = {s.rendering: {int(n): [float(e)] for n, e in zip(c.n, c.error, strict=True)} for s, c in curves.items()}
    return recorded_pool({s.rendering: s.group for s in curves}, errors, 0)


def drawn_renderings(i: int) -> tuple[Pool, dict[str, float]]:
    """The i-th draw: nine settings at the paper's seven sizes, one run each; and their true errors at 64,000.

    C lies within 0.05 above a common 0.2 to 0.9; run noise is 0.001 to 0.004 (log-uniform). In even draws alpha and
    what is not transfer gap at n = 1,000 scatter by 0.4 and 0.3 in log about common values (log-normal about 0.4 and
    0.08, sd 0.4 and 0.5); in odd ones each setting has its own (about 0.35 and 0.08, sd 0.8 and 0.7).
    """
    rng = np.random.default_rng([78, i])
    base, noise = rng.uniform(0.2, 0.9), np.exp(rng.uniform(np.log(0.001), np.log(0.004)))
    common = np.exp(rng.normal(np.log([0.4, 0.08]), [0.4, 0.5]))
    errors, truth = dict[str, Mapping[int, Sequence[float]]](), dict[str, float]()
    for setting in range(DRAWN_SETTINGS):
        alike = common * np.exp(rng.normal(0, [0.4, 0.3]))
        own = np.exp(rng.normal(np.log([0.35, 0.08]), [0.8, 0.7]))
        alpha, removable = alike if i % 2 == 0 else own
        name = f"setting {setting}"
        law = base + rng.uniform(0, 0.05) + removable * (np.array(RUNGS) / 1000) ** -alpha
        runs = np.minimum(law * np.exp(noise * rng.standard_normal(len(RUNGS))), 1.0)
        errors[name] = {n: [float(error)] for n, error in zip(RUNGS, runs, strict=True)}
        truth[name] = float(law[-1])
    return recorded_pool(dict.fromkeys(errors, "all"), errors, 0), truth


def rendering_trial(policy: str, pool: Pool, seed: int) -> tuple[bool, float]:
    """Whether the setting it names for n = 64,000 has a recorded error within 0.002 of the best; and what it spent,
    as a share of the grid's cost."""
    return _named(policy, pool, {arm: pool.error(Run(arm, RUNGS[-1], 0)) for arm in pool.groups}, seed)


def drawn_rendering_trial(policy: str, i: int) -> tuple[bool, float]:
    """The same of the i-th draw, by the true errors of its settings."""
    pool, truth = drawn_renderings(i)
    return _named(policy, pool, truth, i)


def ending_trial(policy: str, i: int) -> tuple[float, bool]:
    """Of the i-th law, which has ended where i is odd: the posterior probability of what is true of it, and whether
    alpha and C are identified, after ENDING_RUNS.

    alpha is in 0.25 to 0.6, C in 0.2 to 0.6, noise in 0.005 to 0.015 (log-uniform), at ten sizes from 125; what is not
    gap at the smallest is 10 to 25 % of the gap; a law ends between the fourth and the eighth size.
    """
    rng = np.random.default_rng([91, i])
    alpha, C = float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.2, 0.6))
    noise = float(np.exp(rng.uniform(np.log(0.005), np.log(0.015))))
    law = TrueLaw(alpha, C, C * float(rng.uniform(0.1, 0.25)) * ENDING_SIZES[0] ** alpha, noise)
    end = ENDING_SIZES[rng.integers(3, 7)] * 2**0.5 if i % 2 else np.inf

    def error(run: Run) -> float:
        return float(law.observed(min(run.n, end), np.random.default_rng([i, run.n, run.seed]).standard_normal()))

    pool = replace(simulated_pool(law, ENDING_SIZES, i), error=error)
    goals = Goals(alpha_sd=0.1, c_sd=0.02)
    rules = Rules(runs=ENDING_RUNS, goals=goals, prices=EQUAL_PRICES, ladder=ENDING_SIZES)
    (fit,) = list(replay(pool, POLICIES[policy], rules, i))[-1].fits.values()
    stop = fit.samples.stop
    ended = 0.0 if stop is None else float(np.isfinite(stop).mean())
    return (ended if i % 2 else 1 - ended), fit.identified


def _named(policy: str, pool: Pool, errors: Mapping[str, float], seed: int) -> tuple[bool, float]:
    """Whether the setting of the lowest predicted error for a fifth of the grid's cost is near the best; and the share
    of that cost spent."""
    grid_cost, top = STANDARD_PRICES.total(whole_grid(pool)), float(RUNGS[-1])
    goals = Goals(objective="best", n_target=top, tie=_NEAR_BEST)
    rules = Rules(budget=_SHARE_OF_GRID * grid_cost, goals=goals, pilot=_RENDERING_PILOT)
    end = list(replay(pool, POLICIES[policy], rules, seed))[-1]
    named = min(end.fits, key=lambda arm: float(end.fits[arm].predict(top)))
    return errors[named] <= min(errors.values()) + _NEAR_BEST, end.spent / grid_cost


def _grid_gap(law: TrueLaw) -> tuple[float, float]:
    """Variance of C by the fixed grid after GRID_ROUNDS, and what that costs."""
    cost = GRID_ROUNDS * len(RUNGS) * STANDARD_PRICES.run + STANDARD_PRICES.image * RUNGS[-1]
    return variance(GRID_ROUNDS * RUNGS, law, GAP), cost
