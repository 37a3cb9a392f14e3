"""The report's figures; each arm has the same colour in all of them. `width`: in inches."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from analysis.estimator.law_fit import LawFit, shortest_interval
from analysis.report.measured import draw_runs, heights
from analysis.report.records import Decision, Observation, Reference, StepsTried
from analysis.report.svg import INK, PALE, PALETTE, WANTED, canvas
from analysis.verdict.no_curve import chance_error

_MARKERS = "osD^vPX"
# Wide enough for a legend of two columns.
_WIDE = 6.0


def arm_colours(arms: Sequence[str]) -> dict[str, str]:
    """A colour for each arm, in order. After seven arms the colours repeat."""
    return {arm: PALETTE[i % len(PALETTE)] for i, arm in enumerate(arms)}


def curve_figure(
    arm: str,
    fit: LawFit,
    observations: Sequence[Observation],
    reference: Reference | None,
    colour: str,
    target: float | None = None,
    level: float = 0.95,
    width: float = 5.8,
    classes: int | None = None,
) -> Figure:
    """One arm: its runs with their standard errors, the law's median with 50 and 90 % bands, the transfer gap
    C with its interval at `level`, and n = 0."""
    figure, axes = canvas(width, 4.0 if width < _WIDE else 4.6)
    sizes = _extrapolated(fit.n)
    _law(axes, fit, sizes, colour)
    gap, (low, high) = float(np.median(fit.gap())), shortest_interval(fit.gap(), level)
    axes.axhline(gap, color=colour, linewidth=0.9)
    axes.axhspan(float(low), float(high), color=colour, alpha=0.07, linewidth=0)
    draw_runs(axes, fit, observations, colour)
    drawn = [
        *heights(observations),
        gap,
        *_without(axes, [reference] if reference else []),
        *_target(axes, target, gap),
    ]
    axes.set_ylim(*_limits(drawn))
    _chance(axes, classes)
    ends = f"{100 * low:.1f} to {high:.1%}"
    # On the left, where the curve is far above C.
    below = target is None or target >= gap
    _line_label(axes, gap, f"C = {gap:.1%} ({ends})", colour, side=0.0, below=below)
    _not_run(axes, float(fit.n.max()), sizes)
    _size_axis(axes, sizes, width)
    axes.set_title(arm, loc="left", fontsize=11, fontweight="bold")
    return figure


def comparison_figure(
    fits: Mapping[str, LawFit],
    observations: Sequence[Observation],
    references: Mapping[str, Reference],
    colours: Mapping[str, str],
    target: float | None = None,
    width: float = 9.0,
    classes: int | None = None,
) -> Figure:
    """Every arm's median law with its 90 % band and its runs in one picture, over a common range of n.

    Of an arm without a law there are only its runs.
    """
    arms = [arm for arm in colours if arm in fits or any(seen.arm == arm for seen in observations)]
    columns = 2 if width > _WIDE else 1
    figure, axes = canvas(width, (4.4 if width > _WIDE else 3.9) + _room(len(arms), columns))
    sizes = _extrapolated(np.array([seen.n for seen in observations], dtype=float))
    for i, (arm, colour) in enumerate(colours.items()):
        fit, own = fits.get(arm), [seen for seen in observations if seen.arm == arm]
        if fit is not None:
            low, high = fit.band(sizes, 0.9)
            axes.fill_between(sizes, low, high, color=colour, alpha=0.13, linewidth=0)
            _curve(axes, fit, sizes, colour)
        if own:
            draw_runs(axes, fit, own, colour, _MARKERS[i % len(_MARKERS)], _in_legend(arm, fit))
    drawn = [*heights(observations), *_without(axes, references.values()), *_target(axes, target)]
    axes.set_ylim(*_limits([*drawn, *(float(fit.median_curve(sizes[-1])) for fit in fits.values())]))
    _chance(axes, classes)
    _not_run(axes, max(float(seen.n) for seen in observations), sizes)
    _size_axis(axes, sizes, width)
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=columns)
    return figure


def _in_legend(arm: str, fit: LawFit | None) -> str:
    if fit is None:
        return f"{arm} (no law yet)"
    return f"{arm} (dashed: the prior's slope)" if fit.slope_is_prior else arm


def _not_run(axes: Axes, largest: float, sizes: np.ndarray) -> None:
    """Shade the sizes beyond the largest run."""
    axes.axvspan(largest, sizes[-1], color=PALE, alpha=0.09, linewidth=0)
    axes.annotate(
        "not run yet →",
        (largest, 1.0),
        (5, -5),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=PALE,
    )


def decision_figure(decisions: Sequence[Decision], colours: Mapping[str, str], width: float = 9.0) -> Figure:
    """The decision path: n against step, by arm; the references, n = 0, have no place on it."""
    columns = 2 if width > _WIDE else 1
    figure, axes = canvas(width, 3.4 + _room(len(colours), columns))
    decisions = [d for d in decisions if d.n > 0]
    axes.plot([d.step for d in decisions], [d.n for d in decisions], color=PALE, linewidth=0.8, zorder=1)
    for i, arm in enumerate(colours):
        own = [d for d in decisions if d.arm == arm]
        marker = _MARKERS[i % len(_MARKERS)]
        axes.scatter(
            [d.step for d in own],
            [d.n for d in own],
            s=52,
            marker=marker,
            color=colours[arm],
            label=arm,
            zorder=2,
        )
    axes.set_yscale("log")
    _log_sizes(axes.yaxis, sorted({d.n for d in decisions}))
    axes.set_ylabel("images n")
    axes.set_xlabel("decision")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)
    return figure


def learning_figure(decisions: Sequence[Decision], colours: Mapping[str, str]) -> Figure:
    """The expected against the realised fall of the quantity that each run was for, as shares."""
    figure, axes = canvas(5.8, 4.6 + _room(len(colours), 1))
    for i, arm in enumerate(colours):
        own = [d.falls for d in decisions if d.arm == arm and d.falls is not None]
        if own:
            expected, realised = zip(*own, strict=True)
            marker = _MARKERS[i % len(_MARKERS)]
            axes.scatter(expected, realised, s=44, marker=marker, color=colours[arm], label=arm)
    falls = [fall for d in decisions for fall in d.falls or ()]
    ends = [min([0.0, *falls]), max([0.1, *falls])]
    axes.plot(ends, ends, color=PALE, linewidth=1, zorder=1)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
    for axis, name in ((axes.xaxis, "expected fall"), (axes.yaxis, "fall that came")):
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g}%"))
        axis.set_label_text(name)
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)
    return figure


def steps_figure(steps: Sequence[StepsTried], width: float = 9.0) -> Figure:
    """The error on the folds against the steps of fine-tuning, a line an arm and size, and thin each fold's."""
    groups = list(dict.fromkeys((tried.arm, tried.n) for tried in steps))
    figure, axes = canvas(width, 3.8 + _room(len(groups), 1))
    for i, (arm, n) in enumerate(groups):
        own = [tried for tried in steps if (tried.arm, tried.n) == (arm, n)]
        name = "no pre-training" if n == 0 else f"n = {n:,}"
        colour, marker = PALETTE[i % len(PALETTE)], _MARKERS[i % len(_MARKERS)]
        values, errors = [tried.iterations for tried in own], [tried.error for tried in own]
        axes.plot(values, errors, color=colour, marker=marker, label=arm if arm.startswith(name) else f"{name}: {arm}")
        for fold in zip(*(tried.folds for tried in own), strict=True):
            axes.plot(values, fold, color=colour, alpha=0.25, linewidth=0.8)
    axes.set_xscale("log")
    _log_sizes(axes.xaxis, sorted({tried.iterations for tried in steps}))
    axes.set_xlabel("steps of fine-tuning")
    axes.set_ylabel("error on the folds")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)
    return figure


