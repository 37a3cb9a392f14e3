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
    any number of images would leave), D > 0 the error that one image leaves above the gap.
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
class Bend:
    """How draws leave the law beyond the largest size `last` that was run.

    A law that goes wrong below that size by a discrepancy tau goes wrong beyond it too, half as fast: by
    tau q^2.5 / 80^0.5 times `toss`, a standard normal of each draw (draws,), in log error at q = log(n / last). `scale`
    (draws,): tau / 80^0.5. Beyond `reach`, the log range of the sizes run, it stays as it is: so far does tau say how
    fast the law goes wrong. Small n may lie before the law's region, which large n does not: of hidden runs of the
    recorded curves (`analysis.evidence.selection`) bands of 90 % hold 94 to 95 % with half, 96 to 97 % with the whole
    and up to 1.7 times as wide.
    """

    scale: Floats
    toss: Floats
    last: float
    reach: float

    def at(self, n: ArrayLike) -> Floats:
        """Log error over the law's; shape (draws,) + n.shape."""
        sizes = np.asarray(n, float)
        away = np.clip(np.log(sizes / self.last), 0.0, self.reach) ** 2.5
        return (self.scale * self.toss).reshape((-1,) + (1,) * sizes.ndim) * away

    def sizes(self) -> Floats:
        """Sizes from `last` to where it stays as it is."""
        return self.last * np.exp(np.linspace(0.0, self.reach, 65))


@dataclass(frozen=True, eq=False)
class LawSamples:
    """Joint draws of law (1) and of the run noise: arrays of shape (draws,).

    `sigma` is the standard deviation of the log error of a run around the law. `tau`: the discrepancy of each draw
    (`analysis.estimator.posterior`), 0 where the law holds at every size; None from a method that knows of none. D is 0
    where the error falls no further. `bend`: how each draw leaves the law beyond the runs, None where none does.
    `stop`: the n at which the law of each draw ends and the error stays, inf where it does not; None where none does.
    """

    alpha: Floats
    C: Floats
    D: Floats
    sigma: Floats
    tau: Floats | None = None
    bend: Bend | None = None
    stop: Floats | None = None

    def error(self, n: ArrayLike) -> Floats:
        """Mean error of each draw at each n: shape (draws,) + n.shape."""
        sizes = np.asarray(n, float)
        shape = (-1,) + (1,) * sizes.ndim
        if self.stop is not None:
            sizes = np.minimum(sizes, self.stop.reshape(shape))
        law = law_error(sizes, self.alpha.reshape(shape), self.C.reshape(shape), self.D.reshape(shape))
        return law if self.bend is None else law * np.exp(self.bend.at(n))

    def n_needed(self, target_error: float | Floats) -> Floats:
        """Smallest n at which each draw's error is `target_error`, one for all or (draws,); inf where it never is;
        (draws,)."""
        needed = self._on_law(target_error)
        if self.bend is None:
            return needed
        sizes = self.bend.sizes()
        target = np.broadcast_to(np.asarray(target_error, float), needed.shape)
        reached = self.error(sizes) <= target[:, None]
        met = sizes[reached.argmax(axis=1)]
        beyond = self._on_law(target / np.exp(self.bend.at(sizes[-1])))
        bent = np.where(reached.any(axis=1), met, beyond)
        return np.where((needed <= self.bend.last) | (self.bend.scale == 0), needed, bent)

    def gap(self) -> Floats:
        """The error that any number of images would leave; (draws,)."""
        return self.limit if self.bend is None else self.limit * np.exp(self.bend.at(self.bend.sizes()[-1]))

    @property
    def limit(self) -> Floats:
        """C, or where the law ends its error there; (draws,)."""
        return self.C if self.stop is None else law_error(self.stop, self.alpha, self.C, self.D)

    def _on_law(self, target_error: float | Floats) -> Floats:
        room = target_error - self.C
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            needed = (self.D / np.maximum(room, 0.0)) ** (1.0 / self.alpha)
        needed = np.where(room > 0, needed, np.inf)
        return needed if self.stop is None else np.where(needed <= self.stop, needed, np.inf)


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
