"""The page of a recorded table: verdicts, curves and laws, self-contained, with figures and CSV files beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.estimator.law_fit import LawFit
from analysis.report.columns import write_csv
from analysis.report.page import QUESTION
from analysis.report.records import Exchange, Observation, Reference, ReportData
from analysis.report.tables import report_tables
from analysis.report.write import draw_figures, filled, for_page, write_figures
from analysis.verdict.verdict import Verdict

# The tables of a whole sweep's report that a recorded table has.
_TABLES = ("observations", "fits", "verdicts", "exchange", "exchange_runs")

_PAGE = """{% from "head" import head %}{% from "grid" import grid %}{% from "drawn" import drawn %}
{% from "answers" import ranked, card, facts %}{{ head(data.title, style) }}
<body><main>
<h1>{{ data.title }}</h1>
<p class="lead">{{ data.question }}</p>
{% include "exchange" %}
<section id="answer">
{% if data.exchange %}<h2>At each s</h2>{% endif %}
{{ ranked(rankings) }}
<div class="answers">
{% for verdict in tables.verdicts.rows %}{{ card(verdict, colours[verdict.arm], {}) }}
{% endfor %}
</div>
{{ facts((), tested) }}
{% for note in data.notes %}<p class="note">{{ note }}</p>{% endfor %}
</section>
<section id="curves">
<h2>The curves</h2>
{% if figures.others.comparison is defined %}
<figure>{{ drawn("Error against n, all arms", figures.others.comparison) }}
<figcaption>Marks: runs, with one standard error; lines: the law error(n) = D n<sup>&minus;alpha</sup> + C, its median
at each n; bands: 90% for the mean error.</figcaption></figure>
{% endif %}
<div class="pair">
{% for arm, figure in figures.curves.items() %}
<figure>{{ drawn("Curve of " ~ arm, figure) }}</figure>
{% endfor %}
</div>
{{ grid(tables.verdicts) }}
</section>
<section id="law">
<h2>alpha and C, and how well they are known</h2>
{{ grid(tables.fits) }}
</section>
</main></body></html>
"""


@dataclass(frozen=True, eq=False)
class FittedTable:
    """What the page shows. All by arm; `references`: errors without pre-training; `notes`: what was left out;
    `tasks`: fine-tuning tasks, within which arms are compared; `exchange`: what renders are worth in labels."""

    title: str
    fits: Mapping[str, LawFit]
    verdicts: Mapping[str, Verdict]
    observations: Sequence[Observation]
    references: Mapping[str, tuple[float, ...]]
    notes: Sequence[str] = ()
    target_error: float | None = None
    classes: int | None = None
    tasks: Mapping[str, str] = field(default_factory=dict)
    exchange: Mapping[str, Exchange] = field(default_factory=dict)


def write_fit_page(folder: Path, fitted: FittedTable) -> Path:
    """Write report.html, figures/*.png and tables/*.csv into `folder`, made where it is missing; returns the page."""
    data = _as_report(fitted)
    shown, tables = for_page(data), report_tables(data)
    figures, tables = draw_figures(shown), {name: tables[name] for name in _TABLES if name in tables}
    write_figures(folder, figures)
    write_csv(folder / "tables", tables, simulated=False)
    page = folder / "report.html"
    page.write_text(filled(_PAGE, shown, figures, tables=report_tables(shown)), encoding="utf-8")
    return page


def _as_report(fitted: FittedTable) -> ReportData:
    """The record that figures and tables are drawn from."""
    return ReportData(
        title=fitted.title,
        question=QUESTION[bool(fitted.exchange)],
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
        tasks=fitted.tasks,
        exchange=fitted.exchange,
    )


def _reference(arm: str, errors: tuple[float, ...]) -> Reference:
    """Errors without pre-training, of whose learning rates a table says nothing."""
    return Reference(arm, errors, float("nan"), None)
