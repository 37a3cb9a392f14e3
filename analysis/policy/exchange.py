"""What to run next over (n, s) to learn what renders are worth in labels: a pure function of a posterior and of costs.

Each candidate is imagined as one more run. Its worth is the expected fall of the variance of the log rate, from the
draws' covariance with the run's log error, per unit of marginal cost. Runs under way, and those chosen before in the
same call, are conditioned on first, so that concurrent proposals differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.exchange.fit import ExchangeFit
from analysis.exchange.worth import equivalents_with
from analysis.laws import Floats

# Label equivalents below this share of s are as good as none: the log rate falls no lower.
LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class Cell:
    """A run over both sizes: n >= 0, s and seed."""

    n: int
    s: int
    seed: int


@dataclass(frozen=True)
class Choice:
    """A cell to run next, the sd of the log rate now and expected then, and the cost."""

    cell: Cell
    sd_now: float
    sd_then: float
    cost: float


def log_rate(fit: ExchangeFit, n: float, s: float) -> Floats:
    """Draws (draws,) of the log of the labels that n renders are worth at s."""
    return _rate_and_errors(fit, n, s, ())[0]


def _rate_and_errors(fit: ExchangeFit, n: float, s: float, cells: Sequence[Cell]) -> tuple[Floats, Floats]:
    """The log rate, (draws,), and of the same draws the log errors expected at cells; (draws, cells)."""
    least = 0.0 if fit.law.holds_at_zero else float(fit.runs.n.min())
    worth, errors = equivalents_with(fit, n, s, [cell.n for cell in cells], [cell.s for cell in cells], since=least)
    return np.log(np.clip(worth / s, LEAST_SHARE, 1 / LEAST_SHARE**2)), errors


def rate_factor(fit: ExchangeFit, n: float, s: float) -> float:
    """The rate's upper limit over its lower one, of its 95 % interval; inf where renders may be worth nothing."""
    low, high = np.quantile(log_rate(fit, n, s), [0.025, 0.975])
    return float(np.exp(high - low)) if low > np.log(LEAST_SHARE) else float("inf")


def choose(
    fit: ExchangeFit,
    candidates: Sequence[Cell],
    cost: Callable[[Cell, Sequence[Cell]], float],
    *,
    n: float,
    s: float,
    pending: Sequence[Cell] = (),
    k: int = 1,
    left: float = np.inf,
) -> list[Choice]:
    """Up to k cells in the order of worth, for the rate at (n, s); fewer where no more can be paid.

    Args:
        fit: the posterior of what has been measured.
        candidates: cells to choose from.
        cost: of a cell, given those that will be there by then.
        n, s: where the rate is asked for.
        pending: cells under way.
        k: how many to choose.
        left: what may be spent.
    """
    cells = [*pending, *candidates]
    rate, errors = _rate_and_errors(fit, n, s, cells)
    covariance = np.cov(np.column_stack([rate, errors]).T)
    noise = _noise(fit)
    for i in range(len(pending)):
        covariance = _conditioned(covariance, 1 + i, noise)
    taken, chosen = list(pending), list[Choice]()
    open_ = list(range(len(pending), len(cells)))
    while len(chosen) < k:
        now = float(covariance[0, 0])
        gains = covariance[0, 1:] ** 2 / (np.diag(covariance)[1:] + noise)
        prices = {i: cost(cells[i], taken) for i in open_}
        payable = [i for i in open_ if prices[i] <= left]
        if not payable:
            break
        best = max(payable, key=lambda i: float(gains[i]) / max(prices[i], 1e-12))
        then = max(now - float(gains[best]), 0.0)
        chosen.append(Choice(cells[best], now**0.5, then**0.5, prices[best]))
        taken.append(cells[best])
        left -= prices[best]
        open_.remove(best)
        covariance = _conditioned(covariance, 1 + best, noise)
    return chosen


def _noise(fit: ExchangeFit) -> float:
    """Variance of a run's log error around the expected one: its own noise and luck."""
    sigma2, chosen = fit.noise
    shared = np.array([1 + sum(choice.ratios[:2]) for choice in fit.likelihood.choices])
    return float(np.median(sigma2 * shared[chosen]))


def _conditioned(covariance: Floats, i: int, noise: float) -> Floats:
    across = covariance[i]
    return covariance - np.outer(across, across) / (covariance[i, i] + noise)
