"""Targets of chosen smoothness in the kernel's eigenbasis, and noiseless samples of them.

A function is Sigma^r h with h in L2. Here h has coefficients |h_m|^2 = 1 / m, just not summable: the target lies in the
range of Sigma^r' for every r' < r and, cut at the modes that are kept, in that of Sigma^r with a norm that grows as
their logarithm. So a measured exponent is that of r and not of something smoother. With a `spread` above 1 in place of
it, |h_m|^2 = m^-spread, h is summable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.laws import Floats
from analysis.theory.kernel import Spectrum

Complexes = NDArray[np.complex128]

# Samples are uniform over so many equal steps around the circle, which no frequency below half of it can tell.
POINTS = 1 << 13


def smooth_power(of: Spectrum, r: float, norm: float = 1.0, spread: float = 1.0) -> Floats:
    """|phi_m|^2 of each mode, shape (modes,), of a target of smoothness r > 0 whose mean square is `norm`."""
    power = of.eigenvalue ** (2 * r) / np.maximum(of.frequency, 1.0) ** spread
    scaled: Floats = power * (norm / (power @ of.weight))
    return scaled


def draw(power: Floats, of: Spectrum, rng: np.random.Generator, seeds: int) -> Complexes:
    """Coefficients phi_m with these squares and independent uniform phases, shape (seeds, modes)."""
    phase = rng.uniform(0, 2 * np.pi, (seeds, power.size))
    drawn: Complexes = np.sqrt(power) * np.where(of.frequency == 0, np.sign(np.cos(phase)), np.exp(1j * phase))
    return drawn


def on_grid(coefficients: Complexes, of: Spectrum) -> Floats:
    """Values at POINTS equal steps around the circle, shape (seeds, POINTS)."""
    placed = np.zeros((coefficients.shape[0], POINTS // 2 + 1), complex)
    placed[:, of.frequency.astype(int)] = coefficients
    values: Floats = np.fft.irfft(placed * POINTS, POINTS)
    return values


@dataclass(frozen=True, eq=False)
class Samples:
    """Fresh samples in their order and the target's values: `at`, steps around the circle, and `y`, (seeds, T)."""

    at: NDArray[np.int64]
    y: Floats

    def steps(self) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Cosine, sine, each (seeds, 1), and target (seeds,) of one sample after another."""
        angle = np.arange(POINTS) * (2 * np.pi / POINTS)
        cosine, sine = np.cos(angle), np.sin(angle)
        for at, y in zip(self.at.T, self.y.T, strict=True):
            yield cosine[at][:, None], sine[at][:, None], y


def fresh(target: Floats, steps: int, rng: np.random.Generator) -> Samples:
    """Samples of targets given at POINTS steps around the circle, shape (seeds, POINTS)."""
    at = rng.integers(0, POINTS, (target.shape[0], steps))
    return Samples(at, np.take_along_axis(target, at, axis=1))
