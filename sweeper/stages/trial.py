"""The function that Ray Tune runs for a trial.

Tune starts a process for a trial, and torch takes a process seconds to import. So the trial's process only waits for a
task of Ray, which holds the trial's CPU cores and GPUs; on CPU cores Ray keeps the task's process, with torch imported,
for the next one. This file is imported by every such process and imports nothing of the stages itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

if TYPE_CHECKING:
    from sweeper.stages.finetune import Finetuning

# What is told once: the work has its place and begins.
BEGUN = "begun"
# What the waiting process itself takes, as Ray counts memory: it bounds how many wait on a node.
WAITING_BYTES = 256 * 1024**2


def run_trial(params: dict[str, Any], *, jobs: list[ray.ObjectRef[Finetuning]], devices: dict[str, float]) -> None:
    """Fine-tune, and tell Tune what that tells.

    params: the `trial` as text. jobs: the one `Finetuning` that all share, in Ray's object store: to read it here would
    mean to import all that it is made of. devices: `num_cpus` and `num_gpus` of a fine-tune.
    """
    # Ray would repeat a task by itself: here every failure counts. The trial's own placement is not the task's.
    how: dict[str, Any] = {"max_retries": 0, "num_returns": "streaming", "scheduling_strategy": "DEFAULT"}
    for told in ray.remote(**how, **devices)(finetune_as_told).remote(jobs[0], params["trial"]):
        tune.report(ray.get(told))


def finetune_as_told(job: Finetuning, trial: str) -> Iterator[dict[str, Any]]:
    """Fine-tune in this process."""
    yield {BEGUN: True}

    from sweeper.stages.finetune import finetune
    from sweeper.stages.identity import Trial

    yield from finetune(job, Trial.from_text(trial))
