"""Small labelled images that a model can learn: the class is the colour of a square."""

from __future__ import annotations

import numpy as np

from tasks.base import ArraySet

COLOURS = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230], [220, 220, 40]], dtype=np.uint8)


def coloured_squares(count: int, *, side: int = 16, seed: int = 0) -> ArraySet:
    """`count` grey-noise images (side, side) with one square each; the label is its colour."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 160, (count, side, side, 3)).astype(np.uint8)
    labels = np.arange(count) % len(COLOURS)
    for image, label in zip(images, labels, strict=True):
        y, x = rng.integers(2, side // 2, 2)
        image[y : y + side // 3, x : x + side // 3] = COLOURS[label]
    return ArraySet(images, labels.astype(np.int64), ("red", "green", "blue", "yellow"))
