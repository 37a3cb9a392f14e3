"""Shuffled labels: the same images, the same labels, and nothing left to learn."""

from __future__ import annotations

import numpy as np
import torch

from tasks.base import task
from tasks.data.shuffled import with_shuffled_labels
from tasks.models.transfer import seeded_model
from tasks.recipes.recipe import Recipe
from tasks.training.loop import train
from tests.tasks.arrays import coloured_squares


def test_labels_are_as_frequent_as_before_and_dealt_out_by_the_seed() -> None:
    data = coloured_squares(64)
    one, again, other = (with_shuffled_labels(data, seed) for seed in (0, 0, 1))

    assert np.array_equal(np.bincount(one.labels), np.bincount(data.labels))
    assert np.array_equal(one.images, data.images)
    assert np.array_equal(one.labels, again.labels)
    assert not np.array_equal(one.labels, data.labels)
    assert not np.array_equal(one.labels, other.labels)


def test_a_model_that_learns_the_true_labels_learns_nothing_of_the_world_from_shuffled_ones() -> None:
    torch.set_num_threads(1)
    recipe = Recipe(iterations=40, batch_size=16, lr=3e-3)
    score = {}
    for name, data in (("true", coloured_squares(128)), ("shuffled", with_shuffled_labels(coloured_squares(128), 0))):
        model = seeded_model("small_resnet", task("sinclass"), 4, 0)
        result = train(model, task("sinclass"), data, recipe, seed=0, validation=coloured_squares(64, seed=1))
        score[name] = result.metric or 0.0

    assert score["true"] > 0.8
    assert score["shuffled"] < 0.5, "one of four colours is right by chance"
