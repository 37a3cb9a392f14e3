"""`sweeper bench factors-calibration`: do 95 % intervals of effects, and of settings never run, hold the truth?

Simulated worlds by kind (`analysis.evidence.factors.worlds`), the additive model true or false; and the stratum
"recorded": settings of the recorded table held out, each task by itself ("recorded_alone") and with the others' tables
known ("recorded"). "curve_share" and "curve_rate" are effects on the share of the gap and on alpha, of simulated laws.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.effects.curves import Quantity
from analysis.evidence.factors.tables import FactorTable
from analysis.evidence.factors.worlds import RUNS, WORLDS, Coverage, curve_world, held_out, world
from sweeper.bench.figures import Figure
from sweeper.bench.lines import check_writable, write
from sweeper.bench.recorded import factor_table
from sweeper.cluster.parallel import in_parallel
from sweeper.errors import BadInput

NOMINAL = 0.95
RECORDED = ("recorded_alone", "recorded")
CURVES: Mapping[str, Quantity] = {"curve_share": "share of gap", "curve_rate": "rate"}
STRATA = (*WORLDS, *CURVES, *RECORDED)
HEAD = "stratum,fits,coverage_effects,se_effects,coverage_unrendered,se_unrendered,width_effects,width_unrendered"
_SIMULATIONS = 200
_BATCH = 20
# Draws of the settings that are fitted, of every recorded task.
_DRAWS = 4
_HELD_OUT_RUNS = (RUNS, 2 * RUNS)


def measure(
    simulations: int | None = None,
    strata: Sequence[str] | None = None,
    data_root: Path | None = None,
    out: Path | None = None,
) -> dict[str, Figure]:
    """Coverage by stratum.

    Args:
        simulations: worlds of each kind; 200 by default.
        strata: names of STRATA; all by default.
        data_root: folder of the recorded table, for the strata of RECORDED.
        out: the CSV file to write, a line a stratum.

    Raises:
        BadInput: where there is no such stratum, no recorded table, or `out` cannot be used.
    """
    asked = list(strata or STRATA)
    for name in asked:
        if name not in STRATA:
            raise BadInput(f"there is no stratum {name!r}; choose of {', '.join(STRATA)}")
    check_writable(out, HEAD)
    table = factor_table(data_root) if any(name in RECORDED for name in asked) else None
    jobs = [job for name in asked for job in _jobs(name, simulations or _SIMULATIONS, table)]
    done = in_parallel(_fits, jobs, "bench factors-calibration")
    figures, lines = dict[str, Figure](), list[str]()
    for name in asked:
        own = [each for job, found in zip(jobs, done, strict=True) if job[0] == name for each in found]
        told = np.array([(c.effects, c.unrendered, c.effect_width, c.unrendered_width) for c in own])
        mean, error = told.mean(axis=0), told.std(axis=0) / np.sqrt(len(told))
        for at, what in enumerate(("effects", "unrendered")):
            unit = f"share of 95 % intervals, {len(own)} fits (+- {error[at]:.3f}); reference: nominal"
            figures[f"coverage_{what}_{name}"] = Figure(float(mean[at]), NOMINAL, unit)
        values = (mean[0], error[0], mean[1], error[1], mean[2], mean[3])
        lines.append(",".join([name, str(len(own)), *(f"{value:.4f}" for value in values)]))
    write(out, HEAD, lines)
    return figures


Job = tuple[str, int, int, FactorTable | None]


def _jobs(name: str, simulations: int, table: FactorTable | None) -> list[Job]:
    """A stratum in parts: worlds from a first number on, or a recorded task."""
    if name in RECORDED:
        assert table is not None
        return [(name, task, 1, table) for task in range(len(table.tasks))]
    return [(name, i, min(_BATCH, simulations - i), None) for i in range(0, simulations, _BATCH)]


def _fits(name: str, first: int, count: int, table: FactorTable | None) -> list[Coverage]:
    numbers = range(first, first + count)
    if name in CURVES:
        found = (curve_world(number) for number in numbers)
        return [each[CURVES[name]] for each in found if CURVES[name] in each]
    if table is None:
        return [world(name, number) for number in numbers]
    alone = name == "recorded_alone"
    return [held_out(table, first, runs, alone=alone, seed=seed) for runs in _HELD_OUT_RUNS for seed in range(_DRAWS)]
