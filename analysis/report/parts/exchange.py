"""The report's part on renders and labels: a table of the answers, one of the runs, and lines of equal error."""

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.exchange.answer import ExchangeAnswer, Interval
from analysis.exchange.fit import BEYOND, ExchangeFit
from analysis.report.columns import Column, Table, percent
from analysis.report.records import Exchange
from analysis.report.svg import INK, PALE, WANTED, canvases

# The section of both pages. An included part has to import what it uses itself.
EXCHANGE = """{% if data.exchange %}{% from "grid" import grid %}{% from "drawn" import drawn %}<section id="exchange">
<h2>What renders are worth in labels</h2>
{% for arm, each in data.exchange.items() %}<div class="card">
{% if arm %}<h3>{% if arm in colours %}<span class="dot" style="background:{{ colours[arm] }}"></span>{% endif %}{{ arm
 }}</h3>{% endif %}
<ul>{% for sentence in each.sentences %}<li>{{ sentence[0] | upper }}{{ sentence[1:] }}.</li>
{% endfor %}</ul></div>
{% endfor %}
{% if figures.others.exchange is defined %}
<figure>{{ drawn("Lines of equal error over renders and labels", figures.others.exchange) }}
<figcaption>Lines: the same error, the median of the law error = f(s + T); points: runs; on the left, no
renders. Where a line falls steeply, renders are the better purchase, dollar for dollar.
{% if data.target_error is not none %}
Purple: the error that is wanted, dashed its 95% limits, and the cheapest way to it.{% endif %}</figcaption></figure>
{% endif %}
{% if tables.exchange.rows %}{{ grid(tables.exchange) }}{% endif %}
</section>{% endif %}"""

_LINES = 6
# Wide enough for two panels side by side.
_WIDE = 6.0


def exchange_table(found: Mapping[str, Exchange]) -> Table:
    """One row an arm that has an answer."""
    columns = (
        Column("arm", "arm", lambda row: row[0]),
        Column("runs", "runs", lambda row: len(row[1].runs), numeric=True),
        Column("renders n", "n", lambda row: row[2].n, lambda row: f"{row[2].n:,.0f}", True),
        Column("labels s", "s", lambda row: row[2].s, lambda row: f"{row[2].s:,.0f}", True),
        *_interval("worth, labels", "worth", lambda said: said.worth),
        *_interval("next 1,000 renders, labels", "next_1000", lambda said: said.a_thousand),
        Column(name="render_usd", value=lambda row: _price(row[2], "render_usd")),
        Column(name="label_usd", value=lambda row: _price(row[2], "label_usd")),
        *(_of_the_next_dollar() if any(each.said is not None and each.said.prices for each in found.values()) else ()),
        # The sentences say these.
        *_interval(None, "way_n", lambda said: None if said.way is None else said.way.n),
        *_interval(None, "way_s", lambda said: None if said.way is None else said.way.s),
        *_interval(None, "way_usd", lambda said: None if said.way is None else said.way.usd),
    )
    return Table([(arm, each, each.said) for arm, each in found.items() if each.said is not None], columns)


def _of_the_next_dollar() -> tuple[Column, ...]:
    """Columns that need prices."""
    return (
        Column("next dollar", "verdict", lambda row: row[2].verdict, lambda row: row[2].verdict or "-"),
        Column("P(renders win)", "renders_win", lambda row: row[2].renders_win, lambda row: _chance(row[2]), True),
        # A sentence says it, and the page is no wider.
        *_interval(None, "until", lambda said: said.until),
    )


def exchange_runs_table(found: Mapping[str, Exchange]) -> Table:
    """Every run over both sizes, the references' for each of their arms; for the file alone."""
    columns = (
        Column(name="arm", value=lambda row: row[0]),
        Column(name="n", value=lambda row: row[1].n),
        Column(name="s", value=lambda row: row[1].s),
        Column(name="seed", value=lambda row: row[1].seed),
        Column(name="error", value=lambda row: row[1].error),
    )
    return Table([(arm, run) for arm, each in found.items() for run in each.runs], columns)


