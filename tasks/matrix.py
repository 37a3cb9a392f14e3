"""What works with what: every task on every backbone, trained for a little, as a table for docs/tasks.md.

    python -m tasks.matrix BACKBONE ...      rows of the table; all backbones where none is named

Drawn images of tasks/shapes.py at 64 px, the quick fine-tuning recipe of each task cut to a few steps, one thread, one
seed. The figures say that a pair learns, not how well it could.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch

from tasks.backbones import backbone_names, check_pair
from tasks.base import TaskError, task, task_names
from tasks.evaluation import evaluate
from tasks.models import seeded_model
from tasks.recipes import recipe
from tasks.shapes import shapes
from tasks.train import train

SIDE_PX, TRAINING, TEST, BATCH, SEED = 64, 64, 32, 8, 0
# torch's own networks are slower than the small one, and so are regions on it: they get fewer steps
STEPS, STEPS_LARGE = 60, 12
SMALL = "small_resnet"


def cell(backbone: str, name: str) -> str:
    """Metric on held-out images before -> after the training; `error` where the pair cannot work."""
    learnt = task(name)
    try:
        check_pair(backbone, learnt, SIDE_PX)
    except TaskError:
        return "error"
    steps = STEPS if backbone == SMALL and learnt.needs == "maps" else STEPS_LARGE
    brief = replace(recipe(f"finetune-{name}-quick"), iterations=steps, batch_size=BATCH, warmup_images=BATCH)
    training, test = (shapes(n, SIDE_PX, seed, learnt.label_kind) for n, seed in ((TRAINING, SEED), (TEST, SEED + 1)))
    model = seeded_model(backbone, learnt, len(training.class_names), SEED)
    before = evaluate(model, learnt, test, batch_size=BATCH)
    train(model, learnt, training, brief, seed=SEED)
    return f"{before:.2f} -> {evaluate(model, learnt, test, batch_size=BATCH):.2f}"


def main(backbones: list[str]) -> None:
    """Print the table's head and the rows of `backbones`."""
    torch.set_num_threads(1)
    print(f"| backbone | {' | '.join(task_names())} |")
    print("|---" * (1 + len(task_names())) + "|")
    for backbone in backbones:
        print(f"| {backbone}", end=" |", flush=True)
        for name in task_names():
            print(f" {cell(backbone, name)}", end=" |", flush=True)
        print()


if __name__ == "__main__":
    main(sys.argv[1:] or list(backbone_names()))
