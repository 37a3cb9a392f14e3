"""The robust likelihood: now and then a run is an outlier, and which ones is inferred together with the law.

With probability `Prior.outlier_share` a run is an outlier: its log error has, besides the noise of every run, one of
standard deviation OUTLIER_SD, so that it says nearly nothing of the law (a contaminated normal; Box and Tiao 1968). The
posterior averages over the sets of outliers that matter, found by Occam's window (Madigan and Raftery 1994): begin with
none, add one run at a time to each set that is kept, keep those within WINDOW of the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.likelihood import ArmData
from analysis.posterior import Grid, Part, fit_grids
from analysis.prior import Prior

# Of the log error: a training that went wrong is off by tens of per cent, not by the noise of a good one.
OUTLIER_SD = 0.5
# In log posterior: sets 1,000 times less probable than the best are left out.
WINDOW = 7.0
# More outliers than this are no outliers but another law.
LARGEST_SHARE = 1 / 3


def outlier_parts(data: ArmData, prior: Prior) -> list[Part]:
    """Every part of an arm's posterior: each set of outliers that matters, under each of the prior's noises.

    `prior.outlier_share` above 0. The number of fits grows with the runs times the sets that are kept.
    """
    runs = data.size.size
    found = {frozenset[int](): _log_mass(data, frozenset(), prior)}
    newest = list(found)
    for _ in range(int(runs * LARGEST_SHARE)):
        wider = {known | {run} for known in newest for run in range(runs) if run not in known}
        tried = {outliers: _log_mass(data, outliers, prior) for outliers in wider}
        best = max(*found.values(), *tried.values())
        newest = [outliers for outliers, mass in tried.items() if mass > best - WINDOW]
        found |= {outliers: tried[outliers] for outliers in newest}
        if not newest:
            break
    best = max(found.values())
    kept = sorted((sorted(outliers) for outliers, mass in found.items() if mass > best - WINDOW))
    return [part for outliers in kept for part in _parts(data, outliers, prior)]


def outlier_chances(grids: Sequence[Grid]) -> np.ndarray:
    """The probability of each run to be an outlier, in the order given; shape (runs,)."""
    totals = np.array([grid.total() for grid in grids])
    shares = np.exp(totals - np.logaddexp.reduce(totals))
    chances = np.zeros(grids[0].part.data.size.size)
    for grid, share in zip(grids, shares, strict=True):
        chances[list(grid.part.outliers)] += share
    return chances


def _log_mass(data: ArmData, outliers: frozenset[int], prior: Prior) -> float:
    totals = [grid.total() for grid in fit_grids(_parts(data, sorted(outliers), prior), prior)]
    return float(np.logaddexp.reduce(totals))


def _parts(data: ArmData, outliers: Sequence[int], prior: Prior) -> list[Part]:
    is_outlier = np.isin(np.arange(data.size.size), outliers)
    told = replace(data, v=data.v + OUTLIER_SD**2 * is_outlier)
    log_prior = float(np.log(np.where(is_outlier, prior.outlier_share, 1 - prior.outlier_share)).sum())
    return [
        Part(told, replace(noise, log_weight=noise.log_weight + log_prior), tuple(outliers)) for noise in prior.noise()
    ]
