"""Exponents fitted to measured errors, over a range that is named before anything is measured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from analysis.laws import Floats


@dataclass(frozen=True)
class Exponent:
    """error ~ x^value over `cells` cells, and the 95 % interval over seeds, nan where the expectation was fitted."""

    value: float
    low: float
    high: float
    cells: int


def upper_half(ladder: Floats) -> NDArray[np.bool_]:
    """Which rungs of a ladder of sizes are fitted: the upper half, the middle one among them; shape of the ladder."""
    chosen: NDArray[np.bool_] = np.arange(ladder.size) >= ladder.size // 2
    return chosen


def half_interval(of_seeds: Floats) -> Floats:
    """Half the 95 % interval, by Student's t, of a mean over seeds, shape (seeds, ...); nan for one seed."""
    seeds = of_seeds.shape[0]
    if seeds == 1:
        return np.full(of_seeds.shape[1:], np.nan)
    half: Floats = student.ppf(0.975, seeds - 1) * of_seeds.std(axis=0, ddof=1) / np.sqrt(seeds)
    return half


def fit_exponents(sizes: Floats, error: Floats) -> list[Exponent]:
    """Least squares of log error on the logs of `sizes`, an exponent a column; seeds are fitted one by one.

    Args:
        sizes: shape (columns, cells), above 0.
        error: shape (seeds, cells), above 0; one seed is an expectation.

    Raises:
        ValueError: fewer cells than two more than the columns.
    """
    columns, cells = sizes.shape
    if cells < columns + 2:
        raise ValueError(f"{cells} cells are too few for {columns} exponents; measure a longer ladder")
    design = np.vstack([np.ones(cells), np.log(sizes)]).T
    found = np.linalg.lstsq(design, np.log(error).T, rcond=None)[0][1:]
    mean, half = found.mean(axis=1), half_interval(found.T)
    return [Exponent(float(m), float(m - h), float(m + h), cells) for m, h in zip(mean, half, strict=True)]
