"""The results table: one immutable Parquet part a fine-tune, readable while it grows.

A run is (arm, n, seed): one pre-training, fine-tuned `repeats` times. Rows with `split` "test" are observations;
rows with "validation" are learning rates that were tried on folds of the real training images.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.config import SweepConfig
from sweeper.plan import make_plan
from sweeper.study import study

log = logging.getLogger("sweeper")

VERSIONS = " ".join(f"{name}={version(name)}" for name in ("ray", "torch", "bpy", "blenderproc", "numpy"))


@dataclass(frozen=True)
class Observation:
    """One fine-tune. `error` = 1 - metric in [0, 1]; `cost` in device-seconds; n = 0: no pre-training.

    `study`: hash of all that its error depends on (`sweeper.study`).
    """

    arm: str
    rendering: str
    pretrain_task: str
    backbone: str
    finetune_task: str
    n: int
    s: int
    seed: int
    repeat: int
    split: str
    error: float
    lr: float
    cost: float
    seconds: float
    checkpoint: str
    study: str
    versions: str

    @property
    def file_name(self) -> str:
        """Name of its part: the same fine-tune always has the same."""
        arm = self.arm.replace("/", "~")
        kind = f"lr{self.lr:.3e}" if self.split == "validation" else f"r{self.repeat}"
        return f"{arm}_n{self.n}_seed{self.seed}_{self.split}_{kind}_{self.study}.parquet"


@dataclass(frozen=True)
class Run:
    """All fine-tunes of one (arm, n, seed): the mean of their log errors, and the variance of that mean.

    `variance` is None for a single fine-tune.
    """

    arm: str
    n: int
    seed: int
    log_error: float
    variance: float | None
    repeats: int
    lr: float
    cost: float

    @property
    def error(self) -> float:
        """Geometric mean of the errors of its fine-tunes."""
        return float(np.exp(self.log_error))


def write(folder: Path, observation: Observation) -> None:
    """Add one part, atomically; writing it again changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / observation.file_name
    part = target.with_name(f".{target.name}.{os.getpid()}")
    pq.write_table(pa.Table.from_pylist([asdict(observation)]), part)
    part.replace(target)


def read(folder: Path, config: SweepConfig) -> list[Observation]:
    """The rows that belong to this config, ordered by arm, n, seed, split and repeat.

    Rows measured under another recipe, data set or rendering setting are left where they are and left out.
    """
    names = {f.name for f in fields(Observation)}
    rows: list[dict[str, Any]] = []
    for part in sorted(folder.glob("*.parquet")):
        try:
            rows.extend(pq.read_table(part).to_pylist())
        except (pa.ArrowException, OSError) as error:
            log.warning("results part %s is damaged (%s) and left out; `sweeper run` measures it anew", part, error)
    plan = make_plan(config)
    studies = {arm.name: study(config, arm) for arm in (*plan.references, *plan.arms)}
    observations = [Observation(**{k: v for k, v in row.items() if k in names}) for row in rows]
    current = [o for o in observations if studies.get(o.arm) == o.study]
    return sorted(current, key=lambda o: (o.arm, o.n, o.seed, o.split, o.repeat, o.lr))


def discard_damaged(folder: Path) -> int:
    """Remove the parts that cannot be read, and say so: the sweep goes on as if they had not been measured."""
    damaged = 0
    for part in folder.glob("*.parquet"):
        try:
            pq.read_table(part)
        except (pa.ArrowException, OSError) as error:
            log.warning("results part %s is damaged (%s); it is measured anew", part, error)
            part.unlink()
            damaged += 1
    return damaged


def runs(observations: Iterable[Observation]) -> list[Run]:
    """Observations on the test split, gathered into runs."""
    groups: dict[tuple[str, int, int], list[Observation]] = defaultdict(list)
    for row in observations:
        if row.split == "test":
            groups[row.arm, row.n, row.seed].append(row)
    return [_run(rows) for rows in groups.values()]


def _run(rows: list[Observation]) -> Run:
    # An error of exactly 0 has no logarithm; half a part in ten thousand is below any test split's resolution.
    logs = np.log([max(row.error, 5e-5) for row in rows])
    variance = float(np.var(logs, ddof=1) / len(logs)) if len(logs) > 1 else None
    first = rows[0]
    return Run(
        first.arm,
        first.n,
        first.seed,
        float(logs.mean()),
        variance,
        len(rows),
        first.lr,
        sum(row.cost for row in rows),
    )
