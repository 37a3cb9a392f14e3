"""What was measured, as the figures draw it: means, standard errors, single fine-tunes."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import fit_law
from analysis.report.measured import draw_runs, standard_error
from analysis.report.plots import _curve
from analysis.report.records import Observation

RUNS = [
    Observation("a", n, seed, (error, error * 1.04), order, 1.0, 1.0)
    for order, (n, seed, error) in enumerate([(200, 0, 0.30), (800, 0, 0.22), (800, 1, 0.23), (3200, 0, 0.18)], 1)
]
N, ERRORS = [run.n for run in RUNS], [run.error for run in RUNS]


def _axes() -> Axes:
    return Figure().add_subplot()


def _heights(line: Line2D) -> list[float]:
    return np.asarray(line.get_ydata(), dtype=np.float64).tolist()


def test_a_runs_error_is_the_variance_that_the_fit_was_told() -> None:
    fit = fit_law(N, ERRORS, log_variance=[0.02**2, 0.03**2, 0.01**2, 0.02**2])
    assert [standard_error(fit, run) for run in RUNS] == pytest.approx([0.02, 0.03, 0.01, 0.02])


def test_where_none_was_told_it_is_the_spread_of_the_runs_own_fine_tunes() -> None:
    fit = fit_law(N, ERRORS)
    # Two values x apart have the variance x^2 / 2, and their mean half of that.
    assert [standard_error(fit, run) for run in RUNS] == pytest.approx([log(1.04) / 2] * 4)
    alone = Observation("a", 200, 0, (0.3,), 1, 1.0, 1.0)
    assert standard_error(fit, alone) == 0


def test_bars_reach_one_standard_error_from_the_mean_and_fine_tunes_are_points() -> None:
    """Given runs of two fine-tunes, the picture holds a mark and a bar for each run, and a point for each fine-tune."""
    fit, axes = fit_law(N, ERRORS, log_variance=[0.02**2] * 4), _axes()

    draw_runs(axes, fit, RUNS, "#0072B2", label="a")

    (bars,) = [drawn for drawn in axes.collections if isinstance(drawn, LineCollection)]
    ends = np.array([bar[:, 1] for bar in bars.get_segments()])
    np.testing.assert_allclose(ends, np.outer(ERRORS, [exp(-0.02), exp(0.02)]))
    means = next(line for line in axes.lines if line.get_label() == "a")
    assert _heights(means) == pytest.approx(ERRORS)
    points = axes.lines[0]
    assert sorted(_heights(points)) == sorted(error for run in RUNS for error in run.errors)
    assert (points.get_alpha() or 1) < 0.5

    # and runs of one size stand side by side, about it, so that none hides another
    at = np.asarray(means.get_xdata())
    assert (at[0], at[3]) == (200, 3200)
    assert at[1] < 800 < at[2]
    assert sqrt(at[1] * at[2]) == pytest.approx(800)


def test_a_curve_is_the_median_and_dashed_where_its_slope_is_the_priors() -> None:
    sizes = np.geomspace(200, 3200, 5)
    flat = fit_law([200, 400, 800], [0.26, 0.25, 0.245], log_variance=[1e-4] * 3)
    steep = fit_law(N * 4, ERRORS * 4)
    for fit, style in ((flat, "--"), (steep, "-")):
        axes = _axes()
        _curve(axes, fit, sizes, "#0072B2")
        assert axes.lines[0].get_linestyle() == style
        assert _heights(axes.lines[0]) == pytest.approx(np.median(fit.samples.error(sizes), axis=0))
