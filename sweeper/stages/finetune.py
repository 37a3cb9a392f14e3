"""One fine-tune: what determines its error, and what it tells on its way and at its end.

Processes import this before they know whether they will train, so it imports no torch: that takes seconds.
"""

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from statistics import fmean
from threading import Thread
from typing import Any

from sweeper.cluster.watchdog import watchdog
from sweeper.config.finetune import Finetune
from sweeper.config.schema import SweepConfig
from sweeper.config.simulated import SimulatedArm
from sweeper.stages.identity import Identities, Trial
from sweeper.stages.seeds import training_seed
from sweeper.storage.artifacts import MODEL_FILE, ArtifactStore
from sweeper.storage.tested import row_of_test_images, write_test_images
from tasks.base import weights_of
from tasks.recipes.recipe import Recipe

# Key of what Tune is told: how much of a trial's training is done.
PERCENT = "percent"


@dataclass(frozen=True)
class Finetuning:
    """What all fine-tunes of a sweep share; plain data and the store.

    `resolution`: of the real images, in px. `seed`: the sweep's. `folds`: of a trial of the tuning. `simulated`: the
    laws that errors are drawn from, by rendering; empty where they are measured. `weights`: files by their names.
    `cache_gb`: what a node keeps of decoded renders, which a mixed training reads.
    """

    settings: Finetune
    identities: Identities
    store: ArtifactStore
    data_root: str | None
    resolution: int
    seed: int
    folds: int
    simulated: dict[str, SimulatedArm]
    weights: dict[str, str] = field(default_factory=dict)
    cache_gb: float = 50.0

    def start_of(self, backbone: str) -> str | None:
        """The file of weights that a fine-tune without pre-training begins with; None where they are drawn."""
        name = weights_of(backbone)
        return self.settings.init if name is None else self.weights[name]


def finetuning_of(config: SweepConfig, store: ArtifactStore) -> Finetuning:
    """What the fine-tunes of this sweep share."""
    return Finetuning(
        settings=config.finetune.model_copy(update={"fit": config.finetune_fit}),
        identities=Identities(config),
        store=store,
        data_root=config.data_root,
        resolution=config.finetune_resolution,
        seed=config.seed,
        folds=config.tune.folds,
        simulated=config.simulated,
        weights=config.pretrain.weights,
        cache_gb=config.cache_gb,
    )


def finetune(job: Finetuning, trial: Trial) -> Iterator[dict[str, Any]]:
    """Measure an error and commit it as an artifact; yields what Tune is told, the artifact's metrics last.

    A trial of the tuning also tells on its way, so that Tune may stop it.
    """
    started = time.monotonic()
    told: SimpleQueue[dict[str, Any] | BaseException] = SimpleQueue()

    def on_the_way(error: float, percent: int) -> None:
        told.put({"error": error, PERCENT: percent, "seconds": time.monotonic() - started})

    def work() -> None:
        try:
            told.put(_committed(job, trial, on_the_way, started))
        except BaseException as error:
            told.put(error)

    if trial.split == "test":
        yield _committed(job, trial, on_the_way, started)
        return
    # A process that waits for its training to tell something, while the training goes on.
    Thread(target=work, daemon=True).start()
    percent = 0
    while percent < 100:
        news = told.get()
        if isinstance(news, BaseException):
            raise news
        percent = news[PERCENT]
        yield news


def _committed(
    job: Finetuning, trial: Trial, on_the_way: Callable[[float, int], None], started: float
) -> dict[str, Any]:
    """What Tune is told at the end."""
    identity = job.identities.finetune(trial)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with watchdog(job.settings.timeout_s):
            measured = _simulated(job, trial) if job.simulated else _measured(job, trial, on_the_way, folder)
        seconds = time.monotonic() - started
        manifest = job.store.commit(identity, folder, measured | {"seconds": seconds})
    # Another process may have committed it before: what stands in the store counts.
    return manifest.metrics | row_of_test_images(job.store, manifest) | {PERCENT: 100}


def _simulated(job: Finetuning, trial: Trial) -> dict[str, Any]:
    from sweeper.stages.simulated import simulated_error

    law = job.simulated.get(trial.arm.rendering) or next(iter(job.simulated.values()))
    time.sleep(law.seconds)
    # Shuffled labels teach nothing: the error is that of no pre-training.
    taught = 0 if trial.arm.is_control else trial.run.n
    s = trial.run.s if job.settings.counts is not None else 0
    return {"error": simulated_error(law, taught, trial.run.seed, trial.repeat, arm=trial.run.arm, s=s)}


@dataclass(frozen=True, eq=False)
class Tested:
    """A model that was fine-tuned on all s photographs, the test images, and what it got right of them."""

    model: Any
    recipe: Recipe
    class_names: tuple[str, ...]
    keypoint_names: tuple[str, ...]
    images: Any
    scored: Any


def tested_model(job: Finetuning, trial: Trial) -> Tested:
    """Fine-tune on all s photographs and test: the same trial gives the same model on the same kind of machine."""
    from tasks.base import task
    from tasks.training.evaluation import on_test_images

    own, real, chosen = _photographs(job, trial)
    recipe, learnt = job.identities.recipe(trial), task(trial.arm.finetune_task)
    # The last iterate counts, so nothing is looked at before it.
    training = real.training.take(chosen)
    model, _ = _trained(job, trial, training, recipe)
    images = real.tested(own.rest(real))
    scored = on_test_images(model, learnt, images, device=_device(job), recipe=recipe)
    return Tested(model, recipe, training.class_names, training.keypoint_names, images, scored)


