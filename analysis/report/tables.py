"""The report's tables, each declared once for the page and for its CSV file."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from statistics import fmean

import numpy as np

from analysis.amounts import chance, money
from analysis.estimator.law_fit import Estimate, LawFit, shortest_interval
from analysis.report.columns import Column, Table, percent, spent
from analysis.report.parts.attributes import effects_table, settings_table
from analysis.report.parts.exchange import exchange_runs_table, exchange_table
from analysis.report.records import Observation, Reference, ReportData
from analysis.report.tuning_tables import steps_table, tuning_table
from analysis.verdict.shuffled_labels import what_it_says
from analysis.verdict.verdict import Verdict


def report_tables(data: ReportData) -> dict[str, Table]:
    """Every table by name; the name is that of its file."""
    attributes = {
        "effects": effects_table(data.effects),
        "settings": settings_table(data.effects, have_laws=bool(data.fits)),
    }
    both = {"exchange": exchange_table(data.exchange), "exchange_runs": exchange_runs_table(data.exchange)}
    always = {
        "observations": _observations(data),
        "fits": _fits(data),
        "verdicts": _verdicts(data),
        "references": _references(data),
        "controls": _controls(data),
        "steps": steps_table(data),
        "tuning": tuning_table(data),
        "decisions": _decisions(data),
        "ledger": _ledger(data),
        "versions": _pairs("package", "version", data.versions),
        "seeds": _pairs("of", "seed", data.seeds),
    }
    return (attributes if data.effects else {}) | (both if data.exchange else {}) | always


def _observations(data: ReportData) -> Table:
    """The runs in their order, then the references as rows of n = 0."""
    columns = (
        Column(name="arm"),
        Column(name="n"),
        Column(name="seed"),
        Column(name="error"),
        Column(name="repeats", value=lambda o: len(o.errors)),
        Column(name="errors", value=lambda o: _joined(o.errors)),
        Column(name="order"),
        Column(name="cost"),
        Column(name="seconds"),
    )
    return Table([*data.observations, *data.references.values()], columns)


def _fits(data: ReportData) -> Table:
    measured = (Column("complexity (nats)", text=lambda row: _complexity(data, row[0])),) if data.complexity else ()
    columns = (
        Column("arm", "arm", lambda row: row[0]),
        Column("runs", "runs", lambda row: int(row[1].n.size), numeric=True),
        Column(name="method", value=lambda row: row[1].method),
        *_estimate("alpha", "alpha", lambda fit: fit.alpha, _plain, data.level),
        Column("C, the transfer gap", text=lambda row: _gap(row[1], data.level), numeric=True),
        *_estimate(None, "C", lambda fit: fit.C),
        *_estimate(None, "D", lambda fit: fit.D),
        *_estimate("run noise", "sigma", lambda fit: fit.sigma, _percents, data.level),
        *measured,
        Column(
            "identified",
            "identified",
            lambda row: row[1].identified,
            lambda row: ("yes: " if row[1].identified else "no: ") + row[1].reason,
        ),
        Column(name="reason", value=lambda row: row[1].reason),
    )
    return Table([(arm, data.fits[arm]) for arm in data.arms if arm in data.fits], columns)


def _estimate(
    title: str | None,
    name: str,
    of: Callable[[LawFit], Estimate],
    text: Callable[[float, float, float], str] = lambda *_: "",
    level: float = 0.95,
) -> tuple[Column, ...]:
    """The columns of one value of the law; the page shows its median and the interval that holds `level`, as `text` has
    them."""

    def shown(row: tuple[str, LawFit]) -> str:
        return text(of(row[1]).median, *of(row[1]).interval(level))

    return (
        Column(title, name, lambda row: of(row[1]).median, shown, numeric=True),
        Column(name=f"{name}_mean", value=lambda row: of(row[1]).mean),
        Column(name=f"{name}_sd", value=lambda row: of(row[1]).sd),
        Column(name=f"{name}_low95", value=lambda row: of(row[1]).interval(0.95)[0]),
        Column(name=f"{name}_high95", value=lambda row: of(row[1]).interval(0.95)[1]),
    )


def _complexity(data: ReportData, arm: str) -> str:
    if arm not in data.complexity:
        return "not measured"
    found = data.complexity[arm]
    # Of another n or width it is on another scale.
    return f"{found.negative_entropy:.0f} (n = {found.images}, {found.features} features)"


def _verdicts(data: ReportData) -> Table:
    columns = (
        Column("arm", "arm"),
        Column(
            "verdict",
            "verdict",
            lambda v: v.label,
            lambda v: v.label if v.leaning is None else f"{v.label} (leaning: {v.leaning})",
        ),
        Column("probability", "probability", text=lambda v: chance(v.probability), numeric=True),
        Column(name="leaning"),
        Column("against no pre-training", "against_none", _finding, _beside_none),
        Column("images now", text=lambda v: _images(data, v.arm), numeric=True),
        *_share("error now", "error_now"),
        *_share("next doubling lowers it by", "next_doubling"),
        Column("C, the transfer gap", text=lambda v: _gap(data.fits[v.arm], v.level), numeric=True),
        Column(name="n_needed"),
        Column(name="n_needed_low", value=lambda v: v.n_needed_interval and v.n_needed_interval[0]),
        Column(name="n_needed_high", value=lambda v: v.n_needed_interval and v.n_needed_interval[1]),
        Column(name="cost_needed"),
        Column(name="sentence"),
    )
    return Table([data.verdicts[arm] for arm in data.arms if arm in data.verdicts], columns)


def _images(data: ReportData, arm: str) -> str:
    return f"{data.fits[arm].n.max():,.0f}"


def _finding(verdict: Verdict) -> str | None:
    return None if verdict.without is None else verdict.without.finding


def _beside_none(verdict: Verdict) -> str:
    finding = _finding(verdict)
    return f"{finding} than none" if finding in ("better", "worse") else finding or "not compared"


def _share(title: str, name: str) -> tuple[Column, ...]:
    """The columns of one share of a verdict and of its interval, NAME and NAME_interval."""

    def ends(verdict: Verdict) -> tuple[float, float]:
        return getattr(verdict, f"{name}_interval")

    def text(verdict: Verdict) -> str:
        low, high = ends(verdict)
        return _percents(getattr(verdict, name), low, high)

    return (
        Column(title, name, text=text, numeric=True),
        Column(name=f"{name}_low", value=lambda v: ends(v)[0]),
        Column(name=f"{name}_high", value=lambda v: ends(v)[1]),
    )


def _references(data: ReportData) -> Table:
    """An arm beside no pre-training; its sentence stands in the answer, and its numbers here."""
    titles = (
        "without pre-training",
        "runs with it",
        "lower by, in points",
        "P(lower)",
        "learning rates without / with",
    )
    columns = (
        Column("arm", text=itemgetter(0)),
        *(Column(title, text=itemgetter(at), numeric=at != 2) for at, title in enumerate(titles, 1)),
    )
    return Table([_compared(data, data.references[arm]) for arm in data.arms if arm in data.references], columns)


def _compared(data: ReportData, reference: Reference) -> tuple[str, ...]:
    """The cells of a reference beside its arm, whose verdict holds the comparison, or not yet."""
    arm, tuned = reference.arm, reference.pretrained_learning_rate
    rates = f"{reference.learning_rate:.2g} / " + ("-" if tuned is None else f"{tuned:.2g}")
    seen = data.verdicts[arm].without if arm in data.verdicts else None
    if seen is None:
        return (arm, _repeated(reference.error, len(reference.errors)), *_by_runs(data, reference), "-", rates)
    measured = [each for each in data.observations if (each.arm, each.n) == (arm, seen.n)]
    low, high = seen.interval
    lower = f"{100 * seen.saved:.1f} (95%: {100 * low:.1f} to {100 * high:.1f})"
    return (arm, _repeated(seen.reference, seen.repeats), _at(seen.n, measured), lower, chance(seen.probability), rates)


def _by_runs(data: ReportData, reference: Reference) -> tuple[str, str]:
    """An arm's runs at the largest of its sizes, and how much lower they are, where no law compares them."""
    if reference.arm in data.verdicts:
        return "-", "n = 0 is not finished"
    own = [each for each in data.observations if each.arm == reference.arm]
    if not own:
        return "not run", "-"
    n = max(each.n for each in own)
    largest = [each for each in own if each.n == n]
    fall = 100 * (reference.error - fmean(each.error for each in largest))
    return _at(n, largest), f"{fall:.1f} (too few sizes for an interval)"