def _law(axes: Axes, fit: LawFit, sizes: np.ndarray, colour: str) -> None:
    for level, alpha in ((0.9, 0.16), (0.5, 0.22)):
        low, high = fit.band(sizes, level)
        axes.fill_between(sizes, low, high, color=colour, alpha=alpha, linewidth=0)
    _curve(axes, fit, sizes, colour)


def _curve(axes: Axes, fit: LawFit, sizes: np.ndarray, colour: str) -> None:
    """The median curve, dashed where its slope is mostly the prior's."""
    axes.plot(sizes, fit.median_curve(sizes), "--" if fit.slope_is_prior else "-", color=colour, linewidth=2)


def _without(axes: Axes, references: Iterable[Reference]) -> list[float]:
    """The errors without pre-training as lines; returns the heights to make room for."""
    errors = sorted({round(reference.error, 4) for reference in references})
    for error in errors:
        axes.axhline(error, color=INK, linestyle=":", linewidth=1.5)
        _line_label(axes, error, "no pre-training (n = 0)", INK)
    return errors


def _target(axes: Axes, target: float | None, gap: float = 0.0) -> list[float]:
    """The error that is needed as a line, where there is one; returns the heights to make room for. Below a transfer
    gap its label is under it, since that of the gap is above."""
    if target is None:
        return []
    axes.axhline(target, color=WANTED, linestyle="-.", linewidth=1.5)
    _line_label(axes, target, f"needed: {target:.1%}", WANTED, side=0.0, below=target < gap)
    return [target]


