"""One self-contained HTML page, with its figures as PNG and its tables as CSV beside it."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined

from analysis.report.attributes import effects_figure
from analysis.report.columns import write_csv
from analysis.report.exchange import EXCHANGE, exchange_figure
from analysis.report.page import GRID, PAGE, SLOPE_IS_PRIOR, STYLE
from analysis.report.plots import (
    arm_colours,
    comparison_figure,
    curve_figure,
    decision_figure,
    learning_figure,
    spending_figure,
    steps_figure,
)
from analysis.report.records import ReportData
from analysis.report.tables import report_tables


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures as PNG bytes: `curves` by arm, the others by name; what cannot be drawn yet is left out."""

    curves: dict[str, bytes]
    others: dict[str, bytes]

    def files(self) -> dict[str, bytes]:
        """File names (without folder) and contents."""
        curves = {f"curve-{i}-{_slug(arm)}.png": png for i, (arm, png) in enumerate(self.curves.items(), 1)}
        return curves | {f"{name}.png": png for name, png in self.others.items()}


def write_report(folder: Path, data: ReportData) -> Path:
    """Write report.html, figures/*.png and tables/*.csv into `folder`; returns the path of the page.

    The page is written beside its place and moved there, so that a reader never finds half of it.
    """
    figures = draw_figures(data)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for name, png in figures.files().items():
        (folder / "figures" / name).write_bytes(png)
    write_csv(folder / "tables", report_tables(data), simulated=data.simulated)
    page, draft = folder / "report.html", folder / "report.html.part"
    draft.write_text(render_html(data, figures), encoding="utf-8")
    draft.replace(page)
    return page


def draw_figures(data: ReportData) -> Figures:
    """Draw every figure the data allow."""
    fits = {arm: data.fits[arm] for arm in data.arms if arm in data.fits}
    colours = arm_colours(data.arms)
    others = {}
    if fits:
        lines = data.target_error, data.classes
        others["comparison"] = comparison_figure(fits, data.observations, data.references, colours, *lines)
    if any(d.n > 0 for d in data.decisions):
        others["decisions"] = decision_figure(data.decisions, colours)
    if any(d.falls for d in data.decisions):
        others["learning"] = learning_figure(data.decisions, colours)
    if data.effects:
        others["effects"] = effects_figure(data.effects)
    if any(each.fit is not None for each in data.exchange.values()):
        others["exchange"] = exchange_figure(data.exchange, data.target_error)
    if data.steps:
        others["steps"] = steps_figure(data.steps)
    if data.ledger:
        others["spending"] = spending_figure(data.ledger)
    curves = {
        arm: curve_figure(
            arm,
            fit,
            [seen for seen in data.observations if seen.arm == arm],
            data.references.get(arm),
            colours[arm],
            data.target_error,
            data.classes,
        )
        for arm, fit in fits.items()
    }
    return Figures(curves, others)


def render_html(data: ReportData, figures: Figures) -> str:
    """The page as text; every value of `data` is escaped."""
    return filled(
        PAGE,
        data,
        figures,
        tables=report_tables(data),
        slope_is_prior=SLOPE_IS_PRIOR,
        dashed=[arm for arm in data.arms if arm in data.fits and data.fits[arm].slope_is_prior],
    )


def filled(page: str, data: ReportData, figures: Figures, **more: object) -> str:
    """A page of the report's style, filled in; every value is escaped. `more`: what this page has besides."""
    environment = Environment(
        loader=DictLoader({"grid": GRID, "exchange": EXCHANGE}), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"source": _source, "slug": _slug}
    return environment.from_string(page).render(
        data=data, style=STYLE, figures=figures, colours=arm_colours(data.arms), **more
    )


def _source(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