def _at(n: int, runs: Sequence[Observation]) -> str:
    return f"n = {n:,}: " + ", ".join(f"{each.error:.1%}" for each in runs)


def _repeated(error: float, fine_tunes: int) -> str:
    return f"{error:.1%} ({fine_tunes} fine-tune{'s' * (fine_tunes != 1)})"


def _controls(data: ReportData) -> Table:
    def errors(title: str, name: str) -> Column:
        return Column(title, name, lambda c: _joined(getattr(c, name)), lambda c: _mean(getattr(c, name)), numeric=True)

    columns = (
        Column("arm", "arm"),
        Column("n", "n", text=lambda c: f"{c.n:,}", numeric=True),
        errors("labels shuffled", "shuffled"),
        errors("labels as they are", "taught"),
        Column(name="without", value=lambda c: _joined(c.without)),
        Column("in words", "sentence", what_it_says),
    )
    return Table(data.controls, columns)


def _decisions(data: ReportData) -> Table:
    columns = (
        Column("step", "step", numeric=True),
        Column("arm", "arm"),
        Column("n", "n", text=lambda d: f"{d.n:,}", numeric=True),
        Column("seed", "seed", numeric=True),
        Column(name="gain"),
        Column("why", text=lambda d: d.reason),
        Column("cost", "cost", text=lambda d: money(d.cost, data.unit), numeric=True),
        Column(name="unit", value=lambda _: data.unit),
        Column("error", "error", text=lambda d: percent(d.error), numeric=True),
        Column(name="reason"),
        Column(
            "what it did to the sd",
            text=lambda d: "-" if d.realised is None else f"{d.about}: {d.realised[0]:.3g} to {d.realised[1]:.3g}",
        ),
        Column(name="about"),
        Column(name="before"),
        Column(name="expected"),
        Column(name="realised_before", value=lambda d: d.realised and d.realised[0]),
        Column(name="realised_after", value=lambda d: d.realised and d.realised[1]),
    )
    return Table(data.decisions, columns)