def _chance(axes: Axes, classes: int | None) -> None:
    """The error of guessing, where the classes are known and the picture reaches it."""
    if classes is None:
        return
    error, (bottom, top) = chance_error(classes), axes.get_ylim()
    if bottom < error < top:
        axes.axhline(error, color=PALE, linestyle=(0, (1, 3)), linewidth=1.5)
        _line_label(axes, error, f"guessing among {classes:,} classes: {error:.1%}", PALE, side=0.0)


def _line_label(axes: Axes, height: float, text: str, colour: str, *, side: float = 1.0, below: bool = False) -> None:
    axes.annotate(
        text,
        (side, height),
        (4 - 8 * side, -3 if below else 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right" if side else "left",
        va="top" if below else "bottom",
        fontsize=8.5,
        color=colour,
        annotation_clip=True,
    )


def _extrapolated(n: np.ndarray) -> np.ndarray:
    """Sizes to draw a curve over: from the smallest run to four times the largest."""
    return np.geomspace(n.min() / 1.25, 4 * n.max(), 120)


def _limits(heights: Sequence[float]) -> tuple[float, float]:
    low, high = min(heights), max(heights)
    margin = 0.12 * max(high - low, 0.02)
    return max(low - margin, 0.0), high + 1.6 * margin


def _size_axis(axes: Axes, sizes: np.ndarray, width: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(sizes[0], sizes[-1])
    # As many as have room for their names.
    room = 1.3 * width
    for steps in ((1, 2, 5), (1, 5), (1,)):
        rungs = [m * 10**k for k in range(12) for m in steps if sizes[0] <= m * 10**k <= sizes[-1]]
        if len(rungs) <= room:
            break
    _log_sizes(axes.xaxis, rungs)
    axes.set_xlabel("synthetic pre-training images n")
    axes.set_ylabel("error on the real task")
    # Four digits: with fewer, ticks a quarter of a point apart would have wrong labels.
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))


def _log_sizes(axis: object, rungs: Sequence[int]) -> None:
    axis.set_ticks(rungs)  # type: ignore[attr-defined]
    axis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))  # type: ignore[attr-defined]
    axis.set_minor_formatter(NullFormatter())  # type: ignore[attr-defined]


def _room(arms: int, columns: int) -> float:
    """Inches that the legend needs beyond the two rows that every picture has room for."""
    return 0.21 * max(-(-arms // columns) - 2, 0)