def _measured(job: Finetuning, trial: Trial, on_the_way: Callable[[float, int], None], folder: Path) -> dict[str, Any]:
    """Its `error`; of a trial of the tuning the mean over `folds`, the error on each.

    On the test split, what it got right of the images is left in `folder`.
    """
    from tasks.data.sampling import folds

    if trial.split == "test":
        tested = tested_model(job, trial).scored
        write_test_images(folder, tested)
        return {"error": 1.0 - tested.metric}
    _, real, chosen = _photographs(job, trial)
    recipe = job.identities.recipe(trial)
    parts = folds(chosen, real.training.labels, job.folds, job.seed)
    looks = Looks(recipe.iterations, len(parts), on_the_way)
    watched = dataclasses.replace(recipe, eval_every=looks.every)
    try:
        for rest, part in parts:
            held_out, learnt_from = real.training.take(part), real.training.take(rest)
            _, metric = _trained(job, trial, learnt_from, watched, validation=held_out, on_validation=looks)
            assert metric is not None
            looks.take(1.0 - metric)
    except FloatingPointError:
        # Values at which the training diverges are no failure of the sweep: they are the worst there are.
        return {"error": 1.0, "folds": [1.0] * len(parts)}
    return {"error": fmean(looks.errors), "folds": looks.errors}


def _photographs(job: Finetuning, trial: Trial) -> tuple[Any, Any, Any]:
    """The real images, the set as it is pinned, and which of its training images this fine-tune learns from."""
    from sweeper.stages.photographs import Photographs

    own = Photographs(job.settings, trial.arm.finetune_task, job.data_root, job.resolution, job.seed)
    real = _pinned(job, own)
    return own, real, own.drawn(real, job.identities.finetune(trial)["subset_seed"], trial.run.s)


def _pinned(job: Finetuning, own: Any) -> Any:
    """The set as the sweep has it: on another machine photographs may lie beside it that were added since."""
    from sweeper.stages.photographs import kept_as

    try:
        return own.pinned()
    except ValueError:
        kept = kept_as(job.store, job.settings.dataset_sha256 or "")
        if kept is None:
            raise
    return dataclasses.replace(own, kept=kept).pinned()


def _device(job: Finetuning) -> str:
    return "cuda" if job.settings.gpus else "cpu"


def _trained(
    job: Finetuning, trial: Trial, training: Any, recipe: Recipe, **validation: Any
) -> tuple[Any, float | None]:
    """A model that begins at the trial's checkpoint, trained on these images, and its last metric on held-out ones."""
    import torch

    from tasks.base import task
    from tasks.models.given_weights import given_state
    from tasks.models.transfer import load_backbone, seeded_model
    from tasks.training.loop import train
    from tasks.training.mixed import train_mixed

    torch.set_num_threads(max(1, int(job.settings.cpus)))
    learnt, seed = task(trial.arm.finetune_task), training_seed(job.identities.finetune(trial))
    sizes = len(training.class_names), seed, len(training.keypoint_names)
    model = seeded_model(trial.arm.backbone, learnt, *sizes, zero_init_last_norm=recipe.zero_init_last_norm)
    if trial.checkpoint is not None:
        path = job.store.path(trial.checkpoint, MODEL_FILE)
        load_backbone(model, torch.load(path, map_location="cpu", weights_only=True))
    elif (start := job.start_of(trial.arm.backbone)) is not None:
        load_backbone(model, given_state(Path(start), model.backbone))
    if trial.arm.is_mixed:
        how: dict[str, Any] = {"seed": seed, "device": _device(job)} | validation
        return model, train_mixed(model, learnt, training, _renders(job, trial), recipe, **how)
    return model, train(model, learnt, training, recipe, seed=seed, device=_device(job), **validation).metric


def _renders(job: Finetuning, trial: Trial) -> Any:
    """The renders that a mixed training has in each batch, from the store that they were rendered into."""
    from sweeper.stages.inventory import found
    from sweeper.stages.pretrain_worker import Shards, rendered_set
    from tasks.base import task
    from tasks.training.mixed import Renders

    images, learnt, mix = job.identities.images(trial.run), trial.arm.learnt, job.settings.mix
    shards = found(images, job.store)
    if mix is None or len(shards) < len(images.shards):
        raise RuntimeError(f"{trial.run.what}: {len(images.shards) - len(shards)} shards of its renders are missing")
    manifests = tuple(shards[index] for index in images.shards)
    data = rendered_set(Shards(images, manifests), learnt, job.store, job.cache_gb)
    return Renders(task(learnt), data, mix.share)


class Looks:
    """Tells how a trial of the tuning gets on: the mean error over its folds so far, four times in all or oftener."""

    def __init__(self, iterations: int, folds: int, tell: Callable[[float, int], None]) -> None:
        self._iterations, self._folds, self._tell = iterations, folds, tell
        self.errors: list[float] = []
        self.every = min(iterations, max(1, math.ceil(iterations * folds / 4)))

    def __call__(self, step: int, metric: float) -> None:
        """A look at the fold under way."""
        percent = round(100 * (len(self.errors) + step / self._iterations) / self._folds)
        if percent < 100:
            self._tell(fmean([*self.errors, 1.0 - metric]), percent)

    def take(self, error: float) -> None:
        """A fold is done."""
        self.errors.append(error)
