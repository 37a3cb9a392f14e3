"""How the estimator's open choices are made: a backtest that cannot see what `sweeper bench fit` scores.

Each recorded set is first cut to the part that the bench fits (`Task.seen`). Of that, the largest sizes are hidden
again: those above half, or a quarter, of the curve's largest n. Candidates fit the rest and are scored on what was
hidden. The nine rendering settings whose order the bench judges from n <= 4,000 are fitted but not scored, so
nothing of them above 4,000 takes part in a choice.

Beside the backtests, the log evidence (marginal likelihood) of each set's seen part under each candidate, the nine
settings up to 4,000: see `analysis.evidence.log_evidence`.

    python -m analysis.evidence.selection --data-root DATA --out docs/estimator-selection.csv \\
        --evidence docs/estimator-evidence.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.estimator.prior import Prior
from analysis.evidence.backtest import Task, curve_errors, nine_renderings, posterior_errors, tasks
from analysis.evidence.log_evidence import log_evidence
from analysis.paper.other_estimators import OTHER_ESTIMATORS
from analysis.paper.recorded import Curve, read_few_shot, read_paper

SHIPPED = Prior()
CANDIDATES: Mapping[str, Prior] = {
    "shipped": SHIPPED,
    "share of gap uniform": replace(SHIPPED, r_a=1.0),
    "share of gap 3 r^2": replace(SHIPPED, r_a=3.0),
    "groups not pooled": replace(SHIPPED, pooled_share=1e-9),
    "groups pooled 0.5": replace(SHIPPED, pooled_share=0.5),
    "noise spread 0.25": replace(SHIPPED, noise_spread=0.25),
    "noise spread 1": replace(SHIPPED, noise_spread=1.0),
    "noise slope 0": replace(SHIPPED, sigma_slope=0.0),
    "noise slope 0.5": replace(SHIPPED, sigma_slope=0.5),
    "no discrepancy": replace(SHIPPED, discrepancy_share=0.0),
    "discrepancy share 0.1": replace(SHIPPED, discrepancy_share=0.1),
    "discrepancy share 0.5": replace(SHIPPED, discrepancy_share=0.5),
}
# Halvings of a curve's largest n; a set is left out where fewer than three sizes would remain.
_HALVINGS = {"64k": (1, 2), "1280k": (1,), "few_shot": (1, 2)}
HEAD = "candidate,hidden,curves,rmse,difference,se_of_difference,coverage_90"
EVIDENCE_HEAD = "candidate,seen,curves,log_evidence,of_it_by_pooling,difference"
# The order of the nine settings is judged from sizes up to here.
_NINE_SEEN = 4_000


def backtests(scored_sets: Sequence[Task], unscored: Collection[str]) -> list[Task]:
    """Backtests inside the fitted parts of `scored_sets`; curves in `unscored` are fitted, not scored."""
    made = []
    for task in scored_sets:
        for halvings in _HALVINGS.get(task.name, ()):
            cut = {name: curve.n.max() / 2**halvings for name, curve in task.seen.items()}
            seen: dict[str, Curve] = {name: curve.upto(cut[name]) for name, curve in task.seen.items()}
            hidden = {name: c.beyond(cut[name]) for name, c in task.seen.items() if name not in unscored}
            made.append(Task(f"{task.name} above n/{2**halvings}", seen, hidden, task.groups, task.log))
    return made


def compare(test: Task, candidates: Mapping[str, Prior], done: Collection[str] = ()) -> Iterator[str]:
    """A line of CSV under `HEAD` for every candidate and other estimator on one backtest that is not in `done`.

    Differences are from the first candidate; `se_of_difference`: standard error of their mean over the curves.
    """
    if {*candidates, *OTHER_ESTIMATORS} <= set(done):
        return
    first: list[float] = []
    for name, prior in candidates.items():
        if first and name in done:
            continue
        errors, inside = posterior_errors(test, prior)
        first = first or errors
        if name not in done:
            yield _line(name, test, errors, first, f"{np.mean(inside):.3f}")
    for name, predict in OTHER_ESTIMATORS.items():
        if name not in done:
            yield _line(name, test, curve_errors(test, predict), first, "")


def evidence_lines(scored_sets: Sequence[Task], nine: Collection[str]) -> Iterator[str]:
    """A line of CSV under `EVIDENCE_HEAD` for every candidate and set; differences are from the first candidate."""
    for task in scored_sets:
        if task.name not in _HALVINGS:
            continue
        seen = {name: curve.upto(_NINE_SEEN) if name in nine else curve for name, curve in task.seen.items()}
        first: float | None = None
        for name, prior in CANDIDATES.items():
            alone, pooling = log_evidence(seen, task.groups, prior)
            first = alone + pooling if first is None else first
            yield f"{name},{task.name},{len(seen)},{alone + pooling:.2f},{pooling:.2f},{alone + pooling - first:.2f}"


def _line(name: str, test: Task, errors: Sequence[float], first: Sequence[float], covered: str) -> str:
    apart = np.subtract(errors, first)
    se = apart.std(ddof=1) / np.sqrt(apart.size)
    return f"{name},{test.name},{apart.size},{np.mean(errors):.6f},{apart.mean():.6f},{se:.6f},{covered}"


def main() -> None:
    """Write the table line by line; a run that was cut short goes on with the lines that the file lacks."""
    asked = argparse.ArgumentParser(description="Score the estimator's candidates inside the parts that are fitted.")
    asked.add_argument("--data-root", type=Path, required=True, help="the folder that holds curves/")
    asked.add_argument("--out", type=Path, required=True, help="the CSV file to write, or to go on with")
    asked.add_argument("--evidence", type=Path, help="the CSV file to write the log evidence to")
    given = asked.parse_args()
    paper = read_paper(given.data_root / "curves" / "cg_transfer_finetune.csv")
    few_shot = read_few_shot(given.data_root / "curves" / "alabdulmohsin_vision.csv")
    nine = {setting.name for setting in nine_renderings(paper)}
    lines = given.out.read_text(encoding="utf-8").splitlines()[1:] if given.out.exists() else []
    recorded = tasks(paper, few_shot)
    if given.evidence:
        given.evidence.write_text("\n".join([EVIDENCE_HEAD, *evidence_lines(recorded, nine)]) + "\n", encoding="utf-8")
    for test in backtests(recorded, nine):
        done = {line.split(",")[0] for line in lines if line.split(",")[1] == test.name}
        for line in compare(test, CANDIDATES, done):
            lines.append(line)
            given.out.write_text("\n".join([HEAD, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
