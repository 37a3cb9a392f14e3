"""What a step's images look like: which lose their colour, and that all others are as they would be without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from tasks.base import ArraySet
from tasks.recipes.recipe import Recipe
from tasks.training.batches import Feed, Order

PLAIN = Recipe(iterations=1, batch_size=400, lr=1.0, augment=("flip",))
PIXELS = np.random.default_rng(0).integers(256, size=(400, 6, 6, 3)).astype(np.uint8)


def seen(recipe: Recipe, parts: list[slice]) -> torch.Tensor:
    data = ArraySet(PIXELS, np.zeros(len(PIXELS), np.int64), ("a",), "class_index")
    feed = Feed(data, torch.device("cpu"))
    order = Order(len(data), recipe.batch_size, seed=3)
    return torch.cat([images for images, _ in feed.training(order, 0, recipe, 3, parts)])


def test_three_of_ten_images_lose_their_colour_and_the_others_nothing() -> None:
    whole = [slice(0, 400)]
    colourful, some_grey = seen(PLAIN, whole), seen(replace(PLAIN, augment=("flip", "grey")), whole)

    grey = (some_grey[:, :1] == some_grey).flatten(1).all(dim=1)
    assert 0.22 < grey.float().mean() < 0.38
    assert torch.equal(some_grey[~grey], colourful[~grey])
    for mine, image in zip(some_grey[grey][:20], colourful[grey][:20], strict=True):
        pixels = ((image.permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
        pillows = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
        assert np.abs((mine[0].numpy() + 1) * 127.5 - pillows).max() < 1


def test_the_same_images_are_grey_however_a_batch_is_cut() -> None:
    recipe = replace(PLAIN, augment=("flip", "crop", "colour", "grey"))

    whole = seen(recipe, [slice(0, 400)])
    cut = seen(recipe, [slice(0, 7), slice(7, 250), slice(250, 400)])

    torch.testing.assert_close(cut, whole, rtol=0, atol=1e-5)
