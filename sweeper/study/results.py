"""The results table: one immutable Parquet part a fine-tune, readable while it grows.

A run is (arm, n, s, seed): one pre-training, fine-tuned `repeats` times. Rows with `split` "test" are observations;
rows with "validation" are recipe values that were tried on folds of the real training images.
"""

import hashlib
import json
import logging
import os
import platform
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.estimator.observations import counted_error, log_counted
from analysis.policy.runs import Run
from sweeper.storage.filesystem import full_disk_as_storage_error
from sweeper.storage.run_folder import remove, sync
from sweeper.study.arms import Arm
from sweeper.study.studies import Studies

log = logging.getLogger("sweeper")

PACKAGES = ("ray", "torch", "torchvision", "bpy", "blenderproc", "optuna", "numpy", "scipy", "pyarrow")


@cache
def versions() -> str:
    """Of Python and of what is installed of the packages that render, train and fit: "python=3.11.2 ray=2.60.0 ..."."""
    there = [name for name in PACKAGES if find_spec(name) is not None]
    return " ".join([f"python={platform.python_version()}", *(f"{name}={version(name)}" for name in there)])


@dataclass(frozen=True)
class Observation:
    """One fine-tune. `error` = 1 - metric in [0, 1]; `cost` in device-seconds; n = 0: no pre-training.

    `study`: hash of all that its error depends on (`stages.identity`). `tuned`: the tuned recipe values, as JSON.
    `share`: how much of its training was done; below 1 a trial of the tuning was stopped early. `folds`: the errors
    that a trial's is the mean of, one a fold; empty where it was stopped, and on the test split. `test_size`: how many
    test images there are, `resampled`: the error on each of 200 bootstrap resamples of them, the same for every row of
    one test set, nan where it is undefined; 0 and empty where that is not known, and on folds.
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
    tuned: str = "{}"
    share: float = 1.0
    folds: tuple[float, ...] = ()
    test_size: int = 0
    resampled: tuple[float, ...] = ()

    @property
    def run(self) -> Run:
        """The run that it belongs to."""
        return Run(self.arm, self.n, self.seed, self.s)

    @property
    def key(self) -> tuple[Run, str, int, str]:
        """What tells it from every other fine-tune of the sweep."""
        return self.run, self.split, self.repeat, self.tuned if self.split == "validation" else ""

    @property
    def file_name(self) -> str:
        """Name of its part: the same fine-tune always has the same."""
        return self._name("")

    @property
    def file_name_with_s(self) -> str:
        """The same in a sweep of several s."""
        return self._name(f"_s{self.s}")

    def _name(self, s: str) -> str:
        arm = self.arm.replace("/", "~")
        tried = hashlib.sha256(self.tuned.encode()).hexdigest()[:12]
        kind = f"t{tried}" if self.split == "validation" else f"r{self.repeat}"
        return f"{arm}_n{self.n}{s}_seed{self.seed}_{self.split}_{kind}_{self.study}.parquet"


_COLUMNS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    tuple[float, ...]: pa.list_(pa.float64()),
}
SCHEMA = pa.schema([(each.name, _COLUMNS[each.type]) for each in fields(Observation)])


def observation(run: Run, **measured: Any) -> Observation:
    """The row of one fine-tune of a run."""
    return Observation(arm=run.arm, **asdict(Arm.named(run.arm)), n=run.n, s=run.s, seed=run.seed, **measured)


@dataclass(frozen=True)
class MeasuredRun:
    """All fine-tunes of a run: the mean of their log errors, and the variance of that mean.

    `variance` is None for a single fine-tune. `errors`: those of the fine-tunes. `test_size`: test images, None where
    it is not known. `log_resampled`: the mean of their log errors on each of 200 bootstrap resamples of the test images
    (200,), None where one of them lacks it. Where the test images are known, no mistake counts as half of one.
    """

    run: Run
    log_error: float
    variance: float | None
    repeats: int
    errors: tuple[float, ...] = ()
    test_size: int | None = None
    log_resampled: np.ndarray | None = field(default=None, compare=False)

    @property
    def error(self) -> float:
        """Geometric mean of the errors of its fine-tunes."""
        return float(np.exp(self.log_error))


def write(folder: Path, observation: Observation, *, several_s: bool = False) -> None:
    """Add one part with a checksum, atomically; writing it again changes nothing.

    several_s: whether rows of the folder differ in s, so that their names say it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (observation.file_name_with_s if several_s else observation.file_name)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    table = pa.Table.from_pylist([asdict(observation)], SCHEMA)
    # The checksum is of the row as it is read back: an integer among floats has become one.
    table = table.replace_schema_metadata({"sha256": _checksum(table.to_pylist()[0])})
    with full_disk_as_storage_error(target):
        try:
            pq.write_table(table, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    sync(target)


def read(folder: Path, studies: Studies) -> list[Observation]:
    """The rows that belong to these studies, ordered by arm, n, s, seed, split and repeat.

    Others are left where they are and left out; `left_out` says how many.
    """
    rows: dict[Any, Observation] = {}
    for part in sorted(folder.glob("*.parquet")):
        row = _row(part)
        if row is None:
            log.warning("results part %s is damaged and left out; `sweeper run` measures it anew", part)
        elif studies.holds(row.run, row.study, row.checkpoint):
            rows[row.key] = row
    return sorted(rows.values(), key=lambda o: (o.arm, o.n, o.s, o.seed, o.split, o.repeat, o.tuned))


def left_out(folder: Path, studies: Studies) -> str | None:
    """A line on the rows that `read` leaves out, though they are whole: how many and why; None where there are none."""
    # A part is named after its study: to count, none need be read.
    ours = [part for part in folder.glob("*.parquet") if part.stem.rpartition("_")[2] in studies.current.values()]
    count = len(list(folder.glob("*.parquet"))) - len(ours)
    changed = _on_other_images(ours, studies)
    if changed:
        return f"{changed:,} rows of the results table are left out: measured on images that are others now"
    if not count:
        return None
    rows = "1 row of the results table is" if count == 1 else f"{count:,} rows of the results table are"
    why = "another recipe, tuning, data set, rendering setting or seed, or by a version that trained otherwise"
    others = sorted({row.s for part in folder.glob("*.parquet") if part not in ours and (row := _row(part))})
    stay = f"; they stay, of s = {', '.join(f'{s:,}' for s in others)}" if others else ""
    return f"{rows} left out: measured with {why}{stay}"


def _on_other_images(parts: Iterable[Path], studies: Studies) -> int:
    """How many rows are of checkpoints that would be others now."""
    rows = [row for part in parts if (row := _row(part)) is not None]
    return sum(not studies.holds(row.run, row.study, row.checkpoint) for row in rows)


def discard_damaged(folder: Path) -> int:
    """Remove the parts that cannot be read, and say so: the sweep goes on as if they had not been measured."""
    damaged = [part for part in folder.glob("*.parquet") if _row(part) is None]
    for part in damaged:
        log.warning("results part %s is damaged; it is measured anew", part)
        remove(part)
    return len(damaged)


def _row(part: Path) -> Observation | None:
    """The row of a part; None where a byte of it is not what was written."""
    try:
        table = pq.read_table(part)
        (row,) = table.to_pylist()
        if (table.schema.metadata or {}).get(b"sha256", b"").decode() != _checksum(row):
            return None
        # Rows of before lack the later columns.
        return Observation(**row | {name: tuple(values) for name, values in row.items() if isinstance(values, list)})
    # Damaged Parquet raises whatever its reader stumbles over.
    except Exception:
        return None


def _checksum(row: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def runs(observations: Iterable[Observation]) -> list[MeasuredRun]:
    """Observations on the test split, gathered into runs."""
    groups: dict[Run, list[Observation]] = defaultdict(list)
    for row in observations:
        if row.split == "test":
            groups[row.run].append(row)
    return [_measured(run, rows) for run, rows in groups.items()]


def _measured(run: Run, rows: list[Observation]) -> MeasuredRun:
    logs = np.array([float(log_counted(row.error, row.test_size)) for row in rows])
    variance = float(np.var(logs, ddof=1) / len(logs)) if len(logs) > 1 else None
    sizes = {row.test_size for row in rows}
    size = sizes.pop() if len(sizes) == 1 else 0
    resampled = None
    if size and all(row.resampled for row in rows):
        # in every resample, too, no mistake is half of one
        resampled = np.log(counted_error([row.resampled for row in rows], size)).mean(axis=0)
    errors = tuple(row.error for row in rows)
    return MeasuredRun(run, float(logs.mean()), variance, len(rows), errors, size or None, resampled)
