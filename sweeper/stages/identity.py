"""What determines a checkpoint and a fine-tune: the identities of their artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from render_actors.actor import shard_identity
from sweeper.config.schema import SweepConfig
from sweeper.stages.image_sets import training_images, validation_images
from sweeper.storage.artifacts import Manifest
from sweeper.study.arms import Arm
from sweeper.study.identity import FINETUNE_VERSION, PRETRAIN_VERSION, as_plain
from sweeper.study.recipes import resolve_recipe
from tasks.recipes.recipe import Recipe


def pretrain_identity(config: SweepConfig, arm: Arm, n: int, seed: int) -> dict[str, Any]:
    """Everything that determines a checkpoint; the number of workers only where each normalises its own share."""
    render = config.render
    recipe = resolve_recipe("pretrain", arm.learnt, config.pretrain.recipe)
    images, held_out = training_images(config, arm.rendering, n), validation_images(config, arm.rendering)
    # Only a control says so: the identity of what is learnt from true labels stays what it was.
    labels = {"labels": "shuffled"} if arm.is_control else {}
    return {
        "stage": "pretrain",
        "version": PRETRAIN_VERSION,
        "task": arm.learnt,
        "backbone": arm.backbone,
        "recipe": as_plain(recipe),
        "n": n,
        "seed": seed,
        "images": as_plain(shard_identity(images.setting, images.seed, 0, render.scenes_per_shard)),
        "validation_images": held_out.n,
        "workers": None if recipe.sync_batch_norm else config.pretrain.workers,
    } | labels


Split = Literal["test", "validation"]


@dataclass(frozen=True)
class Trial:
    """One fine-tune: on all s images and scored on the test split, or on folds of them and scored on the rest.

    `settings`: the tuned recipe values, by key.
    """

    arm: Arm
    n: int
    seed: int
    repeat: int
    settings: dict[str, Any]
    split: Split
    checkpoint: Manifest | None

    @property
    def what(self) -> str:
        """For a line of progress."""
        kind = f"trial of {in_words(self.settings)}" if self.split == "validation" else f"repeat {self.repeat}"
        return f"{self.arm.name} n={self.n} seed={self.seed} {kind}"


def in_words(settings: dict[str, Any]) -> str:
    """Recipe values for a line of progress or a table."""
    return ", ".join(f"{k} {v:.2g}" if isinstance(v, float) else f"{k} {v}" for k, v in sorted(settings.items()))


def recipe_of(config: SweepConfig, trial: Trial) -> Recipe:
    """The fine-tuning recipe with the tuned values in it."""
    return resolve_recipe("finetune", trial.arm.finetune_task, config.finetune.recipe | trial.settings)


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
        "resolution": config.finetune_resolution,
        "subset_seed": config.seed,
        "seed": trial.seed,
        "repeat": trial.repeat,
        "split": trial.split,
        "checkpoint": trial.checkpoint.key if trial.checkpoint else None,
    }
    if finetune.balanced is not None:
        identity["balanced"] = finetune.balanced
    if config.is_simulated:
        law = config.simulated.get(trial.arm.rendering)
        told = {"n": trial.n, "arm": trial.arm.name, "settings": as_plain(trial.settings)}
        return identity | told | {"simulated": as_plain(law)}
    folds = config.tune.folds if trial.split == "validation" else None
    return identity | {"recipe": as_plain(recipe_of(config, trial)), "folds": folds}
