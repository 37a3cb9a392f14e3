"""The arms of a sweep, their references and controls, and the sizes. Pure: it reads nothing and spends nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from analysis.policy.runs import Run
from sweeper.config.schema import NO_PRETRAINING, SweepConfig

# What the pre-training task of a control is called after.
SHUFFLED = "-shuffled"
# And that of an arm that learns from renders and photographs in one training.
MIXED = "-mixed"


@dataclass(frozen=True, order=True)
class Arm:
    """One combination under study; the reference without pre-training has rendering and task "none".

    The control of an arm is pre-trained on the same images with shuffled labels, a mixed arm learns from renders and
    photographs in one training: their task's name says so.
    """

    rendering: str
    pretrain_task: str
    backbone: str
    finetune_task: str

    @classmethod
    def named(cls, name: str) -> Arm:
        """The arm of this name."""
        return cls(*name.split("/"))

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
        return self.pretrain_task.removesuffix(SHUFFLED).removesuffix(MIXED)

    @property
    def is_mixed(self) -> bool:
        """Whether renders and photographs are learnt from in one training, without a pre-training of its own."""
        return self.pretrain_task.endswith(MIXED)

    @property
    def mixed(self) -> Arm:
        """The same images and photographs in one training."""
        return dataclasses.replace(self, pretrain_task=f"{self.learnt}{MIXED}")

    @property
    def transferred(self) -> Arm:
        """The same images and photographs, one after the other."""
        return dataclasses.replace(self, pretrain_task=self.learnt)

    @property
    def reference(self) -> Arm:
        """The same backbone on the same real task, without pre-training."""
        return Arm(NO_PRETRAINING, NO_PRETRAINING, self.backbone, self.finetune_task)

    @property
    def control(self) -> Arm:
        """The same with shuffled labels."""
        return dataclasses.replace(self, pretrain_task=f"{self.learnt}{SHUFFLED}")


@dataclass(frozen=True)
class Plan:
    """The arms, their references without pre-training, their controls with shuffled labels, and the sizes.

    `ladder`: the rungs of the pilot and of the fixed grid; `choices`: all sizes that a policy may choose. `s`: the
    number of real training images, 0 while the data set has not been looked at. `counts`: all of them, increasing,
    where runs have several; s is then the largest.
    """

    arms: tuple[Arm, ...]
    references: tuple[Arm, ...]
    ladder: tuple[int, ...]
    choices: tuple[int, ...]
    controls: tuple[Arm, ...] = ()
    s: int = 0
    counts: tuple[int, ...] = ()

    def run(self, arm: Arm, n: int, seed: int, s: int | None = None) -> Run:
        """The run of an arm at a size, with s real images; the largest s where it is left out."""
        return Run(arm.name, n, seed, self.s if s is None else s, bool(self.counts))

    def reference(self, arm: Arm) -> Arm:
        """The same backbone on the same real task, without pre-training."""
        return arm.reference


def make_plan(config: SweepConfig, s: int = 0) -> Plan:
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
    references = tuple(dict.fromkeys(arm.reference for arm in arms))
    controls = tuple(arm.control for arm in arms) if config.controls.shuffled_labels else ()
    if config.finetune.mix is not None:
        arms += tuple(arm.mixed for arm in arms)
    counts = config.finetune.counts or ()
    s = max(counts, default=s)
    return Plan(arms, references, config.ladder.values(), config.ladder.choices(), controls, s, counts)


def run_seeds(config: SweepConfig, count: int) -> range:
    """The seeds of so many runs of an arm at a size: all begin at the sweep's own seed."""
    return range(config.seed, config.seed + count)
