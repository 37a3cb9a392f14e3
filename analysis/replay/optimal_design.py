"""The best possible design: the variance of alpha and C at the true law, and the design that makes it least.

A run at n measures log error(n) with noise sigma, so a design with sizes n_1 ... n_N has the Fisher information
M = sum_i g(n_i) g(n_i)' / sigma^2, g the gradient of log error in (alpha, C, D), and no unbiased estimator has a
smaller covariance than M^-1 (Cramer and Rao). A criterion is a weight on the variance of each value; the locally
optimal design makes tr(A M^-1) least, A the diagonal matrix of the weights (Pukelsheim, "Optimal Design of
Experiments", 1993, chapter 9). It depends on the true law, so no policy can find it: it is a bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.laws import Floats, TrueLaw, law_gradient

Counts = NDArray[np.int_]

_STARTS = 12
# Added to the information, relative to its trace, so that designs of one or two sizes have a (huge) variance.
_RIDGE = 1e-12


@dataclass(frozen=True)
class Criterion:
    """What a design is to make small: the variances of alpha and of C with these weights."""

    alpha: float
    C: float


def relative(law: TrueLaw) -> Criterion:
    """The variances relative to the squares of alpha and C."""
    return Criterion(law.alpha**-2, law.C**-2)


GAP = Criterion(0.0, 1.0)


def variance(n: Sequence[float] | Floats, law: TrueLaw, criterion: Criterion) -> float:
    """The weighted sum of variances for runs at these sizes, shape (runs,); inf for fewer than three sizes."""
    sizes = np.asarray(n, float)
    if np.unique(sizes).size < 3:
        return float("inf")
    seen = _looks(sizes, law)
    return float(_value(seen.T @ seen, criterion))


def bound(candidates: Sequence[float], law: TrueLaw, criterion: Criterion, runs: float = 1.0) -> float:
    """The least variance that `runs` runs at these sizes can have, runs being divisible; per run by default."""
    sizes = np.asarray(candidates, float)
    seen = _looks(sizes, law)
    return float(_value(_information(seen, _divisible(seen, criterion)[0]), criterion)) / runs


def best_design(candidates: Sequence[float], runs: int, law: TrueLaw, criterion: Criterion) -> Floats:
    """The sizes, in order, of the locally optimal design of `runs` >= 3 whole runs.

    The best divisible designs are rounded, then runs are moved one at a time for as long as that helps.
    """
    if runs < 3:
        raise ValueError(f"runs is {runs}; three unknowns need at least 3")
    sizes = np.asarray(candidates, float)
    seen = _looks(sizes, law)
    ends = [_exchange(seen, _round(weights, runs), criterion) for weights in _divisible(seen, criterion)[:_STARTS]]
    counts, _ = min(ends, key=lambda end: end[1])
    return np.repeat(sizes, counts)


def _exchange(seen: Floats, counts: Counts, criterion: Criterion) -> tuple[Counts, float]:
    """Move single runs to where they help most, until none does (Fedorov 1972); the counts and their value."""
    products = seen[:, :, None] * seen[:, None, :]
    best = float(_value(_information(seen, counts), criterion))
    while True:
        held = np.flatnonzero(counts)
        moved = _information(seen, counts) - products[held][:, None] + products[None, :]
        values = _value(moved, criterion)
        start, end = np.unravel_index(values.argmin(), values.shape)
        if not values[start, end] < best * (1 - 1e-9):
            return counts, best
        counts = counts.copy()
        counts[held[start]] -= 1
        counts[end] += 1
        best = float(values[start, end])


def _looks(sizes: Floats, law: TrueLaw) -> Floats:
    """Gradient of log error over sigma at each size, shape (sizes, 3); D's column is for log D."""
    gradient = law_gradient(sizes, law.alpha, law.C, law.D) * np.array([1.0, 1.0, law.D])
    looks: Floats = gradient / law.error(sizes)[:, None] / law.sigma
    return looks


def _information(seen: Floats, weights: Floats | Counts) -> Floats:
    return (seen * weights[:, None]).T @ seen


def _value(information: Floats, criterion: Criterion) -> Floats:
    """tr(A M^-1) for matrices of shape (..., 3, 3), by cofactors; inf where M is singular."""
    m = information + _RIDGE * np.trace(information, axis1=-2, axis2=-1)[..., None, None] * np.eye(3)
    of_alpha = m[..., 1, 1] * m[..., 2, 2] - m[..., 1, 2] ** 2
    of_gap = m[..., 0, 0] * m[..., 2, 2] - m[..., 0, 2] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (criterion.alpha * of_alpha + criterion.C * of_gap) / np.linalg.det(m)
    return np.where(value > 0, value, np.inf)


def _divisible(seen: Floats, criterion: Criterion) -> Floats:
    """Shares of the runs in the divisible designs on three sizes, the best first; shape (designs, sizes).

    On three sizes M^-1 = F^-1 W^-1 F^-T, so the criterion is sum_i b_i / w_i, least at w_i proportional to
    sqrt(b_i): (sum_i sqrt(b_i))^2, and every three sizes can be tried. The law's gradients are a Chebyshev system,
    for which three sizes are enough (a test holds this against the general equivalence theorem).
    """
    chosen = np.array(list(combinations(range(len(seen)), 3)))
    inverse = np.linalg.inv(seen[chosen])
    roots = np.sqrt(criterion.alpha * inverse[:, 0] ** 2 + criterion.C * inverse[:, 1] ** 2)
    order = roots.sum(axis=1).argsort()
    weights = np.zeros((len(chosen), len(seen)))
    np.put_along_axis(weights, chosen[order], roots[order] / roots[order].sum(axis=1, keepdims=True), axis=1)
    return weights


def _round(weights: Floats, runs: int) -> Counts:
    """Whole runs: the integer parts, then the largest remainders; at least three sizes."""
    weights = weights.copy()
    weights[np.argsort(weights)[-3:]] += 1e-6
    counts = np.floor(weights / weights.sum() * runs).astype(int)
    order = np.argsort(counts - weights * runs, kind="stable")
    counts[order[: runs - counts.sum()]] += 1
    return counts
