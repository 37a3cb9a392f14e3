"""The expected error of averaged SGD in the kernel's function space, exactly and without drawing a sample.

Equations 34 and 35: from a start g_0, with one fresh sample x a step and u = g - g_0,

    u <- (1 - eta lambda) u - eta (u(x) - h(x)) k(x, .),      h = target - g_0,      u_0 = 0.

On the circle e^imx has modulus 1 at every x. Of f = u - h, the error, the recursion of c_m = E|f_m|^2 is therefore
closed: with A = 1 - eta (lambda + sigma_m), p_m = |h_m|^2, b_m = E f_m conj(h_m) and V = E f(x)^2 = sum of all c_m,

    c <- (A^2 - eta^2 sigma^2) c - 2 A eta lambda b + eta^2 lambda^2 p + eta^2 sigma^2 V,      b <- A b - eta lambda p,

and likewise for the sum of all iterates. This is the mean over samples of what seeds would scatter about.
"""

from dataclasses import dataclass

import numpy as np

from analysis.laws import Floats
from analysis.theory.kernel import Spectrum


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
        steps, rate, penalty: T, eta and lambda of each run, shape (runs,); T may differ.

    Raises:
        ValueError: where rate times (kernel + penalty) is 2 or more, so that SGD diverges in mean square.
    """
    if np.any(rate * (of.peak + penalty) >= 2):
        raise ValueError(f"SGD diverges at rate {rate.max():g}: rate times (k(x, x) + penalty) must be below 2")
    order = np.argsort(-steps, kind="stable")
    p, eta, lam = power[order], rate[order, None], penalty[order, None]
    A = 1 - eta * (lam + of.eigenvalue)
    noise = (eta * of.eigenvalue) ** 2
    keep, cross, pull = A**2 - noise, -2 * A * eta * lam, eta * lam
    settled = pull**2 * p
    c, b = p.copy(), -p
    # d: E of (sum of iterates) conj(iterate); w: of (sum) conj(h); total: of |sum|^2.
    d, w, total = p.copy(), -p, p.copy()
    running = 0
    for t in range(1, int(steps.max()) + 1):
        now = int(np.searchsorted(-steps[order], -t, side="right"))
        if now != running:
            running = now
            state = (x[:now] for x in (A, keep, cross, pull, noise, settled, p, c, b, d, w, total))
            A_, keep_, cross_, pull_, noise_, settled_, p_, c_, b_, d_, w_, total_ = state
            pulled = pull_ * p_
        error = c_ @ of.weight
        d_ *= A_
        d_ -= pull_ * w_
        c_ *= keep_
        c_ += cross_ * b_
        c_ += settled_
        c_ += noise_ * error[:, None]
        b_ *= A_
        b_ -= pulled
        w_ += b_
        d_ += c_
        total_ += 2 * d_ - c_
    back = np.argsort(order)
    return ExpectedError((total / (steps[order, None] + 1) ** 2)[back], c[back])
