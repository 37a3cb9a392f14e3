"""Targets of chosen smoothness in the kernel's eigenbasis.

A function is Sigma^r h with h in L2. Here h has coefficients |h_m|^2 = 1 / m, just not summable: the target lies in the
range of Sigma^r' for every r' < r and, cut at the modes that are kept, in that of Sigma^r with a norm that grows as
their logarithm. So a measured exponent is that of r and not of something smoother.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.laws import Floats
from analysis.theory.kernel import Spectrum

Complexes = NDArray[np.complex128]


def smooth_power(of: Spectrum, r: float, norm: float = 1.0) -> Floats:
    """|phi_m|^2 of each mode, shape (modes,), of a target of smoothness r > 0 whose mean square is `norm`."""
    power = of.eigenvalue ** (2 * r) / np.maximum(of.frequency, 1.0)
    scaled: Floats = power * (norm / (power @ of.weight))
    return scaled


def draw(power: Floats, of: Spectrum, rng: np.random.Generator, seeds: int) -> Complexes:
    """Coefficients phi_m with these squares and independent uniform phases, shape (seeds, modes)."""
    phase = rng.uniform(0, 2 * np.pi, (seeds, power.size))
    drawn: Complexes = np.sqrt(power) * np.where(of.frequency == 0, np.sign(np.cos(phase)), np.exp(1j * phase))
    return drawn


def on_grid(coefficients: Complexes, of: Spectrum, points: int) -> Floats:
    """Values at `points` equal steps around the circle, shape (seeds, points); points above twice every frequency."""
    if points <= 2 * of.frequency[-1]:
        raise ValueError(f"{points} points cannot hold frequency {of.frequency[-1]:g}; take more than twice as many")
    placed = np.zeros((coefficients.shape[0], points // 2 + 1), complex)
    placed[:, of.frequency.astype(int)] = coefficients
    values: Floats = np.fft.irfft(placed * points, points)
    return values
