"""Activations of the two-layer network, and how fast the eigenvalues of their kernels fall on the circle."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.laws import Floats


@dataclass(frozen=True)
class Activation:
    """sigma and its derivative, both of arrays of any shape.

    `xi`: eigenvalue number l of the kernel on the circle falls as l^-xi; inf where it falls faster than any power.
    """

    name: str
    value: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]
    xi: float


def _positive(u: Floats) -> Floats:
    return np.maximum(u, 0.0)


def _logistic(u: Floats) -> Floats:
    half: Floats = 0.5 * (1.0 + np.tanh(0.5 * u))
    return half


# A kink of order p at 0, max(u, 0)^p: the Fourier coefficients of the derivative fall as m^-p, eigenvalues as m^-2p.
RELU = Activation("relu", _positive, lambda u: (u > 0).astype(float), 2.0)
POWER = Activation("relu^1.5", lambda u: _positive(u) ** 1.5, lambda u: 1.5 * np.sqrt(_positive(u)), 3.0)
SQUARE = Activation("relu^2", lambda u: _positive(u) ** 2, lambda u: 2 * _positive(u), 4.0)
TANH = Activation("tanh", np.tanh, lambda u: 1.0 - np.tanh(u) ** 2, np.inf)
SOFTPLUS = Activation("softplus", lambda u: np.logaddexp(0.0, u), _logistic, np.inf)


def rounded(corner: float) -> Activation:
    """ReLU with a parabola for its corner on (0, corner), 0 < corner < 1; at the kinks it is as smooth as relu^2."""
    return Activation(
        f"rounded relu {corner:g}",
        lambda u: np.where(u < corner, _positive(u) ** 2 / (2 * corner), u - corner / 2),
        lambda u: np.clip(u / corner, 0.0, 1.0),
        4.0,
    )
