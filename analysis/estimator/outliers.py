"""The robust likelihood: some runs may be outliers, and the posterior infers which together with the law.

With probability `Prior.outlier_share` a run is an outlier: a second noise of standard deviation OUTLIER_SD is added to
its log error, so that it hardly informs the law (a contaminated normal; Box and Tiao 1968). The posterior averages over
the sets of outliers that have weight, found by Occam's window (Madigan and Raftery 1994): begin with the empty set, add
one run at a time to each set that is kept, and keep the sets within WINDOW of the best.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.estimator.likelihood import ArmData
from analysis.estimator.posterior import Grid, Part, arm_parts, best_law, fit_grids
from analysis.estimator.prior import Prior
from analysis.laws import Floats

# Of the log error. A training that failed is off by tens of per cent, far more than the noise of a sound one.
OUTLIER_SD = 0.5
# In log posterior. Sets 20 times less probable than the best are left out (Madigan and Raftery's figure).
WINDOW = 3.0
# To each set at most so many runs are added in turn: those furthest from the law fitted with that set.
MOST_TRIED = 10
# A larger share of outliers means that the law does not describe the runs.
LARGEST_SHARE = 1 / 3


def outlier_parts(data: ArmData, prior: Prior) -> list[Part]:
    """Every part of an arm's posterior: each set of outliers that matters, under each of the prior's noises.

    `prior.outlier_share` above 0. At most MOST_TRIED fits for each set that is kept.
    """
    found = {frozenset[int](): _fitted(data, frozenset(), prior)}
    newest = list(found)
    for _ in range(int(data.size.size * LARGEST_SHARE)):
        wider = {known | {run} for known in newest for run in _furthest(data, found[known].residual, known)}
        tried = {outliers: _fitted(data, outliers, prior) for outliers in wider}
        best = max(each.log_mass for each in (*found.values(), *tried.values()))
        newest = [outliers for outliers, each in tried.items() if each.log_mass > best - WINDOW]
        found |= {outliers: tried[outliers] for outliers in newest}
        if not newest:
            break
    best = max(each.log_mass for each in found.values())
    kept = sorted(sorted(outliers) for outliers, each in found.items() if each.log_mass > best - WINDOW)
    return [part for outliers in kept for part in _parts(data, outliers, prior)]


def outlier_chances(grids: Sequence[Grid]) -> np.ndarray:
    """The probability of each run to be an outlier, in the order given; shape (runs,)."""
    totals = np.array([grid.total() for grid in grids])
    shares = np.exp(totals - np.logaddexp.reduce(totals))
    chances = np.zeros(grids[0].part.data.size.size)
    for grid, share in zip(grids, shares, strict=True):
        chances[list(grid.part.outliers)] += share
    return chances


@dataclass(frozen=True, eq=False)
class _Fitted:
    """One set of outliers: its log posterior, and how far each run's log error is from the likeliest law (runs,)."""

    log_mass: float
    residual: Floats


def _fitted(data: ArmData, outliers: frozenset[int], prior: Prior) -> _Fitted:
    grids = fit_grids(_parts(data, sorted(outliers), prior), prior)
    totals = [grid.total() for grid in grids]
    law = best_law(grids[int(np.argmax(totals))])
    away = (data.y - law)[data.size] + data.off
    rest = [run for run in range(away.size) if run not in outliers]
    return _Fitted(float(np.logaddexp.reduce(totals)), away - float(np.median(away[rest])))


def _furthest(data: ArmData, residual: Floats, known: frozenset[int]) -> list[int]:
    order = np.argsort(-np.abs(residual), kind="stable").tolist()
    return [run for run in order if run not in known][:MOST_TRIED]


def _parts(data: ArmData, outliers: Sequence[int], prior: Prior) -> list[Part]:
    is_outlier = np.isin(np.arange(data.size.size), outliers)
    told = replace(data, v=data.v + OUTLIER_SD**2 * is_outlier)
    log_prior = float(np.log(np.where(is_outlier, prior.outlier_share, 1 - prior.outlier_share)).sum())
    return arm_parts(told, prior, tuple(outliers), log_prior)
