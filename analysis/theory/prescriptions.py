"""What appendix E prescribes and promises: penalties, learning rates, and the exponents of its bounds.

R0 is the pre-trained network's mean squared error on phi_0, T0 and T1 are the steps of pre-training and fine-tuning,
r0 and r1 the smoothness of phi_0 and phi_1, xi the decay of the kernel's eigenvalues, eta1 = T1^-zeta in units of the
largest learning rate. Constants before the powers are 1, of the learning rate 1 / (2 k(x, x)).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.laws import Floats


def pretraining_exponent(r0: float, xi: float) -> float:
    """R0 falls at least as T0 to minus this."""
    return 2 * r0 * xi / (2 * r0 * xi + 1)


def pretraining_penalty(T0: ArrayLike, r0: float, xi: float) -> Floats:
    """lambda_0 at each T0."""
    return np.asarray(T0, float) ** (-xi / (2 * r0 * xi + 1))


@dataclass(frozen=True)
class Case:
    """One line of the table of bounds, with values of zeta, r0, r1 and xi that it admits."""

    name: Literal["I-A", "I-B", "II-A", "II-B"]
    r0: float
    r1: float
    xi: float
    zeta: float

    @property
    def r(self) -> float:
        """The smoothness that counts: the lesser of the two."""
        return min(self.r0, self.r1)

    @property
    def exponents(self) -> tuple[float, float]:
        """(p, q): the bound is T1^-p R0^q."""
        p, q = self.penalty_exponents
        return 2 * self.r * p, 2 * self.r * q

    @property
    def penalty_exponents(self) -> tuple[float, float]:
        """(p, q): lambda_1 = T1^-p R0^q."""
        if self.name in ("I-A", "I-B"):
            return (1 - self.zeta) / (self.r + 1), 1 / (2 * self.r + 2)
        return 1 / (2 * self.r + 1), 1 / (2 * self.r + 1)

    def penalty(self, T1: ArrayLike, R0: ArrayLike) -> Floats:
        """lambda_1 at T1 and R0, which broadcast."""
        p, q = self.penalty_exponents
        return np.asarray(T1, float) ** -p * np.asarray(R0, float) ** q

    def bound(self, T1: ArrayLike, R0: ArrayLike) -> Floats:
        """The bound without its constant at T1 and R0, which broadcast."""
        p, q = self.exponents
        return np.asarray(T1, float) ** -p * np.asarray(R0, float) ** q

    def check(self) -> None:
        """ValueError where the case does not admit these values."""
        r0, r1, xi, zeta = self.r0, self.r1, self.xi, self.zeta
        turn = self.r / (2 * self.r + 1)
        steep = ((2 * r1 - r0) * xi + 1 - xi) / (2 * r1 * xi + 1)
        smooth = 0.5 <= r0 <= 1 and 0.5 <= r1 <= 1 and xi > 1
        admitted = {
            "I-A": r0 >= r1 and turn <= zeta < 1,
            "I-B": r1 > r0 and max(turn, steep) <= zeta < 1,
            "II-A": r0 >= r1 and 0 < zeta <= turn,
            "II-B": r0 < r1 <= r0 + (xi - 1) / (2 * xi) and 0 < zeta <= turn,
        }[self.name]
        if not (smooth and admitted):
            raise ValueError(f"case {self.name} does not admit r0 {r0:g}, r1 {r1:g}, xi {xi:g}, zeta {zeta:g}")
