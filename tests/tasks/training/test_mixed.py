"""Training on renders and photographs together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tasks.base import ArraySet, TaskError, task
from tasks.models.transfer import State, backbone_state, seeded_model
from tasks.recipes.recipe import Recipe
from tasks.training.evaluation import evaluate
from tasks.training.mixed import Renders, train_mixed
from tests.tasks.arrays import coloured_squares

SINCLASS, MULCLASS = task("sinclass"), task("mulclass")
RECIPE = Recipe(iterations=45, batch_size=16, lr=3e-3, augment=("flip",))


def as_sets(data: ArraySet) -> ArraySet:
    """The same images, told which classes are in each."""
    return ArraySet(data.images, np.eye(len(data.class_names), dtype=np.uint8)[data.labels], data.class_names)


def trained(renders: ArraySet, share: float = 0.5, seed: int = 0, recipe: Recipe = RECIPE) -> tuple[State, float]:
    """The backbone, and the share of right answers on images that were not learnt from."""
    photographs, held_out = coloured_squares(24, seed=1), coloured_squares(64, seed=2)
    model = seeded_model("small_resnet", SINCLASS, len(photographs.class_names), seed)
    beside = Renders(MULCLASS if renders.label_kind == "class_set" else SINCLASS, renders, share)
    metric = train_mixed(model, SINCLASS, photographs, beside, recipe, seed=seed, validation=held_out)
    assert metric == pytest.approx(evaluate(model, SINCLASS, held_out, recipe=recipe))
    assert metric is not None
    return backbone_state(model), metric


def test_it_learns_the_photographs_classes_beside_renders_with_labels_of_their_own() -> None:
    _, metric = trained(as_sets(coloured_squares(64, seed=3)))

    assert metric > 0.5


def test_the_same_training_ends_the_same_and_the_renders_and_their_share_count() -> None:
    short = replace(RECIPE, iterations=4)
    renders, others = as_sets(coloured_squares(64, seed=3)), as_sets(coloured_squares(64, seed=4))

    first, again, with_others, with_fewer = (
        trained(data, share, recipe=short)[0]
        for data, share in ((renders, 0.5), (renders, 0.5), (others, 0.5), (renders, 0.25))
    )

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], with_others[name]) for name in first)
    assert any(not torch.equal(first[name], with_fewer[name]) for name in first)


def test_a_batch_without_one_of_the_kinds_is_refused() -> None:
    with pytest.raises(TaskError, match="leaves none of one kind"):
        trained(as_sets(coloured_squares(16, seed=3)), share=0.01)
