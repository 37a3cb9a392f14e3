"""config -> arms, ladder, stages and what they will cost. Pure: it reads nothing and spends nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from sweeper.config.schema import NO_PRETRAINING, SweepConfig

# What the pre-training task of a control is called after.
SHUFFLED = "-shuffled"


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


@dataclass(frozen=True)
class RunKey:
    """One run: an arm, a size and a seed."""

    arm: Arm
    n: int
    seed: int

    @property
    def what(self) -> str:
        """For the ledger and for lines of progress."""
        return f"{self.arm.name} n={self.n} seed={self.seed}"
