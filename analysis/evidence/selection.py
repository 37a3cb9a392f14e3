"""How the estimator's open choices are made: a backtest that cannot see what `sweeper bench fit` scores.

Each recorded set is first cut to the part that the bench fits (`Task.seen`). Of that, the largest sizes are hidden
again: those above half, or a quarter, of the curve's largest n. Candidates fit the rest and are scored on what was
hidden. The nine rendering settings whose order the bench judges from n <= 4,000 are fitted but not scored, so
nothing of them above 4,000 takes part in a choice.

Beside the backtests, the log evidence (marginal likelihood) of each set's seen part under each candidate, the nine
settings up to 4,000: see `analysis.evidence.log_evidence`. `sweeper bench selection` measures both.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.estimator.prior import Prior
from analysis.evidence.backtest import Task, curve_errors, posterior_errors
from analysis.evidence.log_evidence import log_evidence
from analysis.paper.other_estimators import OTHER_ESTIMATORS
from analysis.paper.recorded import Curve

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


def backtests(recorded: Sequence[Task], unscored: Collection[str]) -> list[Task]:
    """Backtests inside the fitted parts of `recorded`; curves in `unscored` are fitted, not scored."""
    made = []
    for task in recorded:
        for halvings in _HALVINGS.get(task.name, ()):
            cut = {name: curve.n.max() / 2**halvings for name, curve in task.seen.items()}
            seen: dict[str, Curve] = {name: curve.upto(cut[name]) for name, curve in task.seen.items()}
            hidden = {name: c.beyond(cut[name]) for name, c in task.seen.items() if name not in unscored}
            made.append(Task(f"{task.name} above n/{2**halvings}", seen, hidden, task.groups, task.log))
    return made


def compare(test: Task, candidates: Mapping[str, Prior]) -> list[str]:
    """A line of CSV under `HEAD` for every candidate and other estimator on one backtest.

    Differences are from the first candidate; `se_of_difference`: standard error of their mean over the curves.
    """
    found = {name: posterior_errors(test, prior) for name, prior in candidates.items()}
    first, _ = next(iter(found.values()))
    lines = [_line(name, test, errors, first, f"{np.mean(inside):.3f}") for name, (errors, inside) in found.items()]
    others = [_line(name, test, curve_errors(test, predict), first, "") for name, predict in OTHER_ESTIMATORS.items()]
    return lines + others


def fitted(recorded: Sequence[Task], nine: Collection[str]) -> list[Task]:
    """The sets of which there are backtests, as the bench fits them; the curves in `nine` up to 4,000 only."""
    made = []
    for task in recorded:
        if task.name in _HALVINGS:
            seen = {name: curve.upto(_NINE_SEEN) if name in nine else curve for name, curve in task.seen.items()}
            made.append(replace(task, seen=seen))
    return made


def compare_evidence(of: Task, candidates: Mapping[str, Prior]) -> list[str]:
    """A line of CSV under `EVIDENCE_HEAD` for every candidate, of what is fitted of one set.

    Differences are from the first candidate.
    """
    found = {name: log_evidence(of.seen, of.groups, prior) for name, prior in candidates.items()}
    first = sum(next(iter(found.values())))
    return [
        f"{name},{of.name},{len(of.seen)},{alone + pooling:.2f},{pooling:.2f},{alone + pooling - first:.2f}"
        for name, (alone, pooling) in found.items()
    ]


def _line(name: str, test: Task, errors: Sequence[float], first: Sequence[float], covered: str) -> str:
    apart = np.subtract(errors, first)
    se = apart.std(ddof=1) / np.sqrt(apart.size)
    return f"{name},{test.name},{apart.size},{np.mean(errors):.6f},{apart.mean():.6f},{se:.6f},{covered}"
