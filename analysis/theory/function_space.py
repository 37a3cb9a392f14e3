"""The reference recursion in the kernel's function space (equations 34, 35), on the samples that a network sees."""

import numpy as np

from analysis.laws import Floats
from analysis.theory.kernel import Spectrum
from analysis.theory.targets import POINTS, Complexes, Samples


def train(of: Spectrum, begin: Complexes, samples: Samples, rate: float, penalty: float) -> tuple[Complexes, Complexes]:
    """Averaged SGD from functions with coefficients `begin`, shape (seeds, modes).

        g <- g - rate ((g(x) - y) k(x, .) + penalty (g - begin))

    Returns the mean of all iterates, the start among them, and the last one; coefficients of e^imt for m >= 0.
    """
    table = np.exp(-2j * np.pi * np.arange(POINTS) / POINTS)
    frequency = of.frequency.astype(np.int64)
    moved = np.zeros_like(begin)
    total = np.zeros_like(begin)
    for at, y in zip(samples.at.T, samples.y.T, strict=True):
        wave = table[np.multiply.outer(at, frequency) % POINTS]
        value = _at(begin + moved, wave, of.weight)
        moved *= 1 - rate * penalty
        moved -= (rate * (value - y))[:, None] * (of.eigenvalue * wave)
        total += moved
    return begin + total / (samples.at.shape[1] + 1), begin + moved


def _at(coefficients: Complexes, wave: Complexes, weight: Floats) -> Floats:
    """Values of real functions at the point whose e^-imt is `wave`, all (seeds, modes) but the weights (modes,)."""
    found: Floats = (coefficients.real * wave.real + coefficients.imag * wave.imag) @ weight
    return found
