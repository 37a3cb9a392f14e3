"""The neural tangent kernel of the network (equation 10) on the circle, where its eigenfunctions are Fourier's.

Of b uniform on the circle and a = +-1 the kernel of two angles is a function of their difference,

    k(t, t') = E s(t - b) s(t' - b) + cos(t - t') E q(t - b) q(t' - b),   s(t) = sigma(cos t), q(t) = sigma'(cos t),

so that the eigenvalue of e^imt is |s_m|^2 + (|q_(m-1)|^2 + |q_(m+1)|^2) / 2 of the Fourier coefficients of s and q.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.laws import Floats
from analysis.theory.activations import Activation

# Points of the quadrature. A jump in q costs a relative (m / points)^2 of its coefficient m.
_POINTS = 1 << 17
# Smaller eigenvalues, as a share of the largest, are rounding: those of odd frequencies of a ReLU are 0.
_ROUNDING = 1e-26


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a kernel on the circle; all arrays of shape (modes,).

    `frequency`: m >= 0, rising. `eigenvalue`: that of e^imt, above 0. `weight`: how many eigenfunctions have it, 1 for
    m = 0 and 2 (cosine and sine) else; sums over all functions are sums over modes with this weight. `peak`: k(t, t).
    """

    frequency: Floats
    eigenvalue: Floats
    weight: Floats
    peak: float


def spectrum(activation: Activation, frequencies: int = 1024, at: Floats | None = None) -> Spectrum:
    """The kernel's eigenvalues at frequencies below `frequencies`, without those that are 0, or `at` the ones named."""
    eigenvalue, peak = _eigenvalues(activation, frequencies)
    m = np.flatnonzero(eigenvalue > _ROUNDING * eigenvalue.max()) if at is None else at.astype(int)
    return Spectrum(m.astype(float), eigenvalue[m], np.where(m == 0, 1.0, 2.0), peak)


@cache
def _eigenvalues(activation: Activation, frequencies: int) -> tuple[Floats, float]:
    """Those at every frequency below `frequencies`, and k(t, t)."""
    angle = (np.arange(_POINTS) + 0.5) * (2 * np.pi / _POINTS)
    value, slope = activation.value(np.cos(angle)), activation.slope(np.cos(angle))
    squared = np.abs(np.fft.rfft([value, slope])[:, : frequencies + 1] / _POINTS) ** 2
    below = np.abs(np.arange(frequencies) - 1)
    eigenvalue = squared[0, :frequencies] + (squared[1, below] + squared[1, 1:]) / 2
    return eigenvalue, float(np.mean(value**2) + np.mean(slope**2))


def kernel(of: Spectrum, difference: Floats) -> Floats:
    """k(t, t') at differences t - t' of any shape, from the eigenvalues."""
    waves = np.cos(np.multiply.outer(difference, of.frequency))
    values: Floats = waves @ (of.weight * of.eigenvalue)
    return values


def decay(of: Spectrum, first: int, last: int) -> float:
    """xi: eigenvalue number l, counted from 1 and falling, falls as l^-xi between numbers `first` and `last`.

    Raises ValueError where the spectrum has no `last` eigenvalues.
    """
    falling = np.sort(np.repeat(of.eigenvalue, of.weight.astype(int)))[::-1]
    if falling.size < last:
        raise ValueError(f"the spectrum has {falling.size} eigenvalues, not {last}; ask for more frequencies")
    number = np.arange(first, last + 1)
    return -float(np.polyfit(np.log(number), np.log(falling[number - 1]), 1)[0])
