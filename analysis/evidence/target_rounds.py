"""A target in a few rounds of buying: how often a method stops short, and how much more it buys than was needed.

The problem is that of Mahmood et al. (2022, "Optimizing Data Collection for Machine Learning"): a curve of errors up to
the images at hand, a target error, and at most ROUNDS purchases; after each the error is measured with what there is
then. Images cost, runs do not. Three methods:

* ours: `analysis.verdict.purchases`, which may also measure again before it buys.
* Learn-Optimize-Collect, written from the paper: the n needed from power laws (error = a + b n^-c) fitted to bootstraps
  of the curve, whose distribution is F; sizes q_1 <= ... <= q_T of the least expected cost
  sum_t (q_t - q_(t-1)) (1 - F(q_(t-1))) + P (1 - F(q_T)), P the penalty for missing. It stops when the measured error
  meets the target.
* power-law regression, the paper's baseline: buys what the fitted power law needs; stops as Learn-Optimize-Collect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.estimator.fit import fit_law
from analysis.estimator.least_squares import least_squares
from analysis.laws import Floats, TrueLaw, law_error
from analysis.verdict.purchases import MOST_RUNS_AT_A_SIZE, QUANTILES, next_size

ROUNDS = len(QUANTILES)
RUNS_A_ROUND = 2
_BOOTSTRAPS = 50
# Learn-Optimize-Collect's, in images for each image at hand.
PENALTY = 1000.0
# No method buys more than so many times the images at hand, or measures more often.
MOST = 1000.0
_MOST_RUNS = 200


@dataclass(frozen=True, eq=False)
class Collection:
    """A curve to begin with and what is wanted: `n`, `error` (runs,), `target`.

    `needed`: the n that truly reaches it. `measure`: errors of runs at a size. `available`: the size that a purchase
    brings.
    """

    n: Floats
    error: Floats
    target: float
    needed: float
    measure: Callable[[float], Floats]
    available: Callable[[float], float] = lambda n: n


@dataclass(frozen=True)
class Outcome:
    """Where a method ended: `n` images, where `needed` reach the target, after `rounds` purchases and `runs` more runs;
    `overspend`: what was bought over what was needed, less 1."""

    n: float
    needed: float
    rounds: int
    runs: int
    overspend: float

    @property
    def reached(self) -> bool:
        """Whether the target is reached."""
        return self.n >= self.needed


# What there is: sizes and errors of all runs, the target, and the rounds left; the next size, or None to stop.
Method = Callable[[Floats, Floats, float, int], float | None]


def collect(method: Method, task: Collection) -> Outcome:
    """Measure and buy until the method stops or the rounds are used up."""
    n, error, start, bought = task.n, task.error, float(task.n.max()), 0
    now = start
    while (wanted := method(n, error, task.target, ROUNDS - bought)) is not None and n.size < _MOST_RUNS:
        if wanted > now:
            if bought == ROUNDS:
                break
            now, bought = max(task.available(min(wanted, MOST * start)), now), bought + 1
        seen = task.measure(now)
        n, error = np.append(n, np.full(seen.size, now)), np.append(error, seen)
    overspend = (now - start) / (task.needed - start) - 1
    return Outcome(now, task.needed, bought, n.size - task.n.size, overspend)


def ours(n: Floats, error: Floats, target: float, rounds: int) -> float | None:
    """The posterior's purchase."""
    now = float(n.max())
    look_again = int((n == now).sum()) < MOST_RUNS_AT_A_SIZE
    return next_size(fit_law(n, error), target, now, rounds, look_again=look_again)


def ours_without_repeats(n: Floats, error: Floats, target: float, rounds: int) -> float | None:
    """The same where each size is measured once."""
    return next_size(fit_law(n, error), target, float(n.max()), rounds, look_again=False)


