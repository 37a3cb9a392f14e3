"""What shards, checkpoints, fine-tunes and result rows depend on: one record, from which each takes its part.

A part holds JSON-ready values only, and `artifact_key` is the one way in which any of it is hashed. So a checkpoint and
the rows that were measured on it can never disagree about what matters. What is drawn for a training comes from a hash
of its identity (`sweeper.stages.seeds`).
"""

import dataclasses
import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from analysis.policy.runs import Run
from sweeper.config.schema import SweepConfig
from sweeper.config.simulated import SimulatedArm
from sweeper.errors import bad_input
from sweeper.stages.image_sets import FIRST_VALIDATION_SHARD, ImageSet, run_images, setting_of
from sweeper.stages.seeds import seed_of
from sweeper.storage.artifacts import Manifest, artifact_key
from sweeper.study.arms import Arm, Plan, make_plan
from sweeper.study.recipes import resolve_recipe
from sweeper.study.studies import Studies
from tasks.base import weights_of
from tasks.recipes.recipe import Recipe

# Raise when the same identity would leave another checkpoint.
PRETRAIN_VERSION = 5
# Raise when the same identity would give another error.
FINETUNE_VERSION = 6

Split = Literal["test", "validation"]
Part = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """One fine-tune: on all s images and scored on the test split, or on folds of them and scored on the rest.

    `settings`: the tuned recipe values, by key.
    """

    run: Run
    repeat: int
    settings: dict[str, Any]
    split: Split
    checkpoint: Manifest | None

    @property
    def text(self) -> str:
        """As JSON: what a process hands on without importing what it is made of."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_text(text: str) -> "Trial":
        """The trial of a `text`."""
        return TypeAdapter(Trial).validate_python(json.loads(text))

    @property
    def arm(self) -> Arm:
        """The arm of its run."""
        return Arm.named(self.run.arm)

    @property
    def what(self) -> str:
        """For a line of progress."""
        kind = f"trial of {in_words(self.settings)}" if self.split == "validation" else f"repeat {self.repeat}"
        return f"{self.run.what} {kind}"


def in_words(settings: dict[str, Any]) -> str:
    """Recipe values for a line of progress or a table."""
    return ", ".join(f"{k} {v:.2g}" if isinstance(v, float) else f"{k} {v}" for k, v in sorted(settings.items()))


class Identities:
    """The identities of one sweep's artifacts and rows. Each part is made once: folders of images are read for it."""

    def __init__(self, config: SweepConfig) -> None:
        self._config = config
        self._images: dict[str, Part] = {}
        self._pretrainings: dict[Arm, Part] = {}
        self._digests: dict[tuple[str, int], Part] = {}

    def checkpoint(self, run: Run) -> Part:
        """Everything that determines a checkpoint."""
        arm = Arm.named(run.arm)
        return self._pretraining(arm) | {"n": run.n, "seed": run.seed} | self.folder_images(arm.rendering, run.n)

    def folder_images(self, rendering: str, n: int) -> Part:
        """Which images of a labelled folder are learnt from and which choose the checkpoint; nothing of other sources.

        They stand beside the study and not in it: a folder that grows has the same first n images.
        """
        if not self._is_of_folder(rendering):
            return {}
        if (rendering, n) not in self._digests:
            config, held_out = self._config, self._config.pretrain.validation_images
            images = ImageSet(setting_of(config, rendering), config.seed, n, config.render.scenes_per_shard)
            held = replace(images, n=held_out, first_shard=FIRST_VALIDATION_SHARD)
            with bad_input(f"renderings.{rendering}.source: "):
                self._digests[rendering, n] = {"folder_images": images.digest, "held_out_images": held.digest}
        return self._digests[rendering, n]

    def checkpoint_of(self, run: Run) -> str | None:
        """The key of the only checkpoint that a run may be measured on, where its images are a folder's; else None."""
        arm = Arm.named(run.arm)
        if not run.n or not self._is_of_folder(arm.rendering):
            return None
        # A mixed training has no checkpoint: its images alone tell it.
        return artifact_key(self._mixed_images(run) if arm.is_mixed else self.checkpoint(run))

    def images(self, run: Run) -> ImageSet:
        """The synthetic images that a run learns from."""
        return run_images(self._config, Arm.named(run.arm).rendering, run.n, run.seed)

    def recipe(self, trial: Trial) -> Recipe:
        """What a fine-tune is trained by, with the tuned values in it."""
        if trial.arm.is_mixed:
            return mixed_recipe(self._config, trial.arm, trial.settings)
        return recipe_of(self._config.finetune.recipe, trial.arm, trial.settings)

    def _mixed_images(self, run: Run) -> Part:
        return {"n": run.n} | self.folder_images(Arm.named(run.arm).rendering, run.n)

    def _is_of_folder(self, rendering: str) -> bool:
        choice = self._config.renderings.get(rendering)
        return choice is not None and choice.source is not None and choice.source.kind != "function"

    def finetune(self, trial: Trial) -> Part:
        """Everything that determines the error of one fine-tune."""
        own: Part = {
            "seed": trial.run.seed,
            "repeat": trial.repeat,
            "split": trial.split,
            "checkpoint": trial.checkpoint.key if trial.checkpoint else None,
        }
        own |= self._photographs_of(trial)
        if self._config.is_simulated:
            own |= {"n": trial.run.n, "arm": trial.run.arm, "settings": as_plain(trial.settings)}
        else:
            own |= {"folds": self._config.tune.folds if trial.split == "validation" else None}
        if trial.arm.is_mixed:
            own |= {"renders": self._mixed_images(trial.run)}
        return self._finetuning(trial.arm, trial.settings, trial.run.s) | own

    def _photographs_of(self, trial: Trial) -> Part:
        """The seed by which a run's photographs are drawn, where it is not the sweep's own."""
        config, run = self._config, trial.run
        if trial.split != "test" or config.finetune.subset == "shared":
            return {}
        if config.finetune.subset == "independent":
            return {"subset_seed": seed_of("photographs", config.seed, run.arm, run.n, run.seed)}
        # So the first seed's fine-tunes are those of a sweep of that s alone.
        return {} if run.seed == config.seed else {"subset_seed": seed_of("photographs", config.seed, run.seed)}

    def study(self, arm: Arm) -> str:
        """Hash of all that the errors of an arm depend on, and no budget, policy or machine.

        Rows of the results table that were measured under another one belong to another sweep.
        """
        # A key of `tune:` that comes later has to be None where nothing is said, or it orphans all rows.
        tune = {key: value for key, value in as_plain(self._config.tune).items() if value is not None}
        parts: Part = {"finetune": self._finetuning(arm, {}, None), "tune": tune}
        if self._config.finetune.subset != "shared":
            parts["subset"] = self._config.finetune.subset
        if not self._config.is_simulated:
            parts["pretrain"] = None if arm.is_reference or arm.is_mixed else self._pretraining(arm)
        elif arm.is_reference:
            # Its error is that of the laws' common start.
            parts["simulated"] = {name: _law(law) for name, law in self._config.simulated.items()}
        return artifact_key(parts)[:16]

    def _pretraining(self, arm: Arm) -> Part:
        """A checkpoint's identity less its run's n and seed."""
        if arm not in self._pretrainings:
            pretrain = self._config.pretrain
            recipe = resolve_recipe("pretrain", arm.learnt, pretrain.recipe, arm.backbone)
            self._pretrainings[arm] = {
                "stage": "pretrain",
                "version": PRETRAIN_VERSION,
                "task": arm.learnt,
                "backbone": arm.backbone,
                "recipe": as_plain(recipe),
                "images": self._shards(arm.rendering),
                "validation_images": pretrain.validation_images,
                # The number of workers counts only where each normalises its own share.
                "workers": None if recipe.sync_batch_norm else pretrain.workers,
            }
            # What it begins with says so where it is not drawn.
            if pretrain.init is not None:
                self._pretrainings[arm]["init"] = pretrain.init_sha256
            if (name := weights_of(arm.backbone)) is not None:
                self._pretrainings[arm] |= self._weights(name)
            # Only a control says so: the identity of what is learnt from true labels stays what it was.
            if arm.is_control:
                self._pretrainings[arm]["labels"] = "shuffled"
            # So does a draw of its own: which one, the sweep's seed and the run's n and seed say.
            if pretrain.subset != "first":
                self._pretrainings[arm]["subset"] = pretrain.subset
        return self._pretrainings[arm]

    def _mixed(self, arm: Arm) -> Part:
        """What a training on renders and photographs depends on besides the fine-tune."""
        pretrain, mix = self._config.pretrain, self._config.finetune.mix
        recipe = resolve_recipe("pretrain", arm.learnt, pretrain.recipe, arm.backbone)
        own: Part = {"task": arm.learnt, "images": self._shards(arm.rendering), "steps": recipe.iterations}
        own |= {"share": mix.share if mix else None}
        return own if pretrain.subset == "first" else own | {"subset": pretrain.subset}

    def _weights(self, name: str) -> Part:
        return {"weights": self._config.pretrain.weights_sha256.get(name)}

    def _shards(self, rendering: str) -> Part:
        """The first shard's identity; all others of the rendering differ from it in their number."""
        if rendering not in self._images:
            config = self._config
            images = ImageSet(setting_of(config, rendering), config.seed, 1, config.render.scenes_per_shard)
            with bad_input(f"renderings.{rendering}.source: "):
                shard = as_plain(images.shard(0))
            self._images[rendering] = {key: part for key, part in shard.items() if key != "images"}
        return self._images[rendering]

    def _finetuning(self, arm: Arm, settings: dict[str, Any], s: int | None) -> Part:
        """A fine-tune's identity less what tells one of its arm from another, but with the tuned values.

        `s`: of a sweep of several; None for all of them, so that rows stay when one is added.
        """
        config, finetune = self._config, self._config.finetune
        part: Part = {
            "stage": "finetune",
            "version": FINETUNE_VERSION,
            "task": arm.finetune_task,
            "backbone": arm.backbone,
            "dataset": finetune.dataset_sha256,
            "fraction": finetune.whole,
            "count": s if finetune.counts is not None else finetune.count,
            "resolution": config.finetune_resolution,
            "subset_seed": config.seed,
        }
        if finetune.init is not None and arm.is_reference:
            part["init"] = finetune.init_sha256
        if (name := weights_of(arm.backbone)) is not None:
            part |= self._weights(name)
        if arm.is_mixed:
            part["mixed"] = self._mixed(arm)
        if finetune.balanced is not None:
            part["balanced"] = finetune.balanced
        if config.finetune_fit is not None:
            part["fit"] = config.finetune_fit
        if finetune.test != "split":
            # The pool is s where nothing is said of it.
            part["tested"] = {finetune.test: finetune.pool or finetune.count or finetune.whole}
        if config.is_simulated:
            law = config.simulated.get(arm.rendering)
            return part | {"simulated": None if law is None else _law(law)}
        return part | {"recipe": as_plain(recipe_of(finetune.recipe, arm, settings))}