def _ledger(data: ReportData) -> Table:
    columns = (
        Column("stage", "stage", total="total"),
        Column("made", text=lambda s: f"{s.count:,} {s.what}", numeric=True),
        Column(name="count"),
        Column(name="what"),
        *spent(data.ledger),
    )
    return Table(data.ledger, columns)


def _pairs(key: str, value: str, pairs: Mapping[str, str] | Mapping[str, int]) -> Table:
    columns = (Column(key, text=lambda pair: pair[0]), Column(value, text=lambda pair: str(pair[1]), numeric=True))
    return Table(list(pairs.items()), columns)


def _joined(errors: Sequence[float]) -> str:
    return " ".join(f"{error:.6g}" for error in errors)


def _mean(errors: Sequence[float]) -> str:
    return f"{fmean(errors):.1%} ({len(errors)} fine-tunes)" if errors else "not run"


def _gap(fit: LawFit, level: float) -> str:
    """C, on all images there could be, as verdicts have it."""
    draws = fit.gap()
    low, high = shortest_interval(draws, level)
    return _percents(float(np.median(draws)), float(low), float(high))


def _plain(middle: float, low: float, high: float) -> str:
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _percents(middle: float, low: float, high: float) -> str:
    return f"{middle:.1%} ({100 * low:.1f} to {high:.1%})"
