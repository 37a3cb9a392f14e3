"""Three forms of the error over pre-training and fine-tuning steps, fitted to some cells and scored on hidden ones.

Each form has four values, two exponents and two amounts, fitted by least squares of the log error from several starts:

* law (2), multiplicative: delta (gamma + T0^-alpha) T1^-beta;
* additive: A T0^-a + B T1^-b;
* label equivalents: f(T1 + T), T = T_max T0^a / (n0^a + T0^a) (T1 / s0)^g, where f is the curve without pre-training,
  through its visible points on log axes and straight on beyond them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from analysis.laws import Floats, full_law_error
from analysis.theory.finetuning import Grid

_STARTS = 6
# Of logs of exponents and of amounts.
_EXPONENT, _AMOUNT = (-5.0, 1.5), (-20.0, 20.0)


def hidden_rmse(grid: Grid) -> dict[str, float]:
    """RMSE of the log error of each form on the cells in the upper half of T0 or of T1, fitted on all others.

    The grid's first T0 must be 0, the runs without pre-training; ValueError where it is not. Those of hidden T1 are
    hidden too.
    """
    if grid.T0[0] != 0:
        raise ValueError("the first T0 must be 0: label equivalents need runs without pre-training")
    seen = grid.T1.size // 2
    few = grid.T0[1:].size // 2
    T0, T1 = (x.ravel() for x in np.meshgrid(grid.T0[1:], grid.T1, indexing="ij"))
    error = np.log(grid.error[1:].ravel())
    visible = (np.arange(T0.size) // grid.T1.size < few) & (np.arange(T0.size) % grid.T1.size < seen)
    curve = (np.log(grid.T1[:seen]), np.log(grid.error[0, :seen]))
    s0 = float(np.exp(curve[0].mean()))
    forms: dict[str, tuple[Callable[..., Floats], tuple[float, ...]]] = {
        "law (2)": (_multiplicative, (0.5, 0.5, 0.1, 1.0)),
        "additive": (_additive, (0.5, 0.5, 1.0, 1.0)),
        "label equivalents": (_equivalents(curve, s0), (0.5, 0.2, 100.0, 100.0)),
    }
    return {name: _score(form, np.array(start), T0, T1, error, visible) for name, (form, start) in forms.items()}


def _score(
    form: Callable[..., Floats], start: Floats, T0: Floats, T1: Floats, error: Floats, visible: NDArray[np.bool_]
) -> float:
    rng = np.random.default_rng(0)
    low, high = np.transpose([_EXPONENT, _EXPONENT, _AMOUNT, _AMOUNT])

    def miss(logs: Floats, cells: NDArray[np.bool_]) -> Floats:
        return form(T0[cells], T1[cells], *np.exp(logs)) - error[cells]

    best = None
    for _ in range(_STARTS):
        begin = np.clip(np.log(start) + rng.normal(0, 1, start.size), low + 0.01, high - 0.01)
        found = least_squares(miss, begin, bounds=(low, high), args=(visible,), max_nfev=500)
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    return float(np.sqrt(np.mean(miss(best.x, ~visible) ** 2)))


def _multiplicative(T0: Floats, T1: Floats, alpha: float, beta: float, gamma: float, delta: float) -> Floats:
    return np.log(full_law_error(T0, T1, alpha, beta, gamma, delta))


def _additive(T0: Floats, T1: Floats, a: float, b: float, A: float, B: float) -> Floats:
    return np.log(A * T0**-a + B * T1**-b)


def _equivalents(curve: tuple[Floats, Floats], s0: float) -> Callable[..., Floats]:
    """The form whose f goes through `curve`, the logs of T1 and of the error without pre-training."""
    at, level = curve
    slope = float(np.polyfit(at[-3:], level[-3:], 1)[0])

    def form(T0: Floats, T1: Floats, a: float, g: float, n0: float, most: float) -> Floats:
        worth = np.log(T1 + most / (1 + (n0 / T0) ** a) * (T1 / s0) ** g)
        inside = np.interp(worth, at, level)
        beyond: Floats = np.where(worth > at[-1], level[-1] + slope * (worth - at[-1]), inside)
        return beyond

    return form
