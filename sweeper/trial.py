"""One fine-tune: what determines its error, and the function that Ray Tune runs to measure it.

Every trial starts a process, so this module imports little: the stages' libraries take seconds to load.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ray
from ray import tune

from sweeper.artifacts import MODEL_FILE, ArtifactStore, Manifest
from sweeper.config import SweepConfig, as_plain
from sweeper.plan import Arm, resolve_recipe
from sweeper.study import FINETUNE_VERSION

Split = Literal["test", "validation"]


@dataclass(frozen=True)
class Trial:
    """One fine-tune: on all s images and scored on the test split, or on folds of them and scored on the rest."""

    arm: Arm
    n: int
    seed: int
    repeat: int
    lr: float
    split: Split
    checkpoint: Manifest | None

    @property
    def what(self) -> str:
        """For a line of progress."""
        kind = f"lr {self.lr:.1e}" if self.split == "validation" else f"repeat {self.repeat}"
        return f"{self.arm.name} n={self.n} seed={self.seed} {kind}"


def finetune_identity(config: SweepConfig, trial: Trial) -> dict[str, Any]:
    """Everything that determines the error of one fine-tune."""
    finetune = config.finetune
    identity: dict[str, Any] = {
        "stage": "finetune",
        "version": FINETUNE_VERSION,
        "task": trial.arm.finetune_task,
        "backbone": trial.arm.backbone,
        "dataset": finetune.dataset_sha256,
        "fraction": finetune.whole,
        "count": finetune.count,
        "resolution": config.render.resolution,
        "subset_seed": config.seed,
        "seed": trial.seed,
        "repeat": trial.repeat,
        "lr": trial.lr,
        "split": trial.split,
        "checkpoint": trial.checkpoint.key if trial.checkpoint else None,
    }
    if config.is_simulated:
        law = config.simulated.get(trial.arm.rendering)
        return identity | {"n": trial.n, "arm": trial.arm.name, "simulated": as_plain(law)}
    recipe = resolve_recipe("finetune", trial.arm.finetune_task, finetune.recipe)
    folds = config.tune.folds if trial.split == "validation" else None
    return identity | {"recipe": as_plain(recipe), "folds": folds}


def finetune_trial(params: dict[str, Any], *, config: SweepConfig, store: ArtifactStore) -> None:
    """The function that Ray Tune runs: measures an error, commits it as an artifact and reports it."""
    trial: Trial = params["trial"]
    identity = finetune_identity(config, trial)
    started = time.monotonic()
    # From a thread of its own, which needs no Python: whatever hangs is ended, and says on stderr where it hung.
    faulthandler.dump_traceback_later(config.finetune.timeout_s, exit=True, file=2)
    try:
        error = _simulated_error(config, trial) if config.is_simulated else _measured_error(config, store, trial)
    except FloatingPointError:
        if trial.split == "test":
            raise
        # A learning rate at which training diverges is the worst there is, and no reason to give the run up.
        error = 1.0
    finally:
        faulthandler.cancel_dump_traceback_later()
    seconds = time.monotonic() - started
    with tempfile.TemporaryDirectory() as empty:
        manifest = store.commit(identity, Path(empty), {"error": error, "seconds": seconds})
    group = ray.util.get_current_placement_group()
    held = {} if group is None else {"placement_group": group.id.hex()}
    tune.report({"error": manifest.metrics["error"], "seconds": manifest.metrics["seconds"]} | held)


def _simulated_error(config: SweepConfig, trial: Trial) -> float:
    from tasks.toy import SimulatedLaw, simulated_error

    law = config.simulated.get(trial.arm.rendering) or next(iter(config.simulated.values()))
    time.sleep(law.seconds)
    known = SimulatedLaw(alpha=law.alpha, C=law.C, D=law.D, sigma=law.sigma, zero_error=law.zero_error)
    return simulated_error(known, trial.n, trial.seed, trial.repeat, arm=trial.arm.name)


def _measured_error(config: SweepConfig, store: ArtifactStore, trial: Trial) -> float:
    import numpy as np
    import torch

    from tasks.base import ArraySet, task
    from tasks.datasets import folds, load_real, subset
    from tasks.models import load_backbone, seeded_model
    from tasks.train import evaluate, train

    settings = config.finetune
    torch.set_num_threads(max(1, int(settings.cpus)))
    device = "cuda" if settings.gpus else "cpu"
    real = load_real(settings.dataset, config.data_root, config.render.resolution)
    if real.sha256 != settings.dataset_sha256:
        raise RuntimeError(f"the images of {settings.dataset} have changed since the sweep began; run it again")
    chosen = subset(real.train, fraction=settings.whole, count=settings.count, seed=config.seed)
    recipe = resolve_recipe("finetune", trial.arm.finetune_task, settings.recipe)
    recipe = dataclasses.replace(recipe, lr=trial.lr)
    learnt = task(trial.arm.finetune_task)
    # The seeds of a fine-tune differ between runs and repeats: head, order of images, augmentation.
    seed = int(np.random.SeedSequence((config.seed, trial.seed, trial.repeat)).generate_state(1)[0])

    def error_of(training: ArraySet, held_out: ArraySet) -> float:
        model = seeded_model(trial.arm.backbone, learnt, len(training.class_names), seed)
        if trial.checkpoint is not None:
            path = store.path(trial.checkpoint, MODEL_FILE)
            load_backbone(model, torch.load(path, map_location="cpu", weights_only=True))
        train(model, learnt, training, recipe, seed=seed, device=device)
        return 1.0 - evaluate(model, learnt, held_out, device=device, precision=recipe.precision)

    if trial.split == "test":
        return error_of(real.train.take(chosen), real.test)
    parts = folds(chosen, real.train.labels, config.tune.folds, config.seed)
    return float(np.mean([error_of(real.train.take(rest), real.train.take(part)) for rest, part in parts]))
