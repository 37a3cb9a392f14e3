"""`sweeper bench reality`: what the table of real runs says of the noise model, of bands and of verdicts.

The table is docs/measured/reality.parquet, as `sweeper collect` writes it (docs/measurements/reality.md).
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from analysis.evidence.measured_curves import Noise, SeededCurve, held_out_seeds, judge_doublings, noise_by_size
from sweeper.bench.figures import Figure
from sweeper.errors import BadInput

TABLE = Path(__file__).parents[2] / "docs" / "measured" / "reality.parquet"
_CURVE = (
    "dataset",
    "s",
    "backbone",
    "rendering",
    "attributes",
    "pretrain_task",
    "finetune_task",
    "sweep_seed",
    "views",
    "steps",
)


def measure(table: Path | None = None) -> dict[str, Figure]:
    """Noise by size, coverage of held-out seeds and sizes, verdicts on the last doubling; BadInput without a table."""
    curves = read_curves(table or TABLE)
    noises = noise_by_size(list(curves.values()))
    smallest = next((noise for noise in noises if noise.pretrain > 0), noises[0]) if noises else None
    figures = {name: figure for noise in noises for name, figure in _noise_figures(noise, smallest or noise).items()}
    seeds, judged = held_out_seeds(curves), judge_doublings(curves)
    share = seeds.inside / seeds.runs if seeds.runs else float("nan")
    told = f"{seeds.inside} of {seeds.runs} runs of held-out seeds above a quarter of the largest n in the 95 % band"
    figures["coverage_held_out"] = Figure(share, 0.95, f"{told}; {seeds.identified} of {seeds.fits} fits identified")
    given = judged.right + judged.wrong + judged.near
    said = f"of {given} verdicts on the last doubling; {judged.near} too near to judge, {judged.none} not given"
    figures["verdicts_right"] = Figure(judged.right, given - judged.near, said)
    return figures


def read_curves(table: Path) -> dict[str, SeededCurve]:
    """The curves of a table of `sweeper collect`, by name: n = 0 left out, a run the mean of its fine-tunes.

    A run that two sweeps have done, bit for bit, counts once.
    """
    if not table.is_file():
        raise BadInput(f"{table} is not there; `sweeper collect RUN --out {table}` makes it")
    runs: dict[str, dict[tuple[int, int], dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in pq.read_table(table, columns=[*_CURVE, "n", "seed", "repeat", "error"]).to_pylist():
        if row["n"] > 0:
            name = "/".join(str(row[column]) for column in _CURVE)
            runs[name][row["n"], row["seed"]][row["repeat"]] = float(np.log(row["error"]))
    return {name: _curve(own) for name, own in sorted(runs.items())}


def _curve(runs: dict[tuple[int, int], dict[int, float]]) -> SeededCurve:
    keys = sorted(runs)
    tunes = [np.array(list(runs[key].values())) for key in keys]
    return SeededCurve(
        n=np.array([float(n) for n, _ in keys]),
        seed=np.array([float(seed) for _, seed in keys]),
        log_error=np.array([each.mean() for each in tunes]),
        variance=np.array([each.var(ddof=1) if each.size > 1 else np.nan for each in tunes]),
        repeats=np.array([float(each.size) for each in tunes]),
    )


def _noise_figures(noise: Noise, smallest: Noise) -> dict[str, Figure]:
    unit = "sd of log error"
    beside = f"{unit}; {noise.dof} degrees of freedom; reference: at n = {smallest.n:,}"
    return {
        f"finetune_noise_n{noise.n}": Figure(noise.finetune, smallest.finetune, f"{unit} of one fine-tune"),
        f"pretrain_noise_n{noise.n}": Figure(noise.pretrain, smallest.pretrain, beside),
    }
