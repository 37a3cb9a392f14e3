"""`sweeper bench exchange`: what renders are worth in labels. Which law, do its intervals hold, and at what cost?

On the paper's recorded grid of n and s, where `data_root` (or SWEEPER_DATA_ROOT) says where it lies, and on simulated
truths of the kind of each law.
"""

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from analysis.evidence.exchange_backtest import HIDES, Covered, Hidden, coverage, score, simulated
from analysis.evidence.exchange_replay import Grid, adaptive, fixed, log_width, regret, share_of_cost, simulated_replay
from analysis.evidence.exchange_truths import KINDS, Table
from analysis.exchange.laws import DEFAULT, LAWS
from analysis.exchange.worth import labels_a_render
from analysis.laws import Floats
from analysis.paper.recorded import JointCurve
from analysis.policy.exchange import Cell
from sweeper.bench.figures import Figure
from sweeper.bench.recorded import paper_grid
from sweeper.cluster.parallel import in_parallel

# The runs of configs/exchange.yaml and, at the largest s, those that were left for afterwards.
TABLE, _REAL_MOST = Path(__file__).parents[2] / "docs" / "measured" / "exchange.csv", 800
_TRUTHS = 20
_PAPER = "paper"
_NOMINAL = 0.95
# Budgets of the replay, as shares of what the whole grid costs.
SHARES = (0.3, 0.4, 0.5, 0.7, 0.9)
_HALF = SHARES.index(0.5)


def measure(truths: int | None = None, data_root: Path | None = None) -> dict[str, Figure]:
    """Errors at hidden s and n of every law, coverage of the intervals, and the replay on the recorded grid.

    Args:
        truths: simulated truths of each kind; 20 by default.
        data_root: the folder of recorded data, by default SWEEPER_DATA_ROOT; without either only simulated truths.

    Raises:
        BadInput: where the recorded grid cannot be read.
    """
    recorded: dict[str, Figure] = {}
    if data_root or os.environ.get("SWEEPER_DATA_ROOT"):
        grid = paper_grid(data_root)
        recorded = _backtest(grid) | _replay(grid)
    return recorded | _real() | _simulated(truths or _TRUTHS) | _simulated_replays(truths or _TRUTHS)


def _backtest(grid: JointCurve) -> dict[str, Figure]:
    table = Table(grid.n, grid.s, grid.error, np.zeros_like(grid.n))
    jobs = [(table, law, hide) for hide in HIDES for law in LAWS]
    found = dict(zip([job[1:] for job in jobs], in_parallel(score, jobs, "bench exchange, hidden"), strict=True))
    figures = dict[str, Figure]()
    for (law, hide), each in found.items():
        theirs = found[_PAPER, hide]
        figures[f"recorded_rmse_hidden_{hide}_{law}"] = Figure(each.rmse, theirs.rmse, "RMSE of log error; law (2)")
        figures[f"recorded_coverage_hidden_{hide}_{law}"] = Figure(each.coverage, _NOMINAL, "share of the hidden runs")
    return figures


def _simulated(truths: int) -> dict[str, Figure]:
    jobs = [(kind, law, i, hide) for kind in KINDS for law in LAWS for i in range(truths) for hide in HIDES]
    found = dict(zip(jobs, in_parallel(simulated, jobs, "bench exchange, simulated"), strict=True))
    figures = dict[str, Figure]()
    for kind in KINDS:
        for hide in HIDES:
            scores = {law: [found[kind, law, i, hide] for i in range(truths)] for law in LAWS}
            figures |= _compared(scores, f"{kind}_truths_hidden_{hide}")
    own = [(kind, i) for kind in KINDS for i in range(truths)]
    held = dict(zip(own, in_parallel(coverage, own, "bench exchange, coverage"), strict=True))
    for kind in KINDS:
        figures |= _coverage(kind, [held[kind, i] for i in range(truths)])
    return figures


def _compared(scores: dict[str, list[Hidden]], name: str) -> dict[str, Figure]:
    figures = dict[str, Figure]()
    of = f"{len(scores[DEFAULT])} truths"
    rmse = np.array([[each.rmse for each in scores[law]] for law in LAWS])
    evidence = np.array([[each.log_evidence for each in scores[law]] for law in LAWS])
    for k, law in enumerate(LAWS):
        medians = np.median(rmse, axis=1)
        figures[f"rmse_{name}_{law}"] = Figure(
            float(medians[k]), float(medians[list(LAWS).index(_PAPER)]), f"median RMSE of log error, {of}; law (2)"
        )
        figures[f"wins_{name}_{law}"] = Figure(float((rmse.argmin(axis=0) == k).mean()), 1 / len(LAWS), f"share, {of}")
        chosen = float((evidence.argmax(axis=0) == k).mean())
        figures[f"evidence_{name}_{law}"] = Figure(chosen, 1 / len(LAWS), f"share with the most evidence, {of}")
    return figures


