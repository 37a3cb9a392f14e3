"""What a worker of a pre-training does, alone or one of several: from the shards to the committed checkpoint.

A worker that is alone runs in a process that goes on to other work, so this module imports no Ray Train and, until it
works, no torch.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.policy.runs import Run
from render_actors.actor import SHARD_FILE
from render_actors.setting.classes import class_names
from render_actors.shards.arrays import arrays_folder, decoded_bytes, load_arrays
from render_actors.shards.keypoints import class_keypoints
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
    """All that the workers need; plain data and the store."""

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


@dataclass(frozen=True)
class Worker:
    """A worker's surroundings: its device, whether it speaks for all, and how its progress outlives it.

    `restore(folder)` puts the last saved progress there, if there is any; `save(step, file)` keeps a new one.
    """

    device: str
    is_first: bool
    restore: Callable[[Path], None]
    save: Callable[[int, Path], None]


def work(job: Pretraining, worker: Worker) -> str | None:
    """Train to the end, and commit the checkpoint where this worker speaks for all.

    None; or why it stopped, where another try would end there again.
    """
    import torch

    from tasks.base import task
    from tasks.data.shuffled import with_shuffled_labels
    from tasks.models.given_weights import given_state
    from tasks.models.transfer import load_backbone, seeded_model
    from tasks.training.loop import train

    settings, recipe = job.settings, job.recipe
    torch.set_num_threads(max(1, int(settings.cpus_per_worker)))
    started = time.monotonic()
    training, validation = (
        rendered_set(each, job.arm.learnt, job.store, job.cache_gb) for each in (job.training, job.validation)
    )
    if job.arm.is_control:
        training, validation = (with_shuffled_labels(data, job.seed) for data in (training, validation))
    learnt = task(job.arm.learnt)
    sizes = len(training.class_names), job.seed, len(training.keypoint_names)
    model = seeded_model(job.arm.backbone, learnt, *sizes, zero_init_last_norm=recipe.zero_init_last_norm)
    if (start := settings.start_of(job.arm.backbone)) is not None:
        load_backbone(model, given_state(Path(start), model.backbone))

    def on_progress(step: int, images_per_s: float, loss: float) -> None:
        still_alive()
        for data in (training, validation):
            data.drop_pages()
        if worker.is_first:
            done, total = step * recipe.batch_size, recipe.iterations * recipe.batch_size
            job.board.post.remote("pretrain", f"{job.run.arm} n={job.run.n}", done, total, images_per_s, "images")

    # Each look at the progress puts the end off; a worker that makes none is ended, and tried again.
    with tempfile.TemporaryDirectory() as folder, watchdog(settings.stall_s) as still_alive:
        worker.restore(Path(folder) / "progress")
        try:
            result = train(
                model,
                learnt,
                training,
                recipe,
                seed=job.seed,
                device=worker.device,
                validation=validation,
                checkpoint_dir=Path(folder) / "progress",
                checkpoint_every=settings.checkpoint_every,
                on_progress=on_progress,
                on_checkpoint=worker.save,
            )
        except FloatingPointError as error:
            # All workers stop at the same step. To try again would end there again: it is said, not raised.
            return str(error)
        if worker.is_first:
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
    return None


def pretrain_alone(job: Pretraining, name: str, place: RetryingFileSystem) -> str | None:
    """The task of Ray for a worker that is alone: its progress is a file in the folder `name` of `place`."""
    kept = f"{name}/progress.pt"

    def restore(folder: Path) -> None:
        from tasks.training.checkpoint import NAME

        with tempfile.TemporaryDirectory() as fetched, contextlib.suppress(FileNotFoundError):
            place.download(kept, Path(fetched) / NAME)
            folder.mkdir(parents=True)
            (Path(fetched) / NAME).rename(folder / NAME)

    return work(job, Worker("cpu", True, restore, lambda step, file: place.upload(file, kept)))


def rendered_set(shards: Shards, task: str, store: ArtifactStore, cache_gb: float) -> Any:
    """The first n images with the task's labels, decoded once a node into a memory map shared by its workers."""
    from tasks.base import task_facts
    from tasks.data.readers.pictures import cache_root
    from tasks.label_forms import FORMS

    images, manifests, root = shards.images, shards.manifests, cache_root() / "rendered"
    kind = task_facts(task).label_kind
    key = artifact_key({"shards": [manifest.files[SHARD_FILE]["sha256"] for manifest in manifests], "n": images.n})
    labels = arrays_for(kind)
    needed = decoded_bytes(images.n, images.setting.resolution, labels)
    make_room(root, arrays_folder(root, key, images.n, labels), needed, limit=int(cache_gb * 1e9))
    # One shard at a time: a cache need not hold them all at once.
    paths = (store.path(manifest, SHARD_FILE) for manifest in manifests)
    arrays = load_arrays(paths, images.n, root, cache_key=key, labels=labels)
    points = class_keypoints(images.setting) if FORMS[kind].keypoints else None
    return labelled_set(kind, arrays, class_names(images.setting), points)
