"""What was measured, as marks in the report's figures: runs with their own errors."""

from collections import defaultdict
from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np
from matplotlib.axes import Axes

from analysis.estimator.law_fit import LawFit
from analysis.estimator.observations import log_errors
from analysis.report.records import Observation

# Log errors that differ by less are those of one run.
_SAME = 1e-6
# Runs of one size stand side by side: so far apart, and all of them within so much, in log n.
_APART, _SPREAD = 0.06, 0.18


def draw_runs(
    axes: Axes,
    fit: LawFit | None,
    runs: Sequence[Observation],
    colour: str,
    marker: str = "o",
    label: str | None = None,
) -> None:
    """Each run's mean with one standard error to either side, and faint beside it its fine-tunes where it has several.

    Only the means carry `label` and `marker`. Runs of one size stand side by side.
    """
    at, means = _side_by_side(runs), np.array([run.error for run in runs])
    singles = [(x, error) for x, run in zip(at, runs, strict=True) if len(run.errors) > 1 for error in run.errors]
    if singles:
        axes.plot(*zip(*singles, strict=True), "o", color=colour, markersize=4, alpha=0.3, markeredgewidth=0, zorder=2)
    factor = np.exp([standard_error(fit, run) for run in runs])
    axes.errorbar(
        at,
        means,
        yerr=[means - means / factor, means * factor - means],
        fmt="none",
        ecolor=colour,
        elinewidth=1.1,
        capsize=2.5,
        zorder=3,
    )
    axes.plot(at, means, marker, color=colour, markersize=5, label=label, zorder=3)


def _side_by_side(runs: Sequence[Observation]) -> list[float]:
    """Where each run is drawn: at its n, or near it where there are more at that n."""
    sizes = [run.n for run in runs]
    seen, at = defaultdict[int, int](int), list[float]()
    for n in sizes:
        middle = (sizes.count(n) - 1) / 2
        apart = min(_APART, _SPREAD / max(2 * middle, 1))
        at.append(n * exp(apart * (seen[n] - middle)))
        seen[n] += 1
    return at


def standard_error(fit: LawFit | None, run: Observation) -> float:
    """Of the run's log error, from what is known without the law: the variance that the fit was told, or where it was
    told none the spread of the run's own fine-tunes; 0 where neither is known."""
    told = 0.0
    if fit is not None:
        same = (fit.n == run.n) & (np.abs(np.log(fit.error) - log(run.error)) < _SAME)
        told = float(fit.log_variance[same].max(initial=0.0))
    if told == 0 and len(run.errors) > 1:
        told = float(log_errors(run.errors).var(ddof=1)) / len(run.errors)
    return sqrt(told)


def heights(runs: Sequence[Observation]) -> list[float]:
    """The errors of all fine-tunes: what a picture has to hold."""
    return [error for run in runs for error in run.errors]
