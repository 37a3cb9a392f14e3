"""config -> arms, ladder, stages and what they will cost. Pure: it reads nothing and spends nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sweeper.config import NO_PRETRAINING, SweepConfig
from sweeper.costs import CPU, FREE, GPU, Cost, Estimate, Guess, cpu_or_unknown, estimate
from sweeper.errors import BadInput
from tasks.recipes import Recipe, recipe, recipe_names

# What the pre-training task of a control is called after.
SHUFFLED = "-shuffled"

# Training speed of one core at 64 px, images/s, before anything was measured; others are taken for ResNet-50.
GUESSED_SPEED = {"small_resnet": 1000.0, "resnet18": 100.0, "resnet34": 55.0, "resnet50": 35.0}
# How many times as long a task's head makes it, measured for ResNet-18 (insseg and keypoint: guesses on top of objdet).
GUESSED_SLOWDOWN = {"objdet": 5.0, "insseg": 6.0, "keypoint": 6.0, "semseg": 2.0, "normal": 2.0, "depth": 2.0}
GUESSED_GPU_IN_CORES = 50.0

# Seconds from the moment that a stage has its devices to its first line of work, as measured on a laptop's two cores:
# starting Ray Train's workers, and starting a fine-tune's process.
TRAIN_START_S = 18.0
FINETUNE_START_S = 4.0


@dataclass(frozen=True, order=True)
class Arm:
    """One combination under study; the reference without pre-training has rendering and task "none".

    The control of an arm is pre-trained on the same images with shuffled labels, which its task's name says.
    """

    rendering: str
    pretrain_task: str
    backbone: str
    finetune_task: str

    @property
    def name(self) -> str:
        """The same in every table."""
        return "/".join((self.rendering, self.pretrain_task, self.backbone, self.finetune_task))

    @property
    def is_reference(self) -> bool:
        """Whether this is n = 0, the error without pre-training."""
        return self.rendering == NO_PRETRAINING

    @property
    def is_control(self) -> bool:
        """Whether it is pre-trained on shuffled labels."""
        return self.pretrain_task.endswith(SHUFFLED)

    @property
    def learnt(self) -> str:
        """Name of the pre-training task, whatever its labels."""
        return self.pretrain_task.removesuffix(SHUFFLED)

    @property
    def control(self) -> Arm:
        """The same with shuffled labels."""
        return dataclasses.replace(self, pretrain_task=f"{self.learnt}{SHUFFLED}")


@dataclass(frozen=True)
class Work:
    """What one run would still need: images to render, whether to pre-train, fine-tunes, trials of a tuning."""

    images: int
    pretrain: bool
    finetunes: int
    tuning_trials: int = 0


# What was measured of a stage on a type of device (None: the latest): (units, cost) of each piece of work.
Measured = Callable[[str, str | None], list[tuple[float, Cost]]]


@dataclass(frozen=True)
class Plan:
    """The arms, their references without pre-training, their controls with shuffled labels, and the sizes.

    `ladder`: the rungs of the pilot and of the fixed grid; `choices`: all sizes that a policy may choose.
    """

    arms: tuple[Arm, ...]
    references: tuple[Arm, ...]
    ladder: tuple[int, ...]
    choices: tuple[int, ...]
    controls: tuple[Arm, ...] = ()

    def reference(self, arm: Arm) -> Arm:
        """The same backbone on the same real task, without pre-training."""
        return next(r for r in self.references if (r.backbone, r.finetune_task) == (arm.backbone, arm.finetune_task))

    def arm(self, name: str) -> Arm:
        """The arm, reference or control of this name."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Arm]:
        return {arm.name: arm for arm in self.arms + self.references + self.controls}


def make_plan(config: SweepConfig) -> Plan:
    """Every combination of rendering, pre-training task, backbone and fine-tuning task."""
    combinations = [
        (backbone, finetune_task) for backbone in config.pretrain.backbones for finetune_task in config.finetune.tasks
    ]
    arms = tuple(
        Arm(rendering, pretrain_task, backbone, finetune_task)
        for rendering in config.renderings
        for pretrain_task in config.pretrain.tasks
        for backbone, finetune_task in combinations
    )
    references = tuple(Arm(NO_PRETRAINING, NO_PRETRAINING, b, f) for b, f in combinations)
    controls = tuple(arm.control for arm in arms) if config.controls.shuffled_labels else ()
    return Plan(arms, references, config.ladder.values(), config.ladder.choices(), controls)