def _law(law: SimulatedArm) -> Part:
    """A simulated law as it was before it could depend on s, where it does not."""
    return {key: value for key, value in as_plain(law).items() if value is not None}


def recipe_of(recipe: dict[str, Any], arm: Arm, settings: dict[str, Any]) -> Recipe:
    """The fine-tuning recipe of `finetune.recipe` with the tuned values in it."""
    return resolve_recipe("finetune", arm.finetune_task, recipe | settings, arm.backbone)


def mixed_recipe(config: SweepConfig, arm: Arm, settings: dict[str, Any]) -> Recipe:
    """That of the fine-tune, with the steps of the pre-training on top."""
    recipe = recipe_of(config.finetune.recipe, arm, settings)
    before = resolve_recipe("pretrain", arm.learnt, config.pretrain.recipe, arm.backbone)
    return dataclasses.replace(recipe, iterations=before.iterations + recipe.iterations)


def studies(config: SweepConfig, plan: Plan | None = None) -> Studies:
    """The studies of every arm, reference and control, and what makes a sweep the same sweep: its config and those."""
    identities, plan = Identities(config), plan or make_plan(config)
    arms = (*plan.references, *plan.arms, *plan.controls)
    current = {arm.name: identities.study(arm) for arm in arms}
    # A key that comes later says nothing at its default.
    said = config.model_dump(mode="json", exclude_defaults=True, exclude={"finetune": {"classes"}})
    decided: Part = {"config": said, "studies": current}
    largest = max(plan.ladder)
    images = {name: part for name in config.renderings if (part := identities.folder_images(name, largest))}
    if images:
        decided["folders"] = images
    return Studies(current, artifact_key(decided)[:16], identities.checkpoint_of)


def as_plain(value: Any) -> Any:
    """Dataclasses and models as JSON-ready data, for identities."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(f, getattr(value, f.name)) for f in dataclasses.fields(value)]
        # A field that came later says nothing at its default.
        return {f.name: as_plain(v) for f, v in fields if not (f.metadata.get("later") and v == f.default)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(v) for v in value]
    return value
