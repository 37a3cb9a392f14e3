"""The pre-training stage: DDP in Ray Train on the first n images, cached under everything that determines it."""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer

from analysis.policy.runs import Run
from render_actors.actor import SHARD_FILE
from render_actors.setting.classes import class_names
from render_actors.shards.arrays import arrays_folder, decoded_bytes, load_arrays
from render_actors.shards.keypoints import class_keypoints
from sweeper.cluster.failures import Retries, failure_of, lost_a_node, nodes_alive
from sweeper.cluster.watchdog import watchdog
from sweeper.config.schema import Pretrain
from sweeper.stages.image_sets import ImageSet
from sweeper.stages.seeds import training_seed
from sweeper.stages.training_labels import arrays_for, labelled_set
from sweeper.storage.artifacts import MODEL_FILE, ArtifactStore, Manifest, artifact_key
from sweeper.storage.cache import make_room
from sweeper.storage.filesystem import RetryingFileSystem
from sweeper.study.arms import Arm
from sweeper.study.recipes import resolve_recipe
from tasks.recipes.recipe import Recipe


@dataclass(frozen=True)
class Shards:
    """An image set and the shards that hold it, in order."""

    images: ImageSet
    manifests: tuple[Manifest, ...]


@dataclass(frozen=True)
class Pretraining:
    """All that Ray Train's workers need; plain data and the store."""

    run: Run
    identity: dict[str, Any]
    settings: Pretrain
    training: Shards
    validation: Shards
    store: ArtifactStore
    cache_gb: float
    board: Any

    @property
    def arm(self) -> Arm:
        """The arm of the run."""
        return Arm.named(self.run.arm)

    @property
    def recipe(self) -> Recipe:
        """The pre-training task's recipe with the config's values."""
        return resolve_recipe("pretrain", self.arm.learnt, self.settings.recipe, self.arm.backbone)

    @property
    def seed(self) -> int:
        """What its first weights, order of images, augmentation and shuffled labels are drawn from."""
        return training_seed(self.identity)


def pretrain(job: Pretraining, scratch: str) -> Manifest:
    """Run Ray Train to a committed checkpoint. A run that was killed goes on from its last checkpoint in `scratch`,

    a path or URI that every node reaches.
    """
    settings = job.settings
    name, place = f"pretrain-{artifact_key(job.identity)}", RetryingFileSystem(scratch)
    resources = {"CPU": settings.cpus_per_worker} | ({"GPU": 1.0} if settings.gpu else {})
    retries = Retries(settings.max_failures)
    while True:
        nodes = nodes_alive()
        trainer = TorchTrainer(
            _worker,
            train_loop_config={"job": job},
            scaling_config=ScalingConfig(
                num_workers=(settings.min_workers, settings.workers) if settings.min_workers else settings.workers,
                use_gpu=settings.gpu,
                resources_per_worker=resources,
            ),
            run_config=RunConfig(
                name=name,
                storage_path=place.root,
                storage_filesystem=place.filesystem,
                # Counted here: Ray Train takes a node that is gone without notice for a failure of the work.
                failure_config=FailureConfig(max_failures=0),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            ),
        )
        try:
            told = trainer.fit().metrics or {}
            break
        except TrainingFailedError as error:
            failure = failure_of(error)
            if not (failure.lost_node or failure.hopeless) and lost_a_node(nodes):
                failure = replace(failure, lost_node=True)
            if not retries.again(name, failure):
                raise
    # Ray Train answers a finished run's name from its records, even after the artifact was withdrawn.
    place.delete_folder(name)
    if "stopped" in told:
        raise RuntimeError(f"pre-training of {job.run.arm} at n = {job.run.n}: {told['stopped']}")
    manifest = job.store.find(job.identity)
    if manifest is None:
        raise RuntimeError(f"pre-training of {job.run.arm} at n = {job.run.n} ended without leaving a checkpoint")
    return manifest