class CostModel:
    """What work costs, from the config's guesses and then from what this sweep has measured.

    `slots`: how many fine-tunes run side by side on the machine or cluster at hand. `device_type`: the type of device
    of work that asks for so many GPUs; None where that is not known yet.
    """

    def __init__(
        self, config: SweepConfig, slots: float = 2.0, device_type: Callable[[float], str | None] = cpu_or_unknown
    ) -> None:
        self._config, self.slots, self._device_type = config, slots, device_type

    def stage(self, stage: str, units: float, measured: Measured, backbone: str) -> Estimate:
        """Estimate of `units` of a stage: images to render, pre-trainings, or fine-tunes."""
        if units <= 0:
            return FREE
        cpus, gpus = self._devices(stage)
        device = self._device_type(gpus)
        guess = self._guess(stage, backbone, device)
        return estimate(guess, measured(stage, device), units, self._config.prices, cpus, gpus, device)

    def run(self, work: Work, measured: Measured, backbone: str) -> dict[str, Estimate]:
        """Estimate by stage of one run; a fold of a tuning trial costs no more than a fine-tune."""
        return {stage: self.stage(stage, n, measured, backbone) for stage, n in self.units(work).items()}

    def units(self, work: Work) -> dict[str, float]:
        """Work by stage: images, pre-trainings, fine-tunes (tuning trials counted once a fold)."""
        finetunes = work.finetunes + work.tuning_trials * self._config.finetunes_per_trial
        return {"render": float(work.images), "pretrain": float(work.pretrain), "finetune": float(finetunes)}

    def _devices(self, stage: str) -> tuple[float, float]:
        """CPU cores and GPUs a stage holds while it runs."""
        config = self._config
        if stage == "render":
            return config.render.actors * config.render.cpus_per_actor, config.render.gpus
        if stage == "pretrain":
            workers = config.pretrain.workers
            return workers * config.pretrain.cpus_per_worker, float(workers * config.pretrain.gpu)
        return config.finetune.cpus * self.slots, config.finetune.gpus * self.slots

    def _guess(self, stage: str, backbone: str, device: str | None) -> Guess:
        config = self._config
        if config.is_simulated:
            seconds = max(law.seconds for law in config.simulated.values())
            return Guess(0.5, seconds if stage == "finetune" else 0.0)
        pixels = (config.render.resolution / 64) ** 2
        if stage == "render":
            seconds = 0.02 + 0.014 * config.render.samples * pixels
            return Guess(12.0, seconds / config.render.actors)
        learnt = config.pretrain.tasks[0] if stage == "pretrain" else config.finetune.tasks[0]
        side = config.render.resolution if stage == "pretrain" else config.finetune_resolution
        slowdown = GUESSED_SLOWDOWN.get(learnt, 1.0) * side**2 / 64**2
        core = config.prices.speed.get(CPU, {}).get(backbone) or GUESSED_SPEED.get(backbone, GUESSED_SPEED["resnet50"])
        gpu = config.prices.speed.get(device or GPU, {}).get(backbone) or core * GUESSED_GPU_IN_CORES
        if stage == "pretrain":
            work = resolve_recipe("pretrain", learnt, config.pretrain.recipe)
            speed = config.pretrain.workers * (gpu if config.pretrain.gpu else core) / slowdown
            return Guess(TRAIN_START_S, work.iterations * work.batch_size / speed)
        work = resolve_recipe("finetune", learnt, config.finetune.recipe)
        speed = (gpu * config.finetune.gpus or core) / slowdown
        return Guess(0.0, (FINETUNE_START_S + work.iterations * work.batch_size / speed) / self.slots)


def total(estimates: Iterable[Estimate]) -> Estimate:
    """Sum of estimates."""
    result = FREE
    for part in estimates:
        result = result + part
    return result


def resolve_recipe(stage: str, task: str, overrides: Mapping[str, Any]) -> Recipe:
    """The recipe `overrides["base"]` names (default: quick) with the other keys replaced.

    `base` is a recipe's whole name, or the end of one, quick or paper: then each task has its own. Raises BadInput
    naming the key.
    """
    values = {key: value for key, value in overrides.items() if key != "base"}
    known = {field.name: field.type for field in dataclasses.fields(Recipe)}
    for key, value in values.items():
        if key not in known:
            raise BadInput(f"{stage}.recipe: unknown key {key}; known keys: base, {', '.join(known)}")
        # pydantic would take yes for 1
        if isinstance(value, bool) and known[key] in ("int", "float"):
            raise BadInput(f"{stage}.recipe.{key}: a number is needed, not yes or no")
    default = f"{stage}-{task}-quick"
    if "base" not in overrides and default not in recipe_names():
        names = ", ".join(name for name in recipe_names() if name.startswith(stage))
        raise BadInput(
            f"{stage}.tasks: {task} has no recipe here; choose another task, or set {stage}.recipe.base: {names}"
        )
    try:
        named = str(overrides.get("base", default))
        own = f"{stage}-{task}-{named}"
        base = recipe(own if own in recipe_names() else named)
        return TypeAdapter(Recipe).validate_python(dataclasses.asdict(base) | values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (f"{stage}.recipe", *first["loc"]))
        raise BadInput(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise BadInput(f"{stage}.recipe: {error}") from None
