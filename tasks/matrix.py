"""What works with what: every task on every backbone, trained with its quick recipe, as a table for docs/tasks.md.

    python -m tasks.matrix [--steps N] [--device cuda] [BACKBONE ...]      all backbones where none is named

Drawn images of tasks/shapes.py at 64 px, one thread, one seed. `--steps` cuts the quick fine-tuning recipe to so many
steps of 8 images, for networks that are too large for the whole of it on one core: such a row says that a pair trains
and is scored, not that it learns.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch

from tasks.backbones import backbone_names, check_pair
from tasks.base import TaskError, task, task_names
from tasks.evaluation import evaluate, require_device
from tasks.models import seeded_model
from tasks.recipes import Recipe, recipe
from tasks.shapes import shapes
from tasks.train import train

SIDE_PX, TRAINING, TEST, BATCH, SEED = 64, 256, 64, 8, 0


def cell(backbone: str, name: str, steps: int | None, device: str) -> str:
    """Metric on held-out images before -> after the training; `error` where the pair cannot work."""
    learnt = task(name)
    try:
        check_pair(backbone, learnt, SIDE_PX)
    except TaskError:
        return "error"
    training, test = (shapes(n, SIDE_PX, seed, learnt.label_kind) for n, seed in ((TRAINING, SEED), (TEST, SEED + 1)))
    model = seeded_model(backbone, learnt, len(training.class_names), SEED, len(training.keypoint_names))
    before = evaluate(model, learnt, test, device=device, batch_size=BATCH)
    train(model, learnt, training, _cut(recipe(f"finetune-{name}-quick"), steps), seed=SEED, device=device)
    return f"{before:.2f} -> {evaluate(model, learnt, test, device=device, batch_size=BATCH):.2f}"


def _cut(whole: Recipe, steps: int | None) -> Recipe:
    return whole if steps is None else replace(whole, iterations=steps, batch_size=BATCH, warmup_images=0)


def main() -> None:
    """Print the table's head and the rows of the backbones asked for."""
    parser = argparse.ArgumentParser(prog="python -m tasks.matrix", description="Every task on the backbones named.")
    parser.add_argument("backbones", nargs="*", metavar="BACKBONE", help=", ".join(backbone_names()))
    parser.add_argument("--steps", type=int, help="steps of 8 images, in place of the whole quick recipe")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    asked = parser.parse_args()
    unknown = [name for name in asked.backbones if name not in backbone_names()]
    if unknown:
        parser.error(f"unknown backbone {unknown[0]!r}; known: {', '.join(backbone_names())}")
    try:
        require_device(asked.device)
    except RuntimeError as error:
        parser.error(str(error))
    torch.set_num_threads(1)
    print(f"| backbone | steps | {' | '.join(task_names())} |")
    print("|---" * (2 + len(task_names())) + "|")
    for backbone in asked.backbones or backbone_names():
        print(f"| {backbone} | {asked.steps or 'recipe'}", end=" |", flush=True)
        for name in task_names():
            print(f" {cell(backbone, name, asked.steps, asked.device)}", end=" |", flush=True)
        print()


if __name__ == "__main__":
    main()
