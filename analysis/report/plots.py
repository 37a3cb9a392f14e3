"""The report's figures, as PNG bytes; each arm has the same colour in all of them."""

import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from analysis.estimator.law_fit import LawFit
from analysis.report.measured import draw_order, draw_runs, heights, order_height
from analysis.report.records import Decision, Observation, Reference, StageSpend, StepsTried
from analysis.verdict.no_curve import chance_error

# Okabe and Ito's palette without its yellow, which is too pale on white: told apart with any colour vision.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
_MARKERS = "osD^vPX"
_INK, _PALE, _WANTED = "#222222", "#8a8f98", "#6a3d9a"


def arm_colours(arms: Sequence[str]) -> dict[str, str]:
    """A colour for each arm, in order. After seven arms the colours repeat."""
    return {arm: _PALETTE[i % len(_PALETTE)] for i, arm in enumerate(arms)}


def curve_figure(
    arm: str,
    fit: LawFit,
    observations: Sequence[Observation],
    reference: Reference | None,
    colour: str,
    target: float | None = None,
    classes: int | None = None,
) -> bytes:
    """One arm: its runs with their standard errors, the law's median with 50 and 90 % bands, C with 95 %, and n = 0."""
    figure, axes = _canvas(5.8, 4.3)
    sizes = _extrapolated(fit.n)
    _law(axes, fit, sizes, colour)
    gap, (low, high) = fit.C.median, fit.C.interval(0.95)
    axes.axhline(gap, color=colour, linewidth=0.9)
    axes.axhspan(low, high, color=colour, alpha=0.07, linewidth=0)
    draw_runs(axes, fit, observations, colour)
    drawn = [*heights(observations), gap, *_without(axes, [reference] if reference else []), *_target(axes, target)]
    bottom, top = _limits(drawn)
    axes.set_ylim(bottom, top)
    _chance(axes, classes)
    _line_label(axes, gap, f"transfer gap C = {gap:.1%} (95%: {100 * low:.1f} to {high:.1%})", colour)
    axes.axvspan(fit.n.max(), sizes[-1], color=_PALE, alpha=0.09, linewidth=0)
    axes.annotate(
        "not run yet →",
        (fit.n.max(), top),
        (6, -6),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=_PALE,
    )
    draw_order(axes, observations, _INK, _PALE)
    _size_axis(axes, sizes)
    axes.set_title(arm, loc="left", fontsize=12, fontweight="bold", pad=order_height(observations))
    return png_of(figure)


def comparison_figure(
    fits: Mapping[str, LawFit],
    observations: Sequence[Observation],
    references: Mapping[str, Reference],
    colours: Mapping[str, str],
    target: float | None = None,
    classes: int | None = None,
) -> bytes:
    """Every arm's median law with its 90 % band and its runs in one picture, over a common range of n."""
    figure, axes = _canvas(9, 4.8 + _room(len(fits), 2))
    sizes = _extrapolated(np.concatenate([fit.n for fit in fits.values()]))
    for i, (arm, fit) in enumerate(fits.items()):
        low, high = fit.band(sizes, 0.9)
        axes.fill_between(sizes, low, high, color=colours[arm], alpha=0.13, linewidth=0)
        _curve(axes, fit, sizes, colours[arm])
        own = [seen for seen in observations if seen.arm == arm]
        draw_runs(axes, fit, own, colours[arm], _MARKERS[i % len(_MARKERS)], arm)
    drawn = [*heights(observations), *_without(axes, references.values()), *_target(axes, target)]
    axes.set_ylim(*_limits([*drawn, *(float(fit.median_curve(sizes[-1])) for fit in fits.values())]))
    _chance(axes, classes)
    _size_axis(axes, sizes)
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return png_of(figure)


def decision_figure(decisions: Sequence[Decision], colours: Mapping[str, str]) -> bytes:
    """The decision path: n against step, by arm; the references, n = 0, have no place on it."""
    figure, axes = _canvas(9, 3.6 + _room(len(colours), 2))
    decisions = [d for d in decisions if d.n > 0]
    axes.plot([d.step for d in decisions], [d.n for d in decisions], color=_PALE, linewidth=0.8, zorder=1)
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
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    return png_of(figure)


