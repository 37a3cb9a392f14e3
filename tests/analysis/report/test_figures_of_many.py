"""Pictures of sweeps much larger than a demo's: forty arms, and a hundred runs of one size."""

from __future__ import annotations

import struct
import warnings

import numpy as np

from analysis.estimator.fit import fit_laws
from analysis.report.plots import arm_colours, comparison_figure, curve_figure, decision_figure, learning_figure
from analysis.report.records import Decision, Observation
from analysis.report.svg import png_of

SIZES = (1_000, 4_000, 16_000)
ARMS = [f"setting {i}/objdet/resnet50/objdet" for i in range(40)]


def observed(arm: str, sizes: tuple[int, ...] = SIZES, repeats: int = 1) -> list[Observation]:
    runs = [(n, seed) for n in sizes for seed in range(repeats)]
    return [Observation(arm, n, seed, (0.3 + n**-0.4,), at, 1.0, 1.0) for at, (n, seed) in enumerate(runs, 1)]


def height(png: bytes) -> int:
    """In pixels, from the file's header."""
    return int(struct.unpack(">I", png[20:24])[0])


def test_forty_arms_have_a_legend_and_a_plot() -> None:
    """Given forty arms, every picture that names them grows by their legend, and the plot keeps its room."""
    colours = arm_colours(ARMS)
    runs = {arm: observed(arm) for arm in ARMS}
    fits = fit_laws(
        {arm: (np.array([o.n for o in own]), np.array([o.error for o in own])) for arm, own in runs.items()}
    )
    every = [seen for own in runs.values() for seen in own]
    decisions = [
        Decision(at, seen.arm, seen.n, 0, 1.0, 1.0, "", seen.error, "C", 0.1, 0.05, (0.1, 0.06))
        for at, seen in enumerate(every, 1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tall = png_of(comparison_figure(fits, every, {}, colours))
        png_of(decision_figure(decisions, colours))
        png_of(learning_figure(decisions, colours))
    few = ARMS[:2]
    two = {arm: fits[arm] for arm in few}
    short = png_of(comparison_figure(two, [s for s in every if s.arm in few], {}, arm_colours(few)))
    assert height(tall) > 1.5 * height(short)


def test_a_hundred_runs_of_one_size_leave_room_for_the_plot() -> None:
    """Given so many repeats, its picture is drawn without a complaint."""
    arm = ARMS[0]
    many = observed(arm, repeats=100)
    fit = fit_laws({arm: (np.array([o.n for o in many]), np.array([o.error for o in many]))})[arm]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png_of(curve_figure(arm, fit, many, None, "#0072b2"))
