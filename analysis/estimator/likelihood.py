"""The likelihood of a law given the runs of one arm: their density in log error, with runs of one size gathered.

The noise of run i is N(0, sigma^2 + v_i). Runs at one n share the law's error and its discrepancy b(n) (the posterior
module has the whole model), so the sufficient statistics of a normal mean stand for them. The cost of a fit grows with
the number of sizes, not of runs. With w_i = 1 / (sigma^2 + v_i) over the runs at n, W their sum and y the mean of their
log errors weighted by w, the density of these runs is exactly that of one run y with noise N(0, 1 / W), times

    W^-1/2 prod_i w_i^1/2 exp(-1/2 sum_i w_i (log e_i - y)^2),

which depends on sigma and not on the law.

Where runs share blocks (a seed, a choice of photographs), the runs of a block have a share of sigma^2 in common. They
are then not gathered: each run is a size of its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.estimator.prior import Noise
from analysis.laws import Floats

# Up to this many sizes the quadratic form is cheaper through all products of residuals.
_FEW_SIZES = 16


@dataclass(frozen=True, eq=False)
class ArmData:
    """An arm as the posterior sees it, its runs gathered by size.

    `x` (sizes,): log n - log n_ref; `y` (sizes,): mean log error there. Of each run, shape (runs,): `size`, the place
    of its n in x; `off`, its log error less that mean; `v`, its known variance. `discrepancy` (sizes, sizes):
    covariance of b for tau = 1. `together` (sizes, sizes): 1 where two different runs share a block, else 0; None where
    none do.
    """

    x: Floats
    y: Floats
    size: np.ndarray
    off: Floats
    v: Floats
    log_n_ref: float
    discrepancy: Floats
    together: Floats | None = None

    @property
    def repeats(self) -> bool:
        """Whether a size was run more than once."""
        return self.size.size > self.x.size


@dataclass(frozen=True, eq=False)
class Weights:
    """For each noise pair: the sizes' precision matrix (L, sizes, sizes), its row sums, and the log density of the runs
    without the misfit of the sizes' means (L,).

    `shift` (L, sizes): from `ArmData.y` to the mean as the pair weights it; None where every run counts alike.
    """

    precision: Floats
    sums: Floats
    log_scale: Floats
    shift: Floats | None


def arm_data(n: Floats, error: Floats, log_variance: Floats, block: NDArray[np.intp] | None = None) -> ArmData:
    """Log coordinates of checked observations; arrays of shape (runs,)."""
    log_n, log_error = np.log(n), np.log(error)
    if block is not None:
        every, log_n_ref = np.arange(n.size), float(log_n.mean())
        together = np.equal.outer(block, block) - np.eye(n.size)
        off, walk = np.zeros(n.size), discrepancy(log_n)
        return ArmData(log_n - log_n_ref, log_error, every, off, log_variance, log_n_ref, walk, together)
    log_n_ref = log_n.mean()
    _, first, size = np.unique(n, return_index=True, return_inverse=True)
    # Without repeats the runs keep the order given.
    if first.size == n.size:
        first = size = np.arange(n.size)
    mean = np.bincount(size, weights=log_error) / np.bincount(size)
    log_n = log_n[first]
    off = log_error - mean[size]
    return ArmData(log_n - log_n_ref, mean, size, off, log_variance, float(log_n_ref), discrepancy(log_n))


def discrepancy(log_n: Floats) -> Floats:
    """Covariance of b for tau = 1 between sizes (sizes,), the largest of which has none; (sizes, sizes)."""
    below = log_n.max() - log_n
    near, far = np.minimum.outer(below, below), np.maximum.outer(below, below)
    walk: Floats = near**3 * (near**2 - 5 * near * far + 10 * far**2) / 120
    return walk


def weigh(data: ArmData, noise: Noise) -> Weights:
    """The weights of an arm's runs under each noise pair."""
    own = np.exp(2 * noise.log_sigma)[:, None] + data.v
    within, shift = np.zeros(noise.tau.size), None
    if data.repeats:
        own, within, shift = _gather(data, own)
    covariance = noise.tau[:, None, None] ** 2 * data.discrepancy
    at = np.arange(data.x.size)
    covariance[:, at, at] += own
    if data.together is not None:
        covariance += (noise.shared * np.exp(2 * noise.log_sigma))[:, None, None] * data.together
    root = np.linalg.cholesky(covariance)
    precision = np.linalg.inv(covariance).astype(np.float64)
    half_log_det = -np.log(root[:, at, at]).sum(axis=1)
    return Weights(precision, precision.sum(axis=1), half_log_det + within, shift)


def _gather(data: ArmData, own: Floats) -> tuple[Floats, Floats, Floats | None]:
    """Runs of the variances `own` (L, runs), size by size: variance of each mean (L, sizes), log density of the runs
    about their means (L,), and `Weights.shift`."""
    at_size = (data.size[:, None] == np.arange(data.x.size)).astype(float)
    weight = 1 / own
    total = weight @ at_size
    shift = (weight * data.off) @ at_size / total if np.ptp(data.v) else None
    off = data.off if shift is None else data.off - shift[:, data.size]
    within = 0.5 * (np.log(weight) - weight * off**2).sum(axis=1) - 0.5 * np.log(total).sum(axis=1)
    return 1 / total, within, shift


def misfit(residual: Floats, weights: Weights) -> tuple[Floats, Floats]:
    """Of `ArmData.y` less a law's log errors (..., sizes), for each pair (..., L): the weighted sum and the quadratic
    form."""
    first, form = residual @ weights.sums.T, _quadratic(residual, weights.precision)
    if weights.shift is None:
        return first, form
    pull = np.einsum("lij,lj->li", weights.precision, weights.shift)
    return first + pull.sum(axis=1), form + 2 * residual @ pull.T + (pull * weights.shift).sum(axis=1)


def _quadratic(residual: Floats, precision: Floats) -> Floats:
    """residual' precision residual; (..., sizes) and (L, sizes, sizes) to (..., L)."""
    sizes = residual.shape[-1]
    if sizes > _FEW_SIZES:
        flat = residual.reshape(-1, sizes)
        forms = [((flat @ each) * flat).sum(axis=1) for each in precision]
        return np.stack(forms, axis=-1).reshape(*residual.shape[:-1], -1)
    i, j = np.triu_indices(sizes)
    twice = np.where(i == j, 1.0, 2.0)
    return (residual[..., i] * residual[..., j]) @ (precision[:, i, j] * twice).T