def learn_optimize_collect(n: Floats, error: Floats, target: float, rounds: int) -> float | None:
    """Mahmood et al.'s purchase."""
    now = float(n.max())
    if rounds == 0 or error[n == now].mean() <= target:
        return None
    rng, needed = np.random.default_rng(0), list[float]()
    while len(needed) < _BOOTSTRAPS:
        chosen = rng.integers(0, n.size, n.size)
        if np.unique(n[chosen]).size >= 3:
            needed.append(_power_law_needs(n[chosen], error[chosen], target))
    found = np.sort(np.clip(needed, now, MOST * now))
    sizes = np.unique(np.append(found, now))
    open_ = 1 - np.searchsorted(found, sizes, side="right") / found.size
    return _cheapest_next(sizes, open_, rounds, PENALTY * now)


def _cheapest_next(sizes: Floats, open_: Floats, rounds: int, penalty: float) -> float:
    """The first of the purchases among increasing `sizes` (k,) of the least expected cost, by dynamic programming;
    `open_` (k,): probability that the target is not reached at each."""
    step = (sizes - sizes[:, None]) * open_[:, None]
    step[np.tril_indices(sizes.size, -1)] = np.inf
    to_go = penalty * open_
    for _ in range(rounds):
        whole = step + to_go
        to_go = whole.min(axis=1)
    return float(sizes[whole[0].argmin()])


def power_law_regression(n: Floats, error: Floats, target: float, rounds: int) -> float | None:
    """What one fitted power law needs."""
    now = float(n.max())
    if rounds == 0 or error[n == now].mean() <= target:
        return None
    return max(_power_law_needs(n, error, target), now)


def _power_law_needs(n: Floats, error: Floats, target: float) -> float:
    found = least_squares(n, error, None, np.random.default_rng(0), "linear")
    room = target - found.C
    return float((found.D / room) ** (1 / found.alpha)) if room > 0 else float("inf")


METHODS: dict[str, Method] = {
    "ours": ours,
    "ours_without_repeats": ours_without_repeats,
    "learn_optimize_collect": learn_optimize_collect,
    "power_law_regression": power_law_regression,
}


def simulated(i: int, seed: int = 52) -> Collection:
    """The i-th simulated task: law (1) drawn broadly, run noise of 0.2 to 1 %, a curve of two runs at five sizes up to
    16,000, and a target at least 5 % below the error there that 20,000 to 320,000 images reach.

    Another `seed` makes other tasks: the quantiles of `analysis.verdict.purchases` were chosen with 51.
    """
    rng = np.random.default_rng([seed, i])
    while True:
        alpha, level, sigma, needed = np.exp(
            rng.uniform(np.log([0.1, 0.05, 0.002, 20_000]), np.log([1.2, 0.9, 0.01, 320_000]))
        )
        C = level * rng.uniform(0.0, 0.98)
        law = TrueLaw(float(alpha), float(C), float((level - C) * 1000**alpha), float(sigma))
        if law.error(needed) < 0.95 * law.error(16_000):
            break
    n = np.repeat(1000.0 * 2 ** np.arange(5), RUNS_A_ROUND)

    def measure(size: float) -> Floats:
        return law.observed(np.full(RUNS_A_ROUND, size), rng.standard_normal(RUNS_A_ROUND))

    error = law.observed(n, rng.standard_normal(n.size))
    return Collection(n, error, float(law_error(needed, alpha, C, law.D)), float(needed), measure)


def recorded(n: Floats, error: Floats, first: int) -> list[Collection]:
    """Tasks of one recorded curve of increasing sizes: the first so many are at hand, and each later error that is
    lower than all before it is once the target. A purchase brings the next recorded size."""
    tasks = []

    def available(size: float) -> float:
        return float(n[min(int(np.searchsorted(n, size * (1 - 1e-9))), n.size - 1)])

    def measure(size: float) -> Floats:
        return error[n == size]

    for place in range(first, n.size):
        if error[place] < error[:place].min():
            tasks.append(Collection(n[:first], error[:first], float(error[place]), float(n[place]), measure, available))
    return tasks


def summary(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Share that stopped short, and mean overspend of the others."""
    reached = [each.overspend for each in outcomes if each.reached]
    return 1 - len(reached) / len(outcomes), float(np.mean(reached)) if reached else float("nan")
