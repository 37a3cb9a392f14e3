"""`sweeper bench overlap`: how busy the loop keeps the workers while runs wait.

A fixed grid of a hundred simulated runs, each one fine-tune of a second on one core, goes through the real loop. The
reference is every core busy from the first fine-tune's start to the last one's end.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from sweeper.bench.registry import Figure
from sweeper.cluster.resources import cpu_count
from sweeper.commands.run import run_sweep
from sweeper.config.schema import SweepConfig
from sweeper.events.reporter import Reporter
from sweeper.stages.identity import studies
from sweeper.study import results

RUNS, RUNGS = 100, 10
SECONDS = 1.0


class Clock(Reporter):
    """A reporter that says nothing and notes when each run was observed."""

    def __init__(self) -> None:
        super().__init__("json")
        self.observed: list[float] = []

    def event(self, name: str, text: str, **fields: Any) -> None:
        """Note the time of a run."""
        if name == "observed":
            self.observed.append(time.monotonic())

    def progress(self, *told: Any) -> None:
        """Nothing."""


def measure(data_root: Path | None) -> dict[str, Figure]:
    """How busy RUNS runs keep this machine's cores; needs no recorded data."""
    return {"utilisation": utilisation(RUNS, SECONDS)}


def utilisation(runs: int, seconds: float) -> Figure:
    """Core-seconds spent in fine-tunes, beside all core-seconds there were."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        config, clock = sweep_config(Path(folder), runs, seconds), Clock()
        run_sweep(config, clock)
        rows = results.read(config.run_folder / "results", studies(config))
    busy, cores = sum(row.seconds for row in rows), cpu_count()
    # The first to end is one of those that began first.
    span = clock.observed[-1] - clock.observed[0] + seconds
    return Figure(busy, cores * span, f"core-seconds; {len(rows)} runs of {seconds:g} s on {cores} cores")


def sweep_config(folder: Path, runs: int, seconds: float) -> SweepConfig:
    """A fixed grid of `runs` runs, the reference among them; there are always more under way than cores."""
    arms = [f"setting-{i}" for i in range(max(1, runs // RUNGS))]
    law = {"alpha": 0.5, "C": 0.2, "D": 6.0, "seconds": seconds}
    content = {
        "name": "overlap",
        "output": str(folder / "run"),
        "store": str(folder / "store"),
        "renderings": {arm: {} for arm in arms},
        "pretrain": {"tasks": ["simulated"], "backbones": ["simulated"]},
        "finetune": {"tasks": ["simulated"], "repeats": 1},
        "tune": {"trials": 0},
        "ladder": {"start": 250, "factor": 2, "rungs": RUNGS},
        "policy": {"name": "grid", "in_flight": 4 * cpu_count(), "reference_seeds": 1},
        "simulated": dict.fromkeys(arms, law),
    }
    return SweepConfig.model_validate(content)