def _coverage(kind: str, held: Sequence[Covered]) -> dict[str, Figure]:
    asked: dict[str, Callable[[Covered], float]] = {
        "T": lambda each: each.T,
        "next_render": lambda each: each.next_render,
        "predictions": lambda each: each.predictions,
    }
    unit = f"share of 95 % intervals, {len(held)} truths; reference: nominal"
    return {
        f"coverage_{kind}_{name}": Figure(float(np.mean([of(each) for each in held])), _NOMINAL, unit)
        for name, of in asked.items()
    }


def _replay(recorded: JointCurve) -> dict[str, Figure]:
    cells = [Cell(int(n), int(s), 0) for n, s in zip(recorded.n, recorded.s, strict=True)]
    grid = Grid(dict(zip(cells, recorded.error.tolist(), strict=True)))
    known = np.median(labels_a_render(grid.fit(cells), *grid.places()), axis=0)
    at = float(np.unique(recorded.n)[4]), float(np.unique(recorded.s)[3])
    budgets = [share * grid.cost for share in SHARES]
    figures = dict[str, Figure]()
    bought = list(adaptive(grid, budgets, *at)), list(fixed(grid, budgets))
    rows, rivals = ([_regret(grid, paid, known) for paid in each] for each in bought)
    width = _width(grid, cells, at)
    unit = f"log width of the 95 % interval of T at n = {at[0]:,.0f}, s = {at[1]:,.0f}; reference: the whole grid's"
    for name, paid in zip(("", "_fixed_grid"), bought, strict=True):
        figures[f"rate_interval_at_half_cost{name}"] = Figure(_width(grid, paid[_HALF], at), width, unit)
    lost = "mean share of the next dollar's gain lost; reference: the fixed grid at equal cost"
    figures["next_dollar_regret"] = Figure(rows[_HALF], rivals[_HALF], f"{lost}, half of its cost")
    for share, row, rival in zip(SHARES, rows, rivals, strict=True):
        figures[f"next_dollar_regret_at_{share:.0%}".rstrip("%")] = Figure(row, rival, lost)
    return figures


def _real() -> dict[str, Figure]:
    """What the rate costs on the real runs of configs/exchange.yaml, by the policy and by the fixed grid."""
    runs = [row for row in csv.DictReader(TABLE.read_text().splitlines()) if int(row["s"]) <= _REAL_MOST]
    cells = {Cell(int(row["n"]), int(row["s"]), int(row["seed"])): float(row["error"]) for row in runs}
    grid, at = Grid(cells), (max(cell.n for cell in cells), max(cell.s for cell in cells))
    ours = share_of_cost(grid, *at, lambda grid, budgets: adaptive(grid, budgets, *at))
    theirs = share_of_cost(grid, *at, fixed)
    unit = f"share of the cost of {len(cells)} real runs until T at n = {at[0]:,}, s = {at[1]:,} is known as well (1.1)"
    return {"real_cost_to_the_same_interval": Figure(ours, theirs, f"{unit}; reference: the fixed grid's order")}


def _regret(grid: Grid, cells: Sequence[Cell], known: Floats) -> float:
    """Of the next dollar; of a budget that pays too few, nan."""
    try:
        return regret(grid.fit(cells), known, *grid.places())
    except ValueError:
        return float("nan")


def _width(grid: Grid, cells: Sequence[Cell], at: tuple[float, float]) -> float:
    """Log width of the rate's interval; of a budget that pays too few, nan."""
    try:
        return log_width(grid, cells, *at)
    except ValueError:
        return float("nan")


def _simulated_replays(truths: int) -> dict[str, Figure]:
    """The same at half of the cost on simulated grids, whose truth is the oracle."""
    found = in_parallel(simulated_replay, [(i,) for i in range(truths)], "bench exchange, replays")
    of = f"{truths} simulated grids, half of the cost"
    ours = [
        float(np.median([each.adaptive_width for each in found])),
        float(np.mean([e.adaptive_regret for e in found])),
    ]
    theirs = [float(np.median([each.fixed_width for each in found])), float(np.mean([e.fixed_regret for e in found]))]
    width = f"median log width of T's interval over the whole grid's, {of}; reference: the fixed grid at equal cost"
    return {
        "simulated_rate_interval_at_half_cost": Figure(ours[0], theirs[0], width),
        "simulated_next_dollar_regret": Figure(ours[1], theirs[1], f"mean, {of}; reference: likewise"),
    }
