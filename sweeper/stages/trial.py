"""The function that Ray Tune runs for a trial.

Tune starts a process for every trial, and torch takes it seconds to import. So on CPU cores the trial's process only
holds its place: the work is a task of Ray beside it, whose process Ray keeps, with torch imported, for the next one.
This file is imported by every such process and imports nothing of the stages itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ray
from ray import tune
from ray.cloudpickle import dumps, loads
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


class Sealed:
    """A value that a process hands on unread: to read it means to import all that it is made of."""

    def __init__(self, value: Any) -> None:
        self._bytes = dumps(value)

    @cached_property
    def value(self) -> Any:
        """What is in it: never from a file, but from the sweep's own driver, as every argument that Ray brings."""
        return loads(self._bytes)

    def __getstate__(self) -> dict[str, Any]:
        return {"_bytes": self._bytes}

    def __repr__(self) -> str:
        # Tune makes names of what it is given.
        return "sealed"


@dataclass(frozen=True)
class Place:
    """Where trials work and what they hold.

    beside: in a process of Ray's pool beside the trial's own, which only holds the place. gives_back: whether what a
    trial held is given back when none follows.
    """

    beside: bool
    gives_back: bool


def run_trial(params: dict[str, Any], *, job: Sealed, place: Place) -> None:
    """Fine-tune, and tell Tune what that tells. params: the `trial`, sealed. job: what all fine-tunes share, sealed."""
    group = ray.util.get_current_placement_group() if place.gives_back else None
    held = {} if group is None else {"placement_group": group.id.hex()}
    work = _beside if place.beside else finetune_sealed
    for told in work(job, params["trial"]):
        tune.report(told | held)


def finetune_sealed(job: Sealed, trial: Sealed) -> Iterator[dict[str, Any]]:
    """Fine-tune in this process."""
    from sweeper.stages.finetune import finetune

    yield from finetune(job.value, trial.value)


def _beside(job: Sealed, trial: Sealed) -> Iterator[dict[str, Any]]:
    """Fine-tune in another process of this node, on the CPU cores that this trial holds."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # Ray would repeat a task by itself: here every failure counts.
    options: dict[str, Any] = {"num_cpus": 0, "max_retries": 0, "num_returns": "streaming"}
    task = ray.remote(scheduling_strategy=here, **options)(finetune_sealed)
    for told in task.remote(job, trial):
        yield ray.get(told)
