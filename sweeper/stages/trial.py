"""The function that Ray Tune runs for a trial.

Tune starts a process for every trial, and torch takes it seconds to import. So on CPU cores the trial's process only
holds its place: the work is a task of Ray beside it, whose process Ray keeps, with torch imported, for the next one.
This file is imported by every such process and imports nothing of the stages itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

if TYPE_CHECKING:
    from sweeper.stages.finetune import Finetuning


@dataclass(frozen=True)
class Place:
    """Where trials work and what they hold.

    job: the `Finetuning` that they share, in Ray's object store: a process that only holds the place leaves it there,
    since to read it means to import all that it is made of. beside: in a process of Ray's pool beside the trial's own.
    gives_back: whether what a trial held is given back when none follows.
    """

    job: ray.ObjectRef[Finetuning]
    beside: bool
    gives_back: bool


def run_trial(params: dict[str, Any], *, place: Place) -> None:
    """Fine-tune, and tell Tune what that tells. params: the `trial` as text."""
    group = ray.util.get_current_placement_group() if place.gives_back else None
    held = {} if group is None else {"placement_group": group.id.hex()}
    work = (
        _beside(place.job, params["trial"]) if place.beside else finetune_as_told(ray.get(place.job), params["trial"])
    )
    for told in work:
        tune.report(told | held)


def finetune_as_told(job: Finetuning, trial: str) -> Iterator[dict[str, Any]]:
    """Fine-tune in this process."""
    from sweeper.stages.finetune import finetune
    from sweeper.stages.identity import Trial

    yield from finetune(job, Trial.from_text(trial))


def _beside(job: ray.ObjectRef[Finetuning], trial: str) -> Iterator[dict[str, Any]]:
    """Fine-tune in another process of this node, on the CPU cores that this trial holds."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # Ray would repeat a task by itself: here every failure counts.
    options: dict[str, Any] = {"num_cpus": 0, "max_retries": 0, "num_returns": "streaming"}
    task = ray.remote(scheduling_strategy=here, **options)(finetune_as_told)
    for told in task.remote(job, trial):
        yield ray.get(told)