def exchange_figure(found: Mapping[str, Exchange], target: float | None, width: float = 9.0) -> Figure:
    """Lines of equal error over n and s, in dollars where both have a price; a panel an arm."""
    fits = [(arm, each.fit, each.said) for arm, each in found.items() if each.fit is not None]
    across = min(2, len(fits)) if width > _WIDE else 1
    figure, panels = canvases(width, 4.2 * -(-len(fits) // across), len(fits), across)
    for axes, (arm, fit, said) in zip(panels, fits, strict=True):
        _panel(axes, fit, said, target)
        if len(fits) > 1:
            axes.set_title(arm, loc="left", fontsize=11, fontweight="bold")
    return figure


def _panel(axes: Axes, fit: ExchangeFit, said: ExchangeAnswer | None, target: float | None) -> None:
    prices = None if said is None else said.prices
    a_render, a_label = (1.0, 1.0) if prices is None else (prices.render_usd, prices.label_usd)
    runs = fit.runs
    least = float(runs.n[runs.n > 0].min())
    n = np.concatenate([[0.0], np.geomspace(least / 4, BEYOND * runs.n.max(), 40)])
    s = np.geomspace(runs.s.min() / BEYOND, BEYOND * runs.s.max(), 40)
    cells = np.meshgrid(n, s)
    error = np.exp(fit.log_error(cells[0].reshape(-1), cells[1].reshape(-1)))
    median = np.median(error, axis=0).reshape(cells[0].shape)
    x, y = a_render * cells[0], a_label * cells[1]
    linear = a_render * least / 2
    axes.set_xscale("symlog", linthresh=linear, linscale=0.5)
    # Powers of ten, but those that would stand on the 0.
    axes.set_xticks([0.0, *(10.0**k for k in range(ceil(log10(linear)), floor(log10(x.max())) + 1))])
    axes.set_yscale("log")
    levels = np.unique(np.round(np.geomspace(median.min(), median.max(), _LINES + 2)[1:-1], 3))
    lines = axes.contour(x, y, median, levels=levels, colors=PALE, linewidths=1.1)
    axes.clabel(lines, fmt=lambda level: f"{100 * level:.3g} %", fontsize=8)
    axes.scatter(a_render * runs.n, a_label * runs.s, s=18, color=INK, zorder=3)
    if target is not None:
        low, high = (np.quantile(error, q, axis=0).reshape(x.shape) for q in (0.025, 0.975))
        for surface, style in ((median, "solid"), (low, "dashed"), (high, "dashed")):
            axes.contour(x, y, surface, levels=[target], colors=WANTED, linewidths=1.3, linestyles=style)
    if said is not None and said.way is not None:
        place = (a_render * said.way.n.median, a_label * said.way.s.median)
        axes.scatter(*place, marker="*", s=130, color=WANTED, zorder=4)
    unit = "" if prices is None else ", dollars"
    axes.set_xlabel(f"renders{unit}")
    axes.set_ylabel(f"labels{unit}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.3g}" if value < 100 else f"{value:,.0f}"))
        axis.set_minor_formatter(NullFormatter())


def _interval(title: str | None, name: str, of: Any) -> tuple[Column, ...]:
    """Median and 95 % interval of images; the page shows them as one where they have a title, `of` gives the interval
    of an answer or None."""

    def part(which: str) -> Any:
        return lambda row: None if of(row[2]) is None else getattr(of(row[2]), which)

    def shown(row: Any) -> str:
        found: Interval | None = of(row[2])
        return "-" if found is None else found.images()

    return (
        Column(title, name, part("median"), shown, numeric=True),
        Column(name=f"{name}_low95", value=part("low")),
        Column(name=f"{name}_high95", value=part("high")),
    )


def _price(said: ExchangeAnswer, which: str) -> float | None:
    return None if said.prices is None else float(getattr(said.prices, which))


def _chance(said: ExchangeAnswer) -> str:
    return "-" if said.renders_win is None else percent(said.renders_win)
