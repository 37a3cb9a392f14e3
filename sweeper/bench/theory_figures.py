"""What the parts of `sweeper bench theory` answer: values beside references, and the lines of its CSV file.

Columns: `value` is a mean squared error but in the parts "forms" (RMSE of the log error), "width" (mean square of
network less function) and "figure" (a figure that the bench prints). `low` to `high` is the 95 % interval of a mean
over seeds by Student's t, empty where the value is an expectation. `reference` is the bound without its constant, of
"width" the error of the function, of "forms" law (2). `R0` is the expected one, beside networks too.
"""

from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.laws import Floats
from analysis.theory.activations import POWER, RELU, SQUARE
from analysis.theory.exponents import Exponent, fit_exponents, half_interval, upper_half
from analysis.theory.finetuning import FineTuning, Grid
from analysis.theory.prescriptions import Case
from analysis.theory.pretraining import Pretraining
from sweeper.bench.figures import Figure

HEAD = "part,setting,T0,T1,R0,pull,value,low,high,reference"
ACTIVATIONS = (RELU, POWER, SQUARE)
# Frequencies that the longest pre-trainings need.
MOST = 4096
# T0, T1, R0 and pull of a line.
Place = tuple[float | None, float | None, float | None, float | None]
NOWHERE: Place = (None, None, None, None)


@dataclass(frozen=True)
class Measured:
    """A value beside its reference; `low` to `high`: its 95 % interval over seeds, nan where there is none."""

    value: float
    reference: float
    unit: str
    against: str
    low: float = nan
    high: float = nan

    @property
    def figure(self) -> Figure:
        """As the bench prints it."""
        interval = "" if isnan(self.low) else f", 95 % {self.low:.3f} to {self.high:.3f}"
        return Figure(self.value, self.reference, f"{self.unit}{interval}; reference: {self.against}")


@dataclass(frozen=True)
class Part:
    """What one job answers."""

    measured: dict[str, Measured] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def all_lines(self) -> list[str]:
        """Those of the cells, then one a figure."""
        figures = (("figure", key, *NOWHERE, m.value, m.low, m.high, m.reference) for key, m in self.measured.items())
        return [*self.lines, *(_joined(*each) for each in figures)]


def line(part: str, setting: str, at: Place, of_seeds: ArrayLike, reference: float) -> str:
    """A line under HEAD; of seeds their mean and its interval."""
    seeds = np.asarray(of_seeds, float).reshape(-1)
    mean, half = float(seeds.mean()), float(half_interval(seeds))
    return _joined(part, setting, *at, mean, mean - half, mean + half, reference)


def _joined(part: str, setting: str, *numbers: float | None) -> str:
    return ",".join([part, setting, *("" if x is None or np.isnan(x) else f"{x:.6g}" for x in numbers)])


def grid_lines(part: str, setting: str, grid: Grid, case: Case) -> list[str]:
    """A line a cell of fine-tuning."""
    bound = case.bound(grid.T1[None], grid.R0[:, None])
    return [
        line(part, setting, (T0, T1, grid.R0[i], grid.pull[i, j]), grid.error[..., i, j], bound[i, j])
        for i, T0 in enumerate(grid.T0)
        for j, T1 in enumerate(grid.T1)
    ]


def ladder(logs: tuple[int, int, int]) -> Floats:
    """Powers of 2 from the first log to the last, in steps of the third."""
    sizes: Floats = np.exp2(np.arange(logs[0], logs[1] + 1, logs[2], dtype=float))
    return sizes


def rng_of(setting: str) -> np.random.Generator:
    """Each setting has its own draws, so that the intervals of two are independent."""
    return np.random.default_rng(list(setting.encode()))


def finetuning_of(case: Case) -> FineTuning:
    """The case after a pre-training as prescribed, with the activation whose kernel has its xi."""
    [activation] = [each for each in ACTIVATIONS if each.xi == case.xi]
    return FineTuning(case, Pretraining(activation, case.r0))


def exponent_of_steps(T0: Floats, error: Floats, bound: float, what: str) -> Measured:
    """Fitted in the upper half of T0; error of shape (seeds, T0s), one seed is an expectation."""
    upper = upper_half(T0)
    [found] = fit_exponents(1 / T0[None, upper], error[:, upper])
    return exponent(found, bound, f"{what}, T0 {T0[upper][0]:.0f} to {T0[upper][-1]:.0f}")


def exponents_of_grid(key: str, grid: Grid, case: Case, cells: NDArray[np.bool_], what: str) -> dict[str, Measured]:
    """Exponents of T1 and R0 over these cells, (T0s, T1s); none where they are fewer than six or at one T0 or T1."""
    i, j = np.nonzero(cells)
    if i.size < 6 or np.unique(i).size < 2 or np.unique(j).size < 2:
        return {}
    error = grid.error.reshape((-1, *grid.pull.shape))
    of_T1, of_R0 = fit_exponents(np.stack([1 / grid.T1[j], grid.R0[i]]), error[:, i, j])
    over = f"T1 {grid.T1[j.min()]:.0f} to {grid.T1[j.max()]:.0f}, R0 {grid.R0[i].max():.2g} to {grid.R0[i].min():.2g}"
    p, q = case.exponents
    return {f"{key}_T1": exponent(of_T1, p, f"{what}, {over}"), f"{key}_R0": exponent(of_R0, q, f"{what}, {over}")}


def exponent(found: Exponent, reference: float, what: str, against: str = "bound") -> Measured:
    """A fitted exponent beside what it should be."""
    unit = f"exponent, {what} ({found.cells} cells)"
    return Measured(found.value, reference, unit, against, found.low, found.high)


def mean_of(of_seeds: Floats, reference: float, unit: str, against: str) -> Measured:
    """The mean over seeds, shape (seeds,), and its interval."""
    mean, half = float(of_seeds.mean()), float(half_interval(of_seeds))
    return Measured(mean, reference, unit, against, mean - half, mean + half)


def joined_name(*words: object) -> str:
    """A figure's key."""
    return "_".join(str(word) for word in words).replace(" ", "_").replace("(", "").replace(")", "")
