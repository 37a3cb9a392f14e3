"""`sweeper bench target`: a target error in five rounds of buying images. Who stops short, who buys too much?

On simulated laws, and on the paper's curves where `data_root` (or SWEEPER_DATA_ROOT) says where they lie.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.evidence.target_rounds import METHODS, ROUNDS, Outcome, collect, recorded, simulated, summary
from analysis.laws import Floats
from sweeper.bench.figures import Figure
from sweeper.bench.recorded import paper_curves
from sweeper.cluster.parallel import in_parallel

_TRUTHS = 200
_REFERENCE = "power_law_regression"
# Sizes of a recorded curve that are at hand at the start.
_AT_HAND = 4


def measure(truths: int | None = None, data_root: Path | None = None) -> dict[str, Figure]:
    """Share of tasks that stop short (`failures`) and what the others buy beyond what was needed (`overspend`).

    Args:
        truths: simulated laws, a task each; 200 by default.
        data_root: the folder of recorded data, by default SWEEPER_DATA_ROOT; without either only simulated tasks.

    Raises:
        BadInput: where the recorded curves cannot be read.
    """
    jobs = [(name, i) for name in METHODS for i in range(truths or _TRUTHS)]
    done = in_parallel(_simulated, jobs, "bench target, simulated")
    found = {name: [o for job, o in zip(jobs, done, strict=True) if job[0] == name] for name in METHODS}
    figures = _figures(found, "")
    if not (data_root or os.environ.get("SWEEPER_DATA_ROOT")):
        return figures
    curves = [_in_order(curve.n, curve.error) for curve in paper_curves(data_root).values()]
    methods = [name for name in METHODS if name != "ours_without_repeats"]
    again = [(name, *curve) for name in methods for curve in curves if curve[0].size > _AT_HAND]
    bought = in_parallel(_recorded, again, "bench target, recorded")
    rungs = {
        name: [o for job, each in zip(again, bought, strict=True) if job[0] == name for o in each] for name in methods
    }
    return figures | _figures(rungs, "recorded_")


def _simulated(method: str, i: int) -> Outcome:
    return collect(METHODS[method], simulated(i))


def _recorded(method: str, n: Floats, error: Floats) -> list[Outcome]:
    # A recorded run is there once: measured again it would say the same.
    buys = METHODS["ours_without_repeats" if method == "ours" else method]
    return [collect(buys, task) for task in recorded(n, error, _AT_HAND)]


def _in_order(n: Floats, error: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(n)
    return n[order], error[order]


def _figures(found: Mapping[str, Sequence[Outcome]], prefix: str) -> dict[str, Figure]:
    failures, overspend = summary(found[_REFERENCE])
    figures = dict[str, Figure]()
    for name, outcomes in found.items():
        suffix = "" if name == "ours" else f"_{name}"
        short, more = summary(outcomes)
        rounds, runs = (np.mean([getattr(each, what) for each in outcomes]) for what in ("rounds", "runs"))
        of = f"{len(outcomes)} tasks, {rounds:.1f} of {ROUNDS} rounds, {runs:.1f} runs; reference: {_REFERENCE}"
        figures[f"{prefix}failures{suffix}"] = Figure(short, failures, f"share of {of}")
        figures[f"{prefix}overspend{suffix}"] = Figure(more, overspend, f"bought beyond need over need, mean of {of}")
        if prefix:
            figures[f"rungs_beyond{suffix}"] = Figure(_rungs(outcomes), _rungs(found[_REFERENCE]), f"doublings, {of}")
    return figures


def _rungs(outcomes: Sequence[Outcome]) -> float:
    """Mean doublings bought beyond the size that was needed, of the tasks that reached it."""
    return float(np.mean([np.log2(each.n / each.needed) for each in outcomes if each.reached]))
