"""`sweeper bench tasks`: what works with what. Every task on every backbone, trained with its quick recipe.

Drawn images of tasks/data/drawn.py at 64 px, one thread, one seed. A cut recipe, for networks that are too large for
the whole of it on one core, says that a pair trains and is scored, not that it learns.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

import torch

from sweeper.bench.figures import Figure
from sweeper.bench.training_loops import check_device
from sweeper.errors import BadInput
from tasks.base import Task, TaskError, task, task_names
from tasks.data.drawn import shapes
from tasks.models.backbone_facts import backbone_names, check_pair
from tasks.models.transfer import seeded_model
from tasks.recipes.registry import recipe
from tasks.training.evaluation import evaluate
from tasks.training.loop import train

SIDE_PX, TRAINING, TEST, BATCH, SEED = 64, 256, 64, 8, 0


def measure(
    backbones: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    steps: int | None = None,
    test: int = TEST,
    device: str = "cpu",
) -> dict[str, Figure]:
    """The metric of every pair that can work, beside that of the same model untrained; a line of each on stderr.

    Args:
        backbones: names; all by default.
        tasks: names; all by default.
        steps: so many steps of 8 images in place of the whole quick recipe.
        test: how many held-out images are scored.
        device: "cpu" or "cuda".

    Raises:
        BadInput: where a name is unknown, the device is absent, or no pair can work.
    """
    check_device(device)
    for names, known in ((backbones or (), backbone_names()), (tasks or (), task_names())):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise BadInput(f"unknown {unknown[0]!r}; known: {', '.join(known)}")
    torch.set_num_threads(1)
    figures, refused = dict[str, Figure](), list[str]()
    for backbone in backbones or backbone_names():
        for learnt in map(task, tasks or task_names()):
            try:
                check_pair(backbone, learnt.facts, SIDE_PX)
            except TaskError as error:
                refused.append(str(error))
                print(f"bench tasks: {error}", file=sys.stderr)
                continue
            figure = _trained(backbone, learnt, steps, test, device)
            figures[f"metric_{learnt.name}_{backbone}"] = figure
            print(f"bench tasks: {learnt.name} on {backbone}: {figure.value:.2f}", file=sys.stderr, flush=True)
    if not figures:
        raise BadInput(f"no pair can work: {'; '.join(refused)}")
    return figures


def _trained(backbone: str, learnt: Task, steps: int | None, test_images: int, device: str) -> Figure:
    """The metric on held-out images after the training, beside that before it."""
    training = shapes(TRAINING, SIDE_PX, SEED, learnt.label_kind)
    test = shapes(test_images, SIDE_PX, SEED + 1, learnt.label_kind)
    model = seeded_model(backbone, learnt, len(training.class_names), SEED, len(training.keypoint_names))
    whole = recipe(f"finetune-{learnt.name}-quick")
    cut = whole if steps is None else replace(whole, iterations=steps, batch_size=BATCH, warmup_images=0)

    before = evaluate(model, learnt, test, device=device, batch_size=BATCH)
    train(model, learnt, training, cut, seed=SEED, device=device)
    after = evaluate(model, learnt, test, device=device, batch_size=BATCH)
    unit = f"metric on {test_images} held-out images after {cut.iterations} steps; reference: untrained"
    return Figure(after, before, unit)
