"""The reproduction as CSV tables and one self-contained HTML page with its figures."""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analysis.paper.full_law import loss_landscape
from analysis.paper.recorded import Setting
from analysis.paper.tables import PAPER_D, Cell, Fits, Table
from analysis.report.style import STYLE, environment

matplotlib.use("Agg")

_PAGE = """{% from "head" import head %}{{ head("The paper, reproduced", style) }}
<body><main>
<h1>A Scaling Law for Syn2real Transfer, from its published measurements</h1>
{% for table in tables %}<section>
<h2>{{ table.title }}</h2>
<p class="note">{{ table.note }}</p>
{% if table.name in figures %}<figure class="light"><img alt="{{ table.title }}" src="data:image/png;base64,{{
 figures[table.name] }}"></figure>{% endif %}
<div class="card table"><table><thead><tr>{% for name in table.columns %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>
{% for cell in row %}<td data-label="{{ table.columns[loop.index0] }}">{{ shown(cell) }}</td>
{% endfor %}</tr>
{% endfor %}</tbody></table></div>
</section>
{% endfor %}</main></body></html>"""


def write_reproduction(tables: Sequence[Table], fits: Fits, out: Path) -> Path:
    """Write tables/NAME.csv and reproduce.html under `out`; returns the page's path."""
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for table in tables:
        with (out / "tables" / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([table.columns, *table.rows])
    figures = {"figure_4": _model_size(fits), "appendix_C3": _linearised(fits)}
    named = {table.name: table for table in tables}
    figures |= {"figure_5": _foretold(named["figure_5"]), "appendix_C2": _full_law(named["appendix_C2"])}
    if pairs := fits.all_random_r50():
        figures |= {"figure_1": _curves(fits, pairs), "appendix_D": _landscape(fits)}
    if levels := [s for s in fits.curves if s.rendering.startswith("bop-lv")]:
        figures["figure_6"] = _curves(fits, levels)
    page = out / "reproduce.html"
    page.write_text(_page(tables, {name: _embed(figure) for name, figure in figures.items()}), encoding="utf-8")
    return page


def _curves(fits: Fits, chosen: Sequence[Setting]) -> Figure:
    figure, axes = _panels(len(chosen))
    for axis, setting in zip(axes, chosen, strict=False):
        curve = fits.curves[setting]
        n = np.geomspace(curve.n.min(), 4 * curve.n.max(), 60)
        low, high = fits.posterior[setting].band(n, 0.9)
        axis.fill_between(n, low, high, alpha=0.25, lw=0)
        axis.plot(n, fits.posterior[setting].predict(n), label="posterior, 90 % band")
        axis.plot(n, fits.nls[setting].predict(n), "--", label="least squares, D = 0.48")
        axis.plot(curve.n, curve.error, "k.")
        axis.set(xscale="log", yscale="log")
        axis.set_title(f"{setting.pretrain_task} > {setting.finetune_task} {setting.rendering}", fontsize=8)
    axes[0].legend(fontsize=6)
    return figure


def _model_size(fits: Fits) -> Figure:
    figure, (axis,) = _panels(1)
    for task, own in fits.by_model_size():
        gaps = [fits.posterior[s].C for s in own]
        bars = np.array([[g.mean - g.interval(0.95)[0], g.interval(0.95)[1] - g.mean] for g in gaps]).T
        size = [s.million_parameters for s in own]
        axis.errorbar(size, [g.mean for g in gaps], np.maximum(bars, 0), marker="o", label=task)
        axis.plot(size, [fits.nls[s].C.mean for s in own], "x--", color="grey")
    axis.set(xscale="log", xlabel="million parameters", ylabel="C (posterior, 95 %); x: least squares")
    axis.legend(fontsize=7)
    return figure


def _foretold(table: Table) -> Figure:
    """The rows of means: a group of bars for what was predicted, a bar a method."""
    figure, (axis,) = _panels(1)
    means = [row for row in table.rows if str(row[1]).startswith("mean of")]
    methods = table.columns[2:]
    for i, method in enumerate(methods):
        axis.bar(np.arange(len(means)) + 0.8 * i / len(methods), [float(row[2 + i] or 0) for row in means], 0.16)
        axis.containers[-1].set_label(method)
    axis.set_xticks(np.arange(len(means)) + 0.32, [f"{row[0]}\n({row[1]})" for row in means], fontsize=6)
    axis.set(ylabel="RMSE")
    axis.legend(fontsize=7)
    return figure


def _full_law(table: Table) -> Figure:
    """Every fit's values with their standard errors; dashed, what the paper prints."""
    figure, axes = _panels(4)
    for axis, name in zip(axes, ("alpha", "beta", "gamma", "delta"), strict=True):
        rows = [row for row in table.rows if row[1] == name]
        value, error = (np.array([float(row[at] or 0) for row in rows]) for at in (2, 3))
        axis.errorbar(value, np.arange(len(rows)), xerr=np.minimum(np.nan_to_num(error), value), fmt="o", ms=3)
        axis.axvline(float(rows[0][4] or 0), color="grey", ls="--")
        axis.set(xscale="log" if name in ("gamma", "delta") else "linear")
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=6)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_yticks(np.arange(len(rows)), [str(row[0]) for row in rows] if axis is axes[0] else [], fontsize=5)
    return figure


def _linearised(fits: Fits) -> Figure:
    figure, (axis,) = _panels(1)
    for fit in fits.nls.values():
        above = fit.error - fit.C.mean
        axis.plot(fit.n[above > 0], above[above > 0], ".-", lw=0.6)
    axis.set(xscale="log", yscale="log", xlabel="n", ylabel="error - C (D = 0.48)")
    return figure


def _landscape(fits: Fits) -> Figure:
    curves = [(fits.curves[s].n, fits.curves[s].error) for s in fits.all_random_r50()]
    alpha, D = np.linspace(0.05, 1.0, 60), np.linspace(0.05, 2.0, 50)
    figure, (axis,) = _panels(1)
    shown = axis.contourf(D, alpha, np.log10(loss_landscape(curves, alpha, D)), 25)
    figure.colorbar(shown, label="log10 RMSE, mean over ResNet-50 settings")
    axis.axvline(PAPER_D, color="white", ls="--")
    axis.set(xlabel="D", ylabel="alpha")
    return figure


def _panels(count: int) -> tuple[Figure, list]:
    columns = min(count, 4)
    rows = -(-count // max(columns, 1))
    size = (6.0, 4.0) if count == 1 else (2.8 * columns, 2.2 * rows)
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, columns, squeeze=False)))


def _embed(figure: Figure) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return base64.b64encode(stream.getvalue()).decode()


def _page(tables: Sequence[Table], figures: Mapping[str, str]) -> str:
    template = environment().from_string(_PAGE)
    return template.render(style=STYLE, tables=tables, figures=figures, shown=_shown) + "\n"


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
