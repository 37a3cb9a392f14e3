"""`sweeper bench overlap`: how busy the loop keeps the workers while runs wait.

A fixed grid of a hundred simulated runs, each one fine-tune of a second on one core, goes through the real loop. The
reference is every core busy from the first fine-tune's start to the last one's end.
"""

import tempfile
import time
from pathlib import Path

from sweeper.bench.figures import Figure
from sweeper.bench.simulated_sweep import ObservedTimes, simulated_sweep
from sweeper.cluster.resources import cpu_count
from sweeper.commands.run import run_sweep
from sweeper.config.schema import SweepConfig
from sweeper.stages.identity import studies
from sweeper.study import results

RUNS, RUNGS = 100, 10
SECONDS = 1.0


def measure(runs: int = RUNS, seconds: float = SECONDS) -> dict[str, Figure]:
    """Core-seconds that so many runs, each of so many seconds, spent in fine-tunes, beside all there were."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        config, observed = sweep_config(Path(folder), runs, seconds), ObservedTimes(time.monotonic)
        run_sweep(config, observed)
        rows = results.read(config.run_folder / "results", studies(config))
    busy, cores = sum(row.seconds for row in rows), cpu_count()
    # The first to end is one of those that began first.
    span = observed.seconds[-1] - observed.seconds[1] + seconds
    unit = f"core-seconds; {len(rows)} runs of {seconds:g} s on {cores} cores"
    return {"utilisation": Figure(busy, cores * span, unit)}


def sweep_config(folder: Path, runs: int, seconds: float) -> SweepConfig:
    """A fixed grid of `runs` runs, the reference among them; there are always more under way than cores."""
    law = {"alpha": 0.5, "C": 0.2, "D": 6.0, "seconds": seconds}
    laws = {f"setting-{i}": law for i in range(max(1, runs // RUNGS))}
    policy = {"name": "grid", "in_flight": 4 * cpu_count(), "reference_seeds": 1}
    return simulated_sweep(folder, laws, RUNGS, 1.0, name="overlap", policy=policy)
