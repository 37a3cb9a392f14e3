"""Shuffled labels: the same images, the same labels, and nothing left to learn."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from tasks.base import ArraySet, task
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


def test_maps_on_disk_are_dealt_out_on_disk(tmp_path: Path) -> None:
    # given maps that each show their own number, in a file
    np.save(tmp_path / "labels.npy", np.arange(40, dtype=np.uint8).repeat(64).reshape(40, 8, 8))
    labels = np.load(tmp_path / "labels.npy", mmap_mode="r")
    data = ArraySet(np.zeros((40, 8, 8, 3), np.uint8), labels, tuple(map(str, range(40))), "semantic")

    on_disk, in_memory = (
        with_shuffled_labels(dataclasses.replace(data, labels=each), 3) for each in (labels, labels[:] + 0)
    )

    assert isinstance(on_disk.labels, np.memmap)
    assert np.array_equal(on_disk.labels, in_memory.labels)
    assert [file.name for file in tmp_path.iterdir()] == ["labels.npy"]
