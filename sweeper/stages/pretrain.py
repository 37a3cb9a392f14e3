"""The pre-training stage: on the first n images, cached under everything that determines it.

Several workers, and any on a GPU, train together by DDP in Ray Train. One worker on CPU cores needs none of it: it is a
task of Ray, whose process Ray keeps, with torch imported, for the next one.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
from ray.exceptions import RayError
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer

from sweeper.cluster.failures import Retries, failure_of, lost_a_node, nodes_alive
from sweeper.stages.pretrain_worker import Pretraining, Worker, pretrain_alone, work
from sweeper.storage.artifacts import Manifest, artifact_key
from sweeper.storage.filesystem import RetryingFileSystem


def pretrain(job: Pretraining, scratch: str) -> Manifest:
    """Pre-train to a committed checkpoint. A run that was killed goes on from its last checkpoint in `scratch`,

    a path or URI that every node reaches.
    """
    settings = job.settings
    name, place = f"pretrain-{artifact_key(job.identity)}", RetryingFileSystem(scratch)
    retries = Retries(settings.max_failures)
    attempt = _together if settings.in_ray_train else _alone
    while True:
        nodes = nodes_alive()
        try:
            stopped = attempt(job, name, place)
            break
        except (TrainingFailedError, RayError) as error:
            if not ray.is_initialized():
                # The sweep has ended meanwhile, and to ask for the nodes would start another Ray.
                raise
            failure = failure_of(error)
            if not (failure.lost_node or failure.hopeless) and lost_a_node(nodes):
                failure = replace(failure, lost_node=True)
            if not retries.again(name, failure):
                raise
    # Ray Train answers a finished run's name from its records, even after the artifact was withdrawn.
    place.delete_folder(name)
    if stopped is not None:
        raise RuntimeError(f"pre-training of {job.run.arm} at n = {job.run.n}: {stopped}")
    manifest = job.store.find(job.identity)
    if manifest is None:
        raise RuntimeError(f"pre-training of {job.run.arm} at n = {job.run.n} ended without leaving a checkpoint")
    return manifest


def _alone(job: Pretraining, name: str, place: RetryingFileSystem) -> str | None:
    """One worker; why it stopped, if it did."""
    # Ray would repeat a task by itself: here every failure counts.
    task = ray.remote(num_cpus=job.settings.cpus_per_worker, max_retries=0)(pretrain_alone)
    stopped: str | None = ray.get(task.remote(job, name, place))
    return stopped


def _together(job: Pretraining, name: str, place: RetryingFileSystem) -> str | None:
    """Several workers in Ray Train; why they stopped, if they did."""
    settings = job.settings
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(
            num_workers=(settings.min_workers, settings.workers) if settings.min_workers else settings.workers,
            use_gpu=settings.gpu,
            resources_per_worker={"CPU": settings.cpus_per_worker} | ({"GPU": settings.gpus} if settings.gpu else {}),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=place.root,
            storage_filesystem=place.filesystem,
            # Counted by the stage: Ray Train takes a node that is gone without notice for a failure of the work.
            failure_config=FailureConfig(max_failures=0),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
        ),
    )
    told: dict[str, Any] = trainer.fit().metrics or {}
    return told.get("stopped")


def train_worker(train_loop_config: dict[str, Any]) -> None:
    """One DDP worker of Ray Train."""
    job: Pretraining = train_loop_config["job"]
    is_first = ray.train.get_context().get_world_rank() == 0

    def restore(folder: Path) -> None:
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is not None:
            folder.mkdir(parents=True)
            checkpoint.to_directory(str(folder))

    def save(step: int, file: Path) -> None:
        checkpoint = Checkpoint.from_directory(file.parent) if is_first else None
        ray.train.report({"step": step}, checkpoint=checkpoint)

    device = str(ray.train.torch.get_device()) if job.settings.gpu else "cpu"
    stopped = work(job, Worker(device, is_first, restore, save))
    if stopped is None:
        ray.train.report({"done": True})
        return
    # Ray Train hands on the metrics of a report that brings a checkpoint.
    with tempfile.TemporaryDirectory() as folder:
        ray.train.report({"stopped": stopped}, Checkpoint.from_directory(folder) if is_first else None)
