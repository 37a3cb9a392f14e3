"""The page of a recorded table: verdicts, curves and laws, self-contained, with figures and CSV files beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.estimator.law_fit import LawFit
from analysis.report.columns import write_csv
from analysis.report.records import Observation, Reference, ReportData
from analysis.report.tables import report_tables
from analysis.report.write import draw_figures, filled
from analysis.verdict.verdict import Verdict

# The tables of a whole sweep's report that a recorded table has.
_TABLES = ("observations", "fits", "verdicts")

_PAGE = """{% from "grid" import grid %}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{{ data.title }}</title>
<style>{{ style | safe }}</style>
</head>
<body><main>
<h1>{{ data.title }}</h1>
<p class="lead">{{ data.question }}</p>
<section id="answer">
<div class="answers">
{% for verdict in tables.verdicts.rows %}
<div class="card answer tone-{{ verdict.label | slug }}">
<span class="arm"><span class="dot" style="background:{{ colours[verdict.arm] }}"></span>{{ verdict.arm }}</span>
<span class="chip">{{ verdict.label }}</span>
<p>{{ verdict.sentence }}</p>
</div>
{% endfor %}
</div>
{{ grid(tables.verdicts) }}
{% for note in data.notes %}<p class="note">{{ note }}</p>{% endfor %}
</section>
<section id="curves">
<h2>The curves</h2>
<figure><img alt="Error against n, all arms" src="{{ figures.others.comparison | source }}">
<figcaption>Marks: runs, with one standard error; lines: the law error(n) = D n<sup>&minus;alpha</sup> + C, its median
at each n; bands: 90% for the mean error.</figcaption></figure>
<div class="pair">
{% for arm, png in figures.curves.items() %}
<figure><img alt="Curve of {{ arm }}" src="{{ png | source }}"></figure>
{% endfor %}
</div>
</section>
<section id="law">
<h2>alpha and C, and how well they are known</h2>
{{ grid(tables.fits) }}
</section>
</main></body></html>
"""


@dataclass(frozen=True, eq=False)
class FittedTable:
    """What the page shows. All by arm; `references`: errors without pre-training; `notes`: what was left out."""

    title: str
    fits: Mapping[str, LawFit]
    verdicts: Mapping[str, Verdict]
    observations: Sequence[Observation]
    references: Mapping[str, tuple[float, ...]]
    notes: Sequence[str] = ()
    target_error: float | None = None
    classes: int | None = None


def write_fit_page(folder: Path, fitted: FittedTable) -> Path:
    """Write report.html, figures/*.png and tables/*.csv into `folder`, made where it is missing; returns the page."""
    data = _as_report(fitted)
    figures, all_tables = draw_figures(data), report_tables(data)
    tables = {name: all_tables[name] for name in _TABLES}
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for name, png in figures.files().items():
        (folder / "figures" / name).write_bytes(png)
    write_csv(folder / "tables", tables, simulated=False)
    page = folder / "report.html"
    page.write_text(filled(_PAGE, data, figures, tables=tables), encoding="utf-8")
    return page


def _as_report(fitted: FittedTable) -> ReportData:
    """The record that figures and tables are drawn from."""
    return ReportData(
        title=fitted.title,
        question="Render more images, or change how they are rendered?",
        arms=list(fitted.fits),
        observations=fitted.observations,
        fits=fitted.fits,
        verdicts=fitted.verdicts,
        references={arm: _reference(arm, errors) for arm, errors in fitted.references.items() if errors},
        decisions=(),
        ledger=(),
        unit="$",
        stop_reason="",
        config_text="",
        versions={},
        seeds={},
        target_error=fitted.target_error,
        classes=fitted.classes,
        notes=fitted.notes,
    )


def _reference(arm: str, errors: tuple[float, ...]) -> Reference:
    """Errors without pre-training, of whose learning rates a table says nothing."""
    return Reference(arm, errors, float("nan"), None)
