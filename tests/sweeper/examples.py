"""Small sweeps, rows and clocks that the tests of `sweeper` begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sweeper.budget.costs import Cost
from sweeper.config.load import load_config
from sweeper.config.schema import SweepConfig
from sweeper.stages.identity import studies
from sweeper.study import results
from sweeper.study.results import Observation

ARM = "plain/mulclass/small_resnet/sinclass"
SIMULATED_ARM = "plain/simulated/small_resnet/simulated"


def real_sweep(**changes: Any) -> dict[str, Any]:
    """The content of a sweep file that renders and trains."""
    return {"name": "tiny", "renderings": {"plain": {}, "fixed": {"light": "fix"}}} | changes


def simulated_sweep(**changes: Any) -> dict[str, Any]:
    """The content of a sweep file whose errors are drawn from a known law."""
    sweep = {
        "name": "toy",
        "renderings": {"plain": {}},
        "pretrain": {"tasks": ["simulated"]},
        "finetune": {"tasks": ["simulated"]},
        "simulated": {"plain": {"alpha": 0.5, "C": 0.1, "D": 2.0}},
    }
    return sweep | changes


def written(folder: Path, content: dict[str, Any]) -> Path:
    """A sweep file with this content."""
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def sweep_of(folder: Path, content: dict[str, Any], *overrides: str) -> SweepConfig:
    """The config that this content gives."""
    return load_config(written(folder, content), overrides)


def dollars(usd: float) -> Cost:
    """A cost that only the dollar cap notices."""
    return Cost(0.0, 0.0, usd)


# The sweep that the rows below were measured in, and its studies.
STUDY = SweepConfig.model_validate(real_sweep())
STUDIES = studies(STUDY)


def row(**changes: Any) -> Observation:
    """One fine-tune of the results table."""
    values: dict[str, Any] = {
        "arm": ARM,
        "rendering": "plain",
        "pretrain_task": "mulclass",
        "backbone": "small_resnet",
        "finetune_task": "sinclass",
        "n": 200,
        "s": 600,
        "seed": 0,
        "repeat": 0,
        "split": "test",
        "error": 0.25,
        "lr": 2e-3,
        "cost": 7.0,
        "seconds": 7.0,
        "checkpoint": "c0ffee",
        "versions": "torch=2",
        "tuned": '{"lr": 0.002}',
    }
    values |= changes
    return Observation(**{"study": STUDIES.current[values["arm"]]} | values)


def simulated_run(folder: Path, points: Sequence[tuple[int, int, float]], **changes: Any) -> Path:
    """A new run folder of a simulated sweep of one fine-tune a run, with these runs in it: n, seed and error."""
    folder.mkdir()
    once = {"tasks": ["simulated"], "repeats": 1}
    config = sweep_of(folder, simulated_sweep(output=str(folder), finetune=once, **changes))
    (folder / "config.yaml").write_text(config.to_yaml())
    of_arm = replace(
        row(),
        arm=SIMULATED_ARM,
        study=studies(config).current[SIMULATED_ARM],
        pretrain_task="simulated",
        finetune_task="simulated",
        s=0,
    )
    for n, seed, error in points:
        results.write(folder / "results", replace(of_arm, n=n, seed=seed, error=error))
    return folder


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now
