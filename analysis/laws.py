"""The scaling laws of synthetic-to-real transfer: values and gradients.

Equation numbers are those of Mikami et al., "A Scaling Law for Syn2real Transfer: How Much Is Your
Pre-training Effective?" (2021). `n` is the number of synthetic pre-training images, `s` the number of real
fine-tuning images, errors lie in (0, 1].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def law_error(n: ArrayLike, alpha: ArrayLike, C: ArrayLike, D: ArrayLike) -> Floats:
    """Equation (1): error(n) = D n^-alpha + C, with s fixed.

    All arguments broadcast; n > 0. alpha is the pre-training rate, C >= 0 the transfer gap (the error that
    endless rendering would leave), D > 0 the error that one image leaves above the gap.
    """
    return np.asarray(D) * np.asarray(n, float) ** -np.asarray(alpha) + np.asarray(C)


def law_gradient(n: ArrayLike, alpha: float, C: float, D: float) -> Floats:
    """Gradient of equation (1) with respect to (alpha, C, D); shape n.shape + (3,).

    C enters linearly, so the gradient does not depend on it. It is an argument to keep the order of `law_error`.
    """
    sizes = np.asarray(n, float)
    decay = sizes**-alpha
    return np.stack([-D * decay * np.log(sizes), np.ones_like(sizes), decay], axis=-1)


def full_law_error(
    n: ArrayLike,
    s: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
    gamma: ArrayLike,
    delta: ArrayLike,
    E: ArrayLike = 0.0,
) -> Floats:
    """Equation (2), the full law: error(n, s) = delta (gamma + n^-alpha) s^-beta + E; all arguments broadcast.

    E >= 0 is the irreducible error that no amount of real data removes; the paper's law has E = 0.
    """
    decay = np.asarray(n, float) ** -np.asarray(alpha)
    return np.asarray(delta) * (np.asarray(gamma) + decay) * np.asarray(s, float) ** -np.asarray(beta) + np.asarray(E)


def full_law_gradient(n: ArrayLike, s: ArrayLike, alpha: float, beta: float, gamma: float, delta: float) -> Floats:
    """Gradient of equation (2) in (alpha, beta, gamma, delta, E); shape of n and s together + (5,).

    E enters linearly, so the gradient does not depend on it. Drop the last column for the law without E.
    """
    sizes, real = np.broadcast_arrays(np.asarray(n, float), np.asarray(s, float))
    decay, share = sizes**-alpha, real**-beta
    level = delta * (gamma + decay) * share
    return np.stack(
        [
            -delta * decay * np.log(sizes) * share,
            -level * np.log(real),
            delta * share,
            (gamma + decay) * share,
            np.ones_like(level),
        ],
        axis=-1,
    )


@dataclass(frozen=True, eq=False)
class LawSamples:
    """Joint draws of law (1) and of the run noise: arrays of shape (draws,).

    `sigma` is the standard deviation of the log error of a run around the law. `tau`: the discrepancy of each draw
    (`analysis.estimator.posterior`), 0 where the law holds at every size; None from a method that knows of none.
    """

    alpha: Floats
    C: Floats
    D: Floats
    sigma: Floats
    tau: Floats | None = None

    def error(self, n: ArrayLike) -> Floats:
        """Mean error of each draw at each n: shape (draws,) + n.shape."""
        sizes = np.asarray(n, float)
        shape = (-1,) + (1,) * sizes.ndim
        return law_error(sizes, self.alpha.reshape(shape), self.C.reshape(shape), self.D.reshape(shape))

    def n_needed(self, target_error: float | Floats) -> Floats:
        """Smallest n at which each draw's error is `target_error`, one for all or (draws,); inf where C is above it;
        (draws,)."""
        room = target_error - self.C
        with np.errstate(divide="ignore", over="ignore"):
            needed = (self.D / np.maximum(room, 0.0)) ** (1.0 / self.alpha)
        return np.where(room > 0, needed, np.inf)


@dataclass(frozen=True)
class TrueLaw:
    """A law (1) that is known: alpha > 0, C >= 0, D > 0, and sigma > 0, the sd of a run's log error."""

    alpha: float
    C: float
    D: float
    sigma: float

    def error(self, n: ArrayLike) -> Floats:
        """Mean error at n, any shape."""
        return law_error(n, self.alpha, self.C, self.D)

    def observed(self, n: ArrayLike, noise: ArrayLike) -> Floats:
        """Errors of runs at n, whose log errors are off by `noise`, standard normal, times sigma; none exceeds 1."""
        return np.minimum(self.error(n) * np.exp(self.sigma * np.asarray(noise)), 1.0)
