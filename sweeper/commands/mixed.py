"""Arms that learn from renders and photographs in one training: what cannot be mixed, and what the report says."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from scipy.stats import t as student

from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput, bad_input
from sweeper.study.arms import Arm, Plan
from sweeper.study.recipes import resolve_recipe
from sweeper.study.results import MeasuredRun
from tasks.base import task_facts
from tasks.label_forms import LabelKind
from tasks.training.shard import rendered_part

# Labels whose heads take any part of a batch: one answer an image.
_MIXABLE: tuple[LabelKind, ...] = ("class_index", "class_set")


def check_mix(config: SweepConfig) -> None:
    """BadInput where `finetune.mix` asks for what one training cannot do."""
    if config.finetune.mix is None:
        return
    for stage, tasks in (("pretrain", config.pretrain.tasks), ("finetune", config.finetune.tasks)):
        for name in tasks:
            if task_facts(name).label_kind not in _MIXABLE:
                raise BadInput(
                    f"finetune.mix: {stage}.tasks has {name}, and one training mixes sinclass and mulclass alone; leave"
                    " mix or the task out"
                )
    for name, backbone in product(config.finetune.tasks, config.pretrain.backbones):
        _check_recipe(config, name, backbone)


def _check_recipe(config: SweepConfig, name: str, backbone: str) -> None:
    assert config.finetune.mix is not None
    recipe = resolve_recipe("finetune", name, config.finetune.recipe, backbone)
    with bad_input("finetune.mix: "):
        rendered_part(recipe.batch_size, config.finetune.mix.share)
    if recipe.device_batch:
        raise BadInput("finetune.mix: a mixed batch is taken at once; leave device_batch out of finetune.recipe")
    if "device_batch" in config.tune.space or "batch_size" in config.tune.space:
        raise BadInput("finetune.mix: the batch of a mixed training is not tuned; leave it out of tune.space")
    sides = {recipe.side_of(each) for each in (config.render.resolution, config.finetune_resolution)}
    if len(sides) > 1 or recipe.draws_shorter_edge:
        raise BadInput(
            f"finetune.mix: renders of {config.render.resolution} px and photographs of {config.finetune_resolution} px"
            " cannot be in one batch; give both one resolution, or a window in finetune.recipe"
        )


def mixed_lines(config: SweepConfig, plan: Plan, runs: Sequence[MeasuredRun]) -> Iterator[str]:
    """How mixed arms are trained, and by how much their errors differ from those of pre-train-then-fine-tune."""
    mixed = [arm for arm in plan.arms if arm.is_mixed]
    if config.finetune.mix is None or not mixed:
        return
    yield from dict.fromkeys(_how(config, config.finetune.mix.share, arm) for arm in mixed)
    for arm in mixed:
        yield _compared(arm, runs)


def _how(config: SweepConfig, share: float, arm: Arm) -> str:
    before = resolve_recipe("pretrain", arm.learnt, config.pretrain.recipe, arm.backbone)
    after = resolve_recipe("finetune", arm.finetune_task, config.finetune.recipe, arm.backbone)
    renders = round(share * after.batch_size)
    return (
        f"Arms of {arm.learnt}-mixed are one training from the start: of the {after.batch_size} images of each batch"
        f" {renders} are renders and {after.batch_size - renders} photographs, for"
        f" {before.iterations + after.iterations:,} steps ({before.iterations:,} of the pre-training and"
        f" {after.iterations:,} of the fine-tune) by the fine-tune's recipe. They share the backbone, with a head each;"
        " no checkpoint is shared between s or repeats, and the synthetic validation images choose nothing"
    )


def _compared(arm: Arm, runs: Sequence[MeasuredRun]) -> str:
    """The mean difference over the runs that both have, with its 95 % interval by Student's t."""
    errors = {(each.run.arm, each.run.n, each.run.s, each.run.seed): each.error for each in runs}
    other = arm.transferred.name
    pairs = [
        (error, errors[other, n, s, seed]) for (name, n, s, seed), error in errors.items()
        if name == arm.name and (other, n, s, seed) in errors
    ]  # fmt: skip
    if not pairs:
        return f"{arm.name}: no run of it has n, s and seed of one of {other} yet"
    off = 100 * np.array([mixed - apart for mixed, apart in pairs])
    counted = f"over {off.size} runs" if off.size > 1 else "in the one run"
    wide = ""
    if off.size > 1:
        half = float(student.ppf(0.975, off.size - 1) * off.std(ddof=1) / off.size**0.5)
        wide = f" (95 %: {off.mean() - half:+.1f} to {off.mean() + half:+.1f})"
    apart = f"its error is {off.mean():+.1f} points{wide} from that of {other}"
    return f"{arm.name}: {apart}, {counted} of equal n, s and seed"