def _worker(train_loop_config: dict[str, Any]) -> None:
    """One DDP worker."""
    import torch

    from tasks.base import task
    from tasks.data.shuffled import with_shuffled_labels
    from tasks.models.transfer import seeded_model
    from tasks.training.loop import train

    job: Pretraining = train_loop_config["job"]
    settings, recipe, context = job.settings, job.recipe, ray.train.get_context()
    torch.set_num_threads(max(1, int(settings.cpus_per_worker)))
    started = time.monotonic()
    training, validation = _arrays(job, job.training), _arrays(job, job.validation)
    if job.arm.is_control:
        training, validation = (with_shuffled_labels(data, job.seed) for data in (training, validation))
    learnt = task(job.arm.learnt)
    sizes = len(training.class_names), job.seed, len(training.keypoint_names)
    model = seeded_model(job.arm.backbone, learnt, *sizes, zero_init_last_norm=recipe.zero_init_last_norm)
    is_first = context.get_world_rank() == 0

    def on_progress(step: int, images_per_s: float, loss: float) -> None:
        still_alive()
        for data in (training, validation):
            data.drop_pages()
        if is_first:
            done, total = step * recipe.batch_size, recipe.iterations * recipe.batch_size
            job.board.post.remote("pretrain", f"{job.run.arm} n={job.run.n}", done, total, images_per_s, "images")

    def on_checkpoint(step: int, path: Path) -> None:
        checkpoint = Checkpoint.from_directory(path.parent) if is_first else None
        ray.train.report({"step": step}, checkpoint=checkpoint)

    # Each look at the progress puts the end off; a worker that makes none is ended, and tried again.
    with tempfile.TemporaryDirectory() as folder, watchdog(settings.stall_s) as still_alive:
        _restore(Path(folder) / "progress")
        try:
            result = train(
                model,
                learnt,
                training,
                recipe,
                seed=job.seed,
                device=str(ray.train.torch.get_device()) if settings.gpu else "cpu",
                validation=validation,
                checkpoint_dir=Path(folder) / "progress",
                checkpoint_every=settings.checkpoint_every,
                on_progress=on_progress,
                on_checkpoint=on_checkpoint,
            )
        except FloatingPointError as error:
            # All workers stop at the same step. To try again would end there again: it is said, not raised.
            reason = Path(folder) / "stopped"
            reason.mkdir()
            ray.train.report({"stopped": str(error)}, Checkpoint.from_directory(reason) if is_first else None)
            return
        if is_first:
            left = Path(folder) / "artifact"
            left.mkdir()
            torch.save(result.best_state["backbone"], left / MODEL_FILE)
            metrics = {
                "metric": result.best_metric,
                "best_step": result.best_step,
                "images_per_s": result.images_per_s,
                "seconds": time.monotonic() - started,
            }
            job.store.commit(job.identity, left, metrics)
        ray.train.report({"done": True})


def _restore(folder: Path) -> None:
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        folder.mkdir(parents=True)
        checkpoint.to_directory(str(folder))


def _arrays(job: Pretraining, shards: Shards) -> Any:
    """The first n images decoded once a node into a memory map shared by its workers."""
    from tasks.base import task_facts
    from tasks.data.catalogue import cache_root
    from tasks.label_forms import FORMS

    images, manifests, root = shards.images, shards.manifests, cache_root() / "rendered"
    kind = task_facts(job.arm.learnt).label_kind
    key = artifact_key({"shards": [manifest.files[SHARD_FILE]["sha256"] for manifest in manifests], "n": images.n})
    labels = arrays_for(kind)
    needed = decoded_bytes(images.n, images.setting.resolution, labels)
    make_room(root, arrays_folder(root, key, images.n, labels), needed, limit=int(job.cache_gb * 1e9))
    # One shard at a time: a cache need not hold them all at once.
    paths = (job.store.path(manifest, SHARD_FILE) for manifest in manifests)
    arrays = load_arrays(paths, images.n, root, cache_key=key, labels=labels)
    points = class_keypoints(images.setting) if FORMS[kind].keypoints else None
    return labelled_set(kind, arrays, class_names(images.setting), points)
