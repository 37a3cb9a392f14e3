"""One self-contained HTML page, with its figures as PNG and its tables as CSV beside it."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from analysis.effects.answers import sentences
from analysis.report.columns import write_csv
from analysis.report.names import names_of, renamed
from analysis.report.page import ANSWERS, PAGE, SLOPE_IS_PRIOR
from analysis.report.parts.attributes import effects_figure
from analysis.report.parts.exchange import EXCHANGE, exchange_figure
from analysis.report.plots import (
    arm_colours,
    comparison_figure,
    curve_figure,
    decision_figure,
    learning_figure,
    steps_figure,
)
from analysis.report.records import ReportData
from analysis.report.style import STYLE, environment
from analysis.report.svg import css_colour, png_of, svg_of
from analysis.report.tables import report_tables
from analysis.verdict.ranking import Ranking, ranking
from analysis.verdict.resolution import resolution

# Inches of a figure on a wide page, on a narrow one, and of one of two side by side.
_WIDE, _NARROW, _HALF = 9.0, 4.4, 5.8


@dataclass(frozen=True)
class Drawing:
    """A figure: `png` as a file, and as SVG elements on a wide page and on a narrow one; "" where the first does."""

    png: bytes
    wide: str
    narrow: str = ""


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures: `curves` by arm, the others by name; what cannot be drawn yet is left out."""

    curves: dict[str, Drawing]
    others: dict[str, Drawing]

    def files(self) -> dict[str, bytes]:
        """File names (without folder) and contents."""
        curves = {f"curve-{i}-{_slug(arm)}.png": drawing.png for i, (arm, drawing) in enumerate(self.curves.items(), 1)}
        return curves | {f"{name}.png": drawing.png for name, drawing in self.others.items()}


def write_report(folder: Path, data: ReportData) -> Path:
    """Write report.html, figures/*.png and tables/*.csv into `folder`; returns the path of the page.

    The page is written beside its place and moved there, so that a reader never finds half of it.
    """
    shown = for_page(data)
    figures = draw_figures(shown)
    write_figures(folder, figures)
    write_csv(folder / "tables", report_tables(data), simulated=data.simulated)
    page, draft = folder / "report.html", folder / "report.html.part"
    draft.write_text(render_html(shown, figures, names_of(data)), encoding="utf-8")
    draft.replace(page)
    return page


def for_page(data: ReportData) -> ReportData:
    """The same with arms by what differs between them, the best first."""
    order = {arm: place for found in rankings(data).values() for place, arm in enumerate(found.order)}
    arms = sorted(data.arms, key=lambda arm: order.get(arm, len(order)))
    return renamed(replace(data, arms=arms))


def rankings(data: ReportData) -> dict[str, Ranking]:
    """Which arm is best, by fine-tuning task: errors of different tasks are not compared."""
    tasks = {arm: data.tasks.get(arm, "") for arm in data.fits}
    found = {
        task: ranking({arm: fit for arm, fit in data.fits.items() if tasks[arm] == task}, data.n_target, data.tie)
        for task in dict.fromkeys(tasks.values())
    }
    return {task: each for task, each in found.items() if each is not None}


def write_figures(folder: Path, figures: Figures) -> None:
    """Write figures/*.png."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for name, png in figures.files().items():
        (folder / "figures" / name).write_bytes(png)


def draw_figures(data: ReportData) -> Figures:
    """Draw every figure the data allow. Of a single arm its curve is the picture of all."""
    fits = {arm: data.fits[arm] for arm in data.arms if arm in data.fits}
    colours, seen = arm_colours(data.arms), data.observations
    others: dict[str, Callable[..., Figure]] = {}
    if seen and (len(data.arms) > 1 or not fits):
        lines = data.references, colours, data.target_error
        others["comparison"] = partial(comparison_figure, fits, seen, *lines, classes=data.classes)
    if data.effects:
        others["effects"] = partial(effects_figure, data.effects)
    if any(each.fit is not None for each in data.exchange.values()):
        others["exchange"] = partial(exchange_figure, data.exchange, data.target_error)
    if data.steps:
        others["steps"] = partial(steps_figure, data.steps)
    if any(d.n > 0 for d in data.decisions):
        others["decisions"] = partial(decision_figure, data.decisions, colours)
    drawn = {name: _drawn(name, draw) for name, draw in others.items()}
    if any(d.falls for d in data.decisions):
        learning = learning_figure(data.decisions, colours)
        drawn["learning"] = Drawing(png_of(learning), svg_of(learning, "learning"))
    curves = {}
    for place, (arm, fit) in enumerate(fits.items(), 1):
        own, reference = [each for each in seen if each.arm == arm], data.references.get(arm)
        looks = reference, colours[arm], data.target_error, data.level
        draw = partial(curve_figure, arm, fit, own, *looks, classes=data.classes)
        curves[arm] = _drawn(f"curve-{place}", draw, alone=len(fits) == 1 and "comparison" not in drawn)
    return Figures(curves, drawn)


def _drawn(name: str, draw: Callable[..., Figure], *, alone: bool = True) -> Drawing:
    """A figure in one size or two; `alone`: it has the whole width of the page."""
    wide = draw(width=_WIDE if alone else _HALF)
    narrow = svg_of(draw(width=_NARROW), f"{name}-narrow") if alone else ""
    return Drawing(png_of(wide), svg_of(wide, name), narrow)


def render_html(data: ReportData, figures: Figures, full_names: dict[str, str] | None = None) -> str:
    """The page as text; every value of `data` is escaped. `full_names`: of its arms, where it has short ones."""
    return filled(
        PAGE,
        data,
        figures,
        tables=report_tables(data),
        attributes={name: sentences(said) for name, said in data.effects.items()},
        slope_is_prior=SLOPE_IS_PRIOR,
        dashed=[arm for arm in data.arms if arm in data.fits and data.fits[arm].slope_is_prior],
        full_names={short: name for name, short in (full_names or {}).items() if short != name},
    )


def filled(page: str, data: ReportData, figures: Figures, **more: object) -> str:
    """A page of the report's style, filled in; every value is escaped. `more`: what this page has besides."""
    templates = environment({"answers": ANSWERS, "exchange": EXCHANGE})
    templates.filters |= {"source": _source, "slug": _slug}
    return templates.from_string(page).render(
        data=data,
        style=STYLE,
        figures=figures,
        colours={arm: css_colour(colour) for arm, colour in arm_colours(data.arms).items()},
        rankings=rankings(data),
        tested=resolution(data.fits.values()),
        **more,
    )


def _source(picture: bytes) -> str:
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
