"""The page's tables, as formatted text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from analysis.amounts import money
from analysis.estimator.fit import Estimate
from analysis.report.records import ReportData
from analysis.verdict.no_pretraining import compare
from analysis.verdict.shuffled_labels import what_it_says


@dataclass(frozen=True)
class Table:
    """A table of formatted text; `numeric` are the columns to set to the right."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numeric: tuple[int, ...] = ()
    footer: tuple[str, ...] = ()


def page_tables(data: ReportData) -> dict[str, Table]:
    """The page's tables by name, as formatted text."""
    return {
        "verdicts": _verdict_table(data),
        "fits": _fit_table(data),
        "references": _reference_table(data),
        "controls": _control_table(data),
        "tuning": _tuning_table(data),
        "decisions": _decision_table(data),
        "ledger": _ledger_table(data),
        "versions": _pairs("package", "version", data.versions),
        "seeds": _pairs("of", "seed", data.seeds),
    }


def _verdict_table(data: ReportData) -> Table:
    rows = []
    for arm in data.arms:
        if arm in data.verdicts:
            v = data.verdicts[arm]
            label = v.label if v.leaning is None else f"{v.label} (leaning: {v.leaning})"
            low, high = v.next_doubling_interval
            doubling = f"{v.next_doubling:.1%} ({100 * low:.1f} to {high:.1%})"
            gap = f"{100 * v.C_interval[0]:.1f} to {v.C_interval[1]:.1%}"
            rows.append((arm, label, _chance(v.probability), f"{v.error_now:.1%}", doubling, gap))
    columns = (
        "arm",
        "verdict",
        "probability",
        "error now",
        "next doubling lowers it by",
        "endless rendering leaves",
    )
    return Table(columns, rows, (2, 3, 4, 5))


def _fit_table(data: ReportData) -> Table:
    rows = [
        (
            arm,
            f"{data.fits[arm].n.size}",
            _with_interval(data.fits[arm].alpha),
            _with_interval(data.fits[arm].C),
            f"{data.fits[arm].sigma.mean:.1%}",
            *((_complexity(data, arm),) if data.complexity else ()),
            ("yes: " if data.fits[arm].identified else "no: ") + data.fits[arm].reason,
        )
        for arm in data.arms
        if arm in data.fits
    ]
    measured = ("complexity (nats)",) if data.complexity else ()
    return Table(("arm", "runs", "alpha", "C", "run noise", *measured, "identified"), rows, (1, 2, 3, 4))


def _complexity(data: ReportData, arm: str) -> str:
    if arm not in data.complexity:
        return "not measured"
    found = data.complexity[arm]
    # Of another n or width it is on another scale.
    return f"{found.negative_entropy:.0f} (n = {found.images}, {found.features} features)"


def _reference_table(data: ReportData) -> Table:
    rows = []
    for arm, reference in ((arm, data.references[arm]) for arm in data.arms if arm in data.references):
        tuned = reference.pretrained_learning_rate
        rates = f"{reference.learning_rate:.2g} / " + ("-" if tuned is None else f"{tuned:.2g}")
        if arm in data.fits:
            fit = data.fits[arm]
            seen = compare(fit, int(fit.n.max()), reference.errors)
            measured = _at(data, arm, seen.n)
            spread = f"{seen.reference:.1%} ({len(reference.errors)} repeats)"
            found = (f"{seen.error:.1%}", _chance(seen.probability), rates, seen.sentence)
            rows.append((arm, spread, f"{measured} (n = {seen.n:,})", *found))
        else:
            none = _repeats(reference.errors)
            rows.append((arm, none, "-", "-", "-", rates, "too few sizes were run to compare"))
    columns = ("arm", "error without", "measured with", "by the law", "P(better)", "learning rates without / with")
    return Table((*columns, "in words"), rows, (1, 2, 3, 4, 5))


def _at(data: ReportData, arm: str, n: int) -> str:
    """The errors measured at n, one a run."""
    return ", ".join(f"{seen.error:.1%}" for seen in data.observations if (seen.arm, seen.n) == (arm, n))


def _control_table(data: ReportData) -> Table:
    rows = [
        (c.arm, f"{c.n:,}", _mean(c.shuffled), _mean(c.taught), _mean(c.without), what_it_says(c))
        for c in data.controls
    ]
    columns = ("arm", "n", "labels shuffled", "labels as they are", "no pre-training", "in words")
    return Table(columns, rows, (1, 2, 3, 4))


def _repeats(errors: Sequence[float]) -> str:
    return f"{fmean(errors):.1%} ({len(errors)} repeats)"


def _mean(errors: Sequence[float]) -> str:
    return f"{fmean(errors):.1%} ({len(errors)} fine-tunes)" if errors else "not run"


def _tuning_table(data: ReportData) -> Table:
    rows = [
        (
            t.arm,
            f"{t.n:,}",
            t.chosen,
            f"{t.trials} ({t.stopped} stopped early)",
            f"{t.error:.2%}",
            "-" if t.default_error is None else f"{t.default_error:.2%}",
            f"{t.seconds / 60:.1f}",
            f"${t.dollars:,.3f}",
        )
        for t in data.tuning
    ]
    names = ("arm", "tuned at n", "chosen", "trials", "validation error", "of the recipe's own", "minutes", "dollars")
    seconds, dollars = sum(t.seconds for t in data.tuning), sum(t.dollars for t in data.tuning)
    footer = (
        "total",
        "",
        "",
        str(sum(t.trials for t in data.tuning)),
        "",
        "",
        f"{seconds / 60:.1f}",
        f"${dollars:,.3f}",
    )
    return Table(names, rows, (1, 3, 4, 5, 6, 7), footer if rows else ())


def _decision_table(data: ReportData) -> Table:
    rows = [
        (
            str(d.step),
            d.arm,
            f"{d.n:,}",
            str(d.seed),
            d.reason,
            money(d.cost, data.unit),
            "-" if d.error is None else f"{d.error:.2%}",
            "-" if d.realised is None else f"{d.about}: {d.realised[0]:.3g} to {d.realised[1]:.3g}",
        )
        for d in data.decisions
    ]
    return Table(("step", "arm", "n", "seed", "why", "cost", "error", "what it did"), rows, (0, 2, 3, 5, 6))


def _ledger_table(data: ReportData) -> Table:
    rows = [(s.stage, f"{s.count:,} {s.what}", f"{s.seconds / 60:.1f}", f"${s.dollars:,.3f}") for s in data.ledger]
    seconds, dollars = sum(s.seconds for s in data.ledger), sum(s.dollars for s in data.ledger)
    footer = ("total", "", f"{seconds / 60:.1f}", f"${dollars:,.3f}")
    return Table(("stage", "made", "minutes", "dollars"), rows, (1, 2, 3), footer)


def _pairs(key: str, value: str, pairs: Mapping[str, str] | Mapping[str, int]) -> Table:
    return Table((key, value), [(name, str(each)) for name, each in pairs.items()], (1,))


def _chance(probability: float) -> str:
    """A probability in percent; draws cannot tell one beyond 99.9 % from certainty."""
    return "> 99.9%" if probability > 0.999 else f"{probability:.1%}"


def _with_interval(value: Estimate) -> str:
    low, high = value.interval(0.95)
    return f"{value.mean:.3f} ({low:.3f} to {high:.3f})"
