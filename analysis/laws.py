"""The scaling laws of synthetic-to-real transfer: values and gradients.

Equation numbers are those of Mikami et al., "A Scaling Law for Syn2real Transfer: How Much Is Your
Pre-training Effective?" (2021). `n` is the number of synthetic pre-training images, `s` the number of real
fine-tuning images, errors lie in (0, 1].
"""

from __future__ import annotations

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

    C enters linearly, so its value does not appear; it is taken to keep one argument order with `law_error`.
    """
    sizes = np.asarray(n, float)
    decay = sizes**-alpha
    return np.stack([-D * decay * np.log(sizes), np.ones_like(sizes), decay], axis=-1)


def full_law_error(
    n: ArrayLike, s: ArrayLike, alpha: ArrayLike, beta: ArrayLike, gamma: ArrayLike, delta: ArrayLike
) -> Floats:
    """Equation (2), the full law: error(n, s) = delta (gamma + n^-alpha) s^-beta; all arguments broadcast."""
    decay = np.asarray(n, float) ** -np.asarray(alpha)
    return np.asarray(delta) * (np.asarray(gamma) + decay) * np.asarray(s, float) ** -np.asarray(beta)


def power_law_error(n: ArrayLike, alpha: ArrayLike, D: ArrayLike) -> Floats:
    """The pure power law error(n) = D n^-alpha: equation (1) with no transfer gap (C = 0)."""
    return law_error(n, alpha, 0.0, D)


@dataclass(frozen=True, eq=False)
class LawSamples:
    """Joint draws of law (1) and of the run noise: four arrays of shape (draws,).

    `sigma` is the standard deviation of the log error of a run around the law.
    """

    alpha: Floats
    C: Floats
    D: Floats
    sigma: Floats

    def error(self, n: ArrayLike) -> Floats:
        """Mean error of each draw at each n: shape (draws,) + n.shape."""
        sizes = np.asarray(n, float)
        shape = (-1,) + (1,) * sizes.ndim
        return law_error(sizes, self.alpha.reshape(shape), self.C.reshape(shape), self.D.reshape(shape))

    def n_needed(self, target_error: float) -> Floats:
        """Smallest n at which each draw's error is `target_error`, inf where C is above it; (draws,)."""
        room = target_error - self.C
        with np.errstate(divide="ignore", over="ignore"):
            needed = (self.D / np.maximum(room, 0.0)) ** (1.0 / self.alpha)
        return np.where(room > 0, needed, np.inf)
