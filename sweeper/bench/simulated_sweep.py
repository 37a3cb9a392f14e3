"""A sweep with simulated errors that goes through the real loop, and when its runs were observed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper.config.schema import SweepConfig
from sweeper.events.reporter import Reporter


class ObservedTimes(Reporter):
    """A reporter that says nothing and notes the `clock` at its start and whenever a run was observed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__("json")
        self._clock = clock
        self.seconds = [clock()]

    def event(self, name: str, text: str, **fields: Any) -> None:
        """Note the time of a run."""
        if name == "observed":
            self.seconds.append(self._clock())

    def progress(self, *told: Any) -> None:
        """Nothing."""


def simulated_sweep(
    folder: Path, laws: Mapping[str, Mapping[str, float]], rungs: int, cpus: float, **sections: Any
) -> SweepConfig:
    """A sweep whose arms follow known laws, without tuning.

    Args:
        folder: where its run folder and its store lie.
        laws: the law of each rendering setting.
        rungs: sizes of the ladder, from 250 on, each twice the one before.
        cpus: of a fine-tune.
        sections: the name, the policy, and what else a sweep file may say.
    """
    content = {
        "output": str(folder / "run"),
        "store": str(folder / "store"),
        "renderings": {arm: {} for arm in laws},
        "pretrain": {"tasks": ["simulated"], "backbones": ["simulated"]},
        "finetune": {"tasks": ["simulated"], "repeats": 1, "cpus": cpus},
        "tune": {"trials": 0},
        "ladder": {"start": 250, "factor": 2, "rungs": rungs},
        "simulated": laws,
    }
    return SweepConfig.model_validate(content | sections)
