"""What works with what: every task on every backbone, trained with its quick recipe, as a table for docs/tasks.md.

    python -m sweeper.bench.task_matrix [--steps N] [--tasks NAME,...] [--test N] [--device cuda] [BACKBONE ...]

All where none is named. Drawn images of tasks/data/drawn.py at 64 px, one thread, one seed. `--steps` cuts the quick
fine-tuning recipe to so many steps of 8 images, for networks that are too large for the whole of it on one core: such a
row says that a pair trains and is scored, not that it learns. An untrained detector finds a hundred things in each
image, which takes minutes to score and is worth nothing: only its metric after the training is shown.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import torch

from tasks.base import TaskError, task, task_names
from tasks.data.drawn import shapes
from tasks.models.backbone_facts import backbone_names, check_pair
from tasks.models.transfer import seeded_model
from tasks.recipes.recipe import Recipe
from tasks.recipes.registry import recipe
from tasks.training.evaluation import evaluate, require_device
from tasks.training.loop import train

SIDE_PX, TRAINING, TEST, BATCH, SEED = 64, 256, 64, 8, 0


def cell(backbone: str, name: str, steps: int | None, test_images: int, device: str) -> str:
    """Metric on held-out images before -> after the training, of detectors after it; `error` where it cannot work."""
    learnt = task(name)
    try:
        check_pair(backbone, learnt.facts, SIDE_PX)
    except TaskError:
        return "error"
    training = shapes(TRAINING, SIDE_PX, SEED, learnt.label_kind)
    test = shapes(test_images, SIDE_PX, SEED + 1, learnt.label_kind)
    model = seeded_model(backbone, learnt, len(training.class_names), SEED, len(training.keypoint_names))

    def score() -> str:
        return f"{evaluate(model, learnt, test, device=device, batch_size=BATCH):.2f}"

    before = "" if learnt.facts.needs == "pyramid" else f"{score()} "
    train(model, learnt, training, _cut(recipe(f"finetune-{name}-quick"), steps), seed=SEED, device=device)
    return f"{before}-> {score()}"


def _cut(whole: Recipe, steps: int | None) -> Recipe:
    return whole if steps is None else replace(whole, iterations=steps, batch_size=BATCH, warmup_images=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table's head and the rows of the backbones asked for; the command line's arguments by default."""
    parser = argparse.ArgumentParser(
        prog="python -m sweeper.bench.task_matrix", description="Every task on the backbones named."
    )
    parser.add_argument("backbones", nargs="*", metavar="BACKBONE", help=", ".join(backbone_names()))
    parser.add_argument("--tasks", default=",".join(task_names()), metavar="NAME,...", help="columns; all by default")
    parser.add_argument("--steps", type=int, help="steps of 8 images, in place of the whole quick recipe")
    parser.add_argument("--test", type=int, default=TEST, metavar="N", help=f"held-out images; {TEST} by default")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    asked = parser.parse_args(arguments)
    columns = asked.tasks.split(",")
    for names, known in ((asked.backbones, backbone_names()), (columns, task_names())):
        unknown = [name for name in names if name not in known]
        if unknown:
            parser.error(f"unknown {unknown[0]!r}; known: {', '.join(known)}")
    try:
        require_device(asked.device)
    except RuntimeError as error:
        parser.error(str(error))
    torch.set_num_threads(1)
    print(f"| backbone | steps | {' | '.join(columns)} |")
    print("|---" * (2 + len(columns)) + "|")
    for backbone in asked.backbones or backbone_names():
        print(f"| {backbone} | {asked.steps or 'recipe'}", end=" |", flush=True)
        for name in columns:
            print(f" {cell(backbone, name, asked.steps, asked.test, asked.device)}", end=" |", flush=True)
        print()


if __name__ == "__main__":
    main()
