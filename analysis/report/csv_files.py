"""The report's tables as CSV: raw values, one file each."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

from analysis.report.records import ReportData
from analysis.verdict.shuffled_labels import what_it_says

# Rows hold numbers, text, booleans, and None, which CSV leaves empty.
Raw = tuple[list[str], list[list[object]]]


def write_csv(folder: Path, data: ReportData) -> list[Path]:
    """Write observations, fits, verdicts, controls, tuning, decisions and ledger into `folder`; returns the paths.

    The first column of each says whether the errors are simulated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "observations": _observations(data),
        "fits": _fits(data),
        "verdicts": _verdicts(data),
        "controls": _controls(data),
        "tuning": _tuning(data),
        "decisions": _decisions(data),
        "ledger": _ledger(data),
    }
    paths = []
    for name, (header, rows) in tables.items():
        path = folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["simulated", *header])
            writer.writerows([data.simulated, *row] for row in rows)
        paths.append(path)
    return paths


def _observations(data: ReportData) -> Raw:
    """The runs in their order, then the references as rows of n = 0."""
    header = ["arm", "n", "seed", "error", "repeats", "errors", "order", "cost", "seconds"]
    runs: list[list[object]] = [
        [o.arm, o.n, o.seed, o.error, len(o.errors), _joined(o.errors), o.order, o.cost, o.seconds]
        for o in data.observations
    ]
    references: list[list[object]] = [
        [r.arm, 0, None, fmean(r.errors), len(r.errors), _joined(r.errors), None, None, None]
        for r in data.references.values()
    ]
    return header, runs + references


def _fits(data: ReportData) -> Raw:
    header = ["arm", "runs", "method"]
    for name in ("alpha", "C", "D", "sigma"):
        header += [name, f"{name}_sd", f"{name}_median", f"{name}_low95", f"{name}_high95"]
    rows: list[list[object]] = []
    for arm, fit in data.fits.items():
        row: list[object] = [arm, int(fit.n.size), fit.method]
        for value in (fit.alpha, fit.C, fit.D, fit.sigma):
            row += [value.mean, value.sd, value.median, *value.interval(0.95)]
        rows.append([*row, fit.identified, fit.reason])
    return [*header, "identified", "reason"], rows


def _verdicts(data: ReportData) -> Raw:
    header = ["arm", "verdict", "probability", "leaning", "error_now", "next_doubling"]
    header += ["n_needed", "n_needed_low", "n_needed_high", "cost_needed", "sentence"]
    rows: list[list[object]] = []
    for arm, v in data.verdicts.items():
        said = [arm, v.label, v.probability, v.leaning, v.error_now, v.next_doubling]
        needed = [v.n_needed, *(v.n_needed_interval or (None, None)), v.cost_needed]
        rows.append([*said, *needed, v.sentence])
    return header, rows


def _controls(data: ReportData) -> Raw:
    header = ["arm", "n", "shuffled", "taught", "without", "sentence"]
    rows: list[list[object]] = [
        [c.arm, c.n, _joined(c.shuffled), _joined(c.taught), _joined(c.without), what_it_says(c)] for c in data.controls
    ]
    return header, rows


def _tuning(data: ReportData) -> Raw:
    header = ["arm", "n", "chosen", "trials", "stopped", "error", "default_error", "seconds", "dollars", "tuned_on"]
    rows: list[list[object]] = [
        [t.arm, t.n, t.chosen, t.trials, t.stopped, t.error, t.default_error, t.seconds, t.dollars, data.tuned_on]
        for t in data.tuning
    ]
    return header, rows


def _decisions(data: ReportData) -> Raw:
    header = ["step", "arm", "n", "seed", "gain", "cost", "unit", "error", "reason"]
    header += ["about", "before", "expected", "realised_before", "realised_after"]
    rows: list[list[object]] = []
    for d in data.decisions:
        row: list[object] = [d.step, d.arm, d.n, d.seed, d.gain, d.cost, data.unit, d.error, d.reason]
        rows.append([*row, d.about, d.before, d.expected, *(d.realised or (None, None))])
    return header, rows


def _ledger(data: ReportData) -> Raw:
    header = ["stage", "count", "what", "seconds", "dollars"]
    return header, [[s.stage, s.count, s.what, s.seconds, s.dollars] for s in data.ledger]


def _joined(errors: tuple[float, ...]) -> str:
    return " ".join(f"{error:.6g}" for error in errors)