def learning_figure(decisions: Sequence[Decision], colours: Mapping[str, str]) -> bytes:
    """The expected against the realised fall of the quantity that each run was for, as shares."""
    figure, axes = _canvas(5.8, 4.6 + _room(len(colours), 1))
    for i, arm in enumerate(colours):
        own = [d.falls for d in decisions if d.arm == arm and d.falls is not None]
        if own:
            expected, realised = zip(*own, strict=True)
            marker = _MARKERS[i % len(_MARKERS)]
            axes.scatter(expected, realised, s=44, marker=marker, color=colours[arm], label=arm)
    falls = [fall for d in decisions for fall in d.falls or ()]
    ends = [min([0.0, *falls]), max([0.1, *falls])]
    axes.plot(ends, ends, color=_PALE, linewidth=1, zorder=1)
    axes.axhline(0, color=_INK, linewidth=0.8, zorder=1)
    for axis, name in ((axes.xaxis, "expected fall"), (axes.yaxis, "fall that came")):
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g}%"))
        axis.set_label_text(name)
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)
    return png_of(figure)


def steps_figure(steps: Sequence[StepsTried]) -> bytes:
    """The error on the folds against the steps of fine-tuning, a line an arm and size, and thin each fold's."""
    groups = list(dict.fromkeys((tried.arm, tried.n) for tried in steps))
    figure, axes = _canvas(9, 4.2 + _room(len(groups), 1))
    for i, (arm, n) in enumerate(groups):
        own = [tried for tried in steps if (tried.arm, tried.n) == (arm, n)]
        name = "no pre-training" if n == 0 else f"n = {n:,}"
        colour, marker = _PALETTE[i % len(_PALETTE)], _MARKERS[i % len(_MARKERS)]
        values, errors = [tried.iterations for tried in own], [tried.error for tried in own]
        axes.plot(values, errors, color=colour, marker=marker, label=f"{name}: {arm}")
        for fold in zip(*(tried.folds for tried in own), strict=True):
            axes.plot(values, fold, color=colour, alpha=0.25, linewidth=0.8)
    axes.set_xscale("log")
    _log_sizes(axes.xaxis, sorted({tried.iterations for tried in steps}))
    axes.set_xlabel("steps of fine-tuning")
    axes.set_ylabel("error on the folds")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)
    return png_of(figure)


def spending_figure(ledger: Sequence[StageSpend]) -> bytes:
    """Minutes by stage as bars, with the dollars written beside them."""
    figure, axes = _canvas(9, 0.9 + 0.5 * len(ledger))
    stages = [spend.stage for spend in ledger][::-1]
    minutes = [spend.seconds / 60 for spend in ledger][::-1]
    axes.barh(stages, minutes, color="#4b6a88", height=0.6)
    widest = max([*minutes, 1e-9])
    for place, spend in enumerate(reversed(ledger)):
        text = f"{spend.seconds / 60:.1f} min, ${spend.dollars:,.3f}, {spend.count:,} {spend.what}"
        axes.annotate(text, (minutes[place], place), (5, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_xlim(0, widest * 1.45)
    axes.set_xlabel("minutes")
    axes.grid(axis="y", visible=False)
    return png_of(figure)


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
        axes.axhline(error, color=_INK, linestyle=":", linewidth=1.5)
        _line_label(axes, error, "no pre-training (n = 0)", _INK)
    return errors


def _target(axes: Axes, target: float | None) -> list[float]:
    """The error that is needed as a line, where there is one; returns the heights to make room for."""
    if target is None:
        return []
    axes.axhline(target, color=_WANTED, linestyle="-.", linewidth=1.5)
    _line_label(axes, target, f"needed: {target:.1%}", _WANTED, side=0.0)
    return [target]


def _chance(axes: Axes, classes: int | None) -> None:
    """The error of guessing, where the classes are known and the picture reaches it."""
    if classes is None:
        return
    error, (bottom, top) = chance_error(classes), axes.get_ylim()
    if bottom < error < top:
        axes.axhline(error, color=_PALE, linestyle=(0, (1, 3)), linewidth=1.5)
        _line_label(axes, error, f"guessing among {classes:,} classes: {error:.1%}", _PALE, side=0.0)


def _line_label(axes: Axes, height: float, text: str, colour: str, side: float = 1.0) -> None:
    axes.annotate(
        text,
        (side, height),
        (4 - 8 * side, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right" if side else "left",
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


def _size_axis(axes: Axes, sizes: np.ndarray) -> None:
    axes.set_xscale("log")
    axes.set_xlim(sizes[0], sizes[-1])
    rungs = [m * 10**k for k in range(12) for m in (1, 2, 5) if sizes[0] <= m * 10**k <= sizes[-1]]
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


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of its own, apart from pyplot's global state, so that reports can be written from any thread."""
    figure = Figure(figsize=(width, height), dpi=144, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    return figure, axes


def png_of(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    # A $ is money or part of a name here, never the start of a formula.
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
