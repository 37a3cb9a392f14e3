"""The small simulated sweep of these tests, and what its table must hold whatever happens on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sweeper.config.simulated import SimulatedArm
from sweeper.stages.simulated import simulated_error

SIZES = (250, 500, 1000)
REPEATS = 2
LAW = {"alpha": 0.5, "C": 0.2, "D": 6.0, "sigma": 0.01, "zero_error": 0.9}
NAME = "plain/simulated/simulated/simulated"
REFERENCE = "none/none/simulated/simulated"

# A grid decides the same every time.
SWEEP: dict[str, Any] = {
    "name": "faults",
    "renderings": {"plain": {}},
    "pretrain": {"tasks": ["simulated"], "backbones": ["simulated"]},
    "finetune": {"tasks": ["simulated"], "repeats": REPEATS},
    "tune": {"trials": 1},
    "ladder": {"sizes": list(SIZES)},
    "policy": {"name": "grid", "reference_seeds": 1},
    "budget": {"device_hours": 10},
}


def write(folder: Path, seconds: float, **changes: Any) -> Path:
    """The sweep's file; each fine-tune takes so many seconds."""
    path = folder / "faults.yaml"
    path.write_text(yaml.safe_dump(SWEEP | {"simulated": {"plain": LAW | {"seconds": seconds}}} | changes))
    return path


def undisturbed() -> dict[tuple[str, int, int, int], float]:
    """(arm, n, seed, repeat) -> error of every fine-tune, as nothing but the sweep's file determines it."""
    law = SimulatedArm(**LAW)
    runs = [(REFERENCE, 0), *((NAME, n) for n in SIZES)]
    return {(arm, n, 0, r): simulated_error(law, n, 0, r, arm=arm) for arm, n in runs for r in range(REPEATS)}
