"""The expected error of averaged SGD in the kernel's function space, without drawing a sample.

Equations 34 and 35: from a start g_0, with one fresh sample x a step and u = g - g_0,

    u <- (1 - eta lambda) u - eta (u(x) - h(x)) k(x, .),      h = target - g_0,      u_0 = 0.

On the circle e^imx has modulus 1 at every x. Of f = u - h, the error, the recursion of c_m = E|f_m|^2 is therefore
closed: with A = 1 - eta (lambda + sigma_m), p_m = |h_m|^2, b_m = E f_m conj(h_m) and V = E f(x)^2 = sum of all c_m,

    c <- (A^2 - eta^2 sigma^2) c - 2 A eta lambda b + eta^2 lambda^2 p + eta^2 sigma^2 V,      b <- A b - eta lambda p,

and likewise for the sum S of all iterates: w = E S conj(h), d = E S conj(f), total = E|S|^2. This is the mean over
samples of what seeds would scatter about.

But for V, a step is linear in each mode, so that many steps at once are a power of it. Up to step 256 every step is
made; after it 2^k at a time, never more than a 256th of those made, with V at the mean of their two ends.
"""

from dataclasses import dataclass

import numpy as np

from analysis.laws import Floats
from analysis.theory.kernel import Spectrum

_FINENESS = 256
# Places in a step's vector.
_C, _B, _W, _D, _TOTAL, _P, _V = range(7)


@dataclass(frozen=True, eq=False)
class ExpectedError:
    """E|f_m|^2 by mode, shape (runs, modes): of the mean of all iterates from the start on, and of the last iterate."""

    average: Floats
    last: Floats


def expected_error(of: Spectrum, power: Floats, steps: Floats, rate: Floats, penalty: Floats) -> ExpectedError:
    """What is left of h after averaged SGD, for many runs at once.

    Args:
        of: the kernel.
        power: |h_m|^2 of each run, shape (runs, modes).
        steps, rate, penalty: T, eta and lambda of each run, shape (runs,); whole T that may differ.

    Raises:
        ValueError: where rate times (kernel + penalty) is 2 or more, so that SGD diverges in mean square.
    """
    if np.any(rate * (of.peak + penalty) >= 2):
        raise ValueError(f"SGD diverges at rate {rate.max():g}: rate times (k(x, x) + penalty) must be below 2")
    average, last = np.empty_like(power), np.empty_like(power)
    left = np.arange(steps.size)
    single = _step(of, rate[:, None], penalty[:, None])
    state = np.stack([power, -power, -power, power, power])
    done, size, many = 0, 1, single
    for end in map(int, np.unique(steps)):
        while done < end:
            block = _block(done, end - done)
            if block < size:
                size, many = 1, single
            while size < block:
                size, many = 2 * size, np.einsum("ikrm,kjrm->ijrm", many, many)
            state = _advance(many, size == 1, state, power[left], of.weight)
            done += block
        ended = steps[left] == end
        average[left[ended]] = state[_TOTAL][ended] / (end + 1.0) ** 2
        last[left[ended]] = state[_C][ended]
        left, state, many, single = left[~ended], state[:, ~ended], many[:, :, ~ended], single[:, :, ~ended]
    return ExpectedError(average, last)


def _block(done: int, wanted: int) -> int:
    """Steps to make at once: a power of 2."""
    most = min(max(done // _FINENESS, 1), wanted)
    return 1 << (most.bit_length() - 1)


def _step(of: Spectrum, eta: Floats, lam: Floats) -> Floats:
    """One step as a matrix on (c, b, w, d, total, p, V), the last two of which stay; shape (7, 7, runs, modes)."""
    A = 1 - eta * (lam + of.eigenvalue)
    noise, pull = (eta * of.eigenvalue) ** 2, eta * lam
    M = np.zeros((7, 7, *A.shape))
    for row in (_C, _D, _TOTAL):
        M[row, _C], M[row, _B], M[row, _P], M[row, _V] = A**2 - noise, -2 * A * pull, pull**2, noise
    for row in (_B, _W):
        M[row, _B], M[row, _P] = A, -pull
    M[_D, _W], M[_D, _D] = -pull, A
    M[_TOTAL, _W], M[_TOTAL, _D] = -2 * pull, 2 * A
    for row in (_W, _TOTAL, _P, _V):
        M[row, row] = 1.0
    return M


def _advance(M: Floats, one: bool, state: Floats, power: Floats, weight: Floats) -> Floats:
    """The state (5, runs, modes) after M's steps. Of `one` step V is known, of several it is the mean of its ends."""
    c, b, w, d, total = state
    before, settled = c @ weight, M[_C, _C] * c + M[_C, _B] * b + M[_C, _P] * power
    V = before if one else (before + settled @ weight) / (2 - M[_C, _V] @ weight)
    V = V[:, None]
    new = np.empty_like(state)
    new[_C] = settled + M[_C, _V] * V
    new[_B] = M[_B, _B] * b + M[_B, _P] * power
    new[_W] = w + M[_W, _B] * b + M[_W, _P] * power
    shared = (_C, c), (_B, b), (_W, w), (_D, d), (_P, power), (_V, V)
    new[_D] = sum(M[_D, place] * each for place, each in shared)
    new[_TOTAL] = total + sum(M[_TOTAL, place] * each for place, each in shared)
    return new
