"""One fine-tune: what determines its error, and the function that Ray Tune runs to measure it.

Every trial starts a process, so this module imports little: the stages' libraries take seconds to load.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import ray
from ray import tune

from sweeper.cluster.watchdog import ended_after
from sweeper.config.schema import SweepConfig
from sweeper.stages.identity import Identities, Trial, recipe_of
from sweeper.storage.artifacts import MODEL_FILE, ArtifactStore
from tasks.recipes.recipe import Recipe

OnValidation = Callable[[int, float], None]

# Key of what Tune is told: how much of a trial's training is done.
PERCENT = "percent"


def finetune_trial(params: dict[str, Any], *, config: SweepConfig, store: ArtifactStore) -> None:
    """The function that Ray Tune runs: measures an error, commits it as an artifact and reports it.

    A trial of the tuning also reports on its way, so that Tune may stop it.
    """
    trial: Trial = params["trial"]
    identity = Identities(config).finetune(trial)
    started = time.monotonic()
    group = ray.util.get_current_placement_group()
    # A process that goes on to another trial keeps what it holds.
    held = {} if group is None or config.is_simulated else {"placement_group": group.id.hex()}

    def on_the_way(error: float, percent: int) -> None:
        tune.report({"error": error, PERCENT: percent, "seconds": time.monotonic() - started} | held)

    with ended_after(config.finetune.timeout_s):
        if config.is_simulated:
            error = _simulated_error(config, trial)
        else:
            error = _measured_error(config, store, trial, on_the_way)
    seconds = time.monotonic() - started
    with tempfile.TemporaryDirectory() as empty:
        manifest = store.commit(identity, Path(empty), {"error": error, "seconds": seconds})
    tune.report({"error": manifest.metrics["error"], PERCENT: 100, "seconds": manifest.metrics["seconds"]} | held)


def _simulated_error(config: SweepConfig, trial: Trial) -> float:
    from sweeper.stages.simulated import SimulatedLaw, simulated_error

    law = config.simulated.get(trial.arm.rendering) or next(iter(config.simulated.values()))
    time.sleep(law.seconds)
    known = SimulatedLaw(alpha=law.alpha, C=law.C, D=law.D, sigma=law.sigma, zero_error=law.zero_error)
    # Shuffled labels teach nothing: the error is that of no pre-training.
    taught = 0 if trial.arm.is_control else trial.run.n
    return simulated_error(known, taught, trial.run.seed, trial.repeat, arm=trial.run.arm)


def _measured_error(
    config: SweepConfig, store: ArtifactStore, trial: Trial, on_the_way: Callable[[float, int], None]
) -> float:
    import numpy as np
    import torch

    from tasks.base import ArraySet, task
    from tasks.data.catalogue import load_real
    from tasks.data.sampling import folds, subset
    from tasks.models.transfer import load_backbone, seeded_model
    from tasks.training.loop import train

    settings = config.finetune
    torch.set_num_threads(max(1, int(settings.cpus)))
    learnt = task(trial.arm.finetune_task)
    options: dict[str, Any] = {"kind": learnt.label_kind, "ignore_label": settings.ignore_label}
    real = load_real(settings.dataset, config.data_root, config.finetune_resolution, **options)
    if real.sha256 != settings.dataset_sha256:
        raise RuntimeError(f"the images of {settings.dataset} have changed since the sweep began; run it again")
    sizes: dict[str, Any] = {"fraction": settings.whole, "count": settings.count}
    chosen = subset(real.train, **sizes, seed=config.seed, balanced=settings.balanced)
    recipe = recipe_of(settings.recipe, trial.arm, trial.settings)
    # The seeds of a fine-tune differ between runs and repeats: head, order of images, augmentation.
    seed = int(np.random.SeedSequence((config.seed, trial.run.seed, trial.repeat)).generate_state(1)[0])

    def error_of(training: ArraySet, held_out: ArraySet, recipe: Recipe, watch: OnValidation | None = None) -> float:
        sizes = len(training.class_names), seed, len(training.keypoint_names)
        model = seeded_model(trial.arm.backbone, learnt, *sizes)
        if trial.checkpoint is not None:
            path = store.path(trial.checkpoint, MODEL_FILE)
            load_backbone(model, torch.load(path, map_location="cpu", weights_only=True))
        device = "cuda" if settings.gpus else "cpu"
        result = train(
            model, learnt, training, recipe, seed=seed, device=device, validation=held_out, on_validation=watch
        )
        assert result.metric is not None
        return 1.0 - result.metric

    if trial.split == "test":
        # The last iterate counts, so nothing is looked at before it.
        return error_of(real.train.take(chosen), real.test, dataclasses.replace(recipe, eval_every=0))
    parts = folds(chosen, real.train.labels, config.tune.folds, config.seed)
    looks = Looks(recipe.iterations, len(parts), on_the_way)
    watched = dataclasses.replace(recipe, eval_every=looks.every)
    try:
        for rest, part in parts:
            looks.take(error_of(real.train.take(rest), real.train.take(part), watched, looks))
    except FloatingPointError:
        # Values at which the training diverges are no failure of the sweep: they are the worst there are.
        return 1.0
    return fmean(looks.errors)


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
