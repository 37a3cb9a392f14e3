"""Photographs and maps of any shape as squares: the longer side is fitted, the rest is grey and without label.

Nothing is cut off, so every object that an annotation file lists stays in its image. The shorter side is a whole number
of pixels too, so the two axes shrink by a little less or more than each other: whatever is labelled follows `fitting`.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tasks.base import TaskError
from tasks.data.readers.images import opened
from tasks.data.readers.nearest import nearest_pixels

_GREY = (128, 128, 128)


def photograph(file: Path, side: int, labelled: tuple[int, int]) -> np.ndarray:
    """A photograph as uint8 (side, side, 3), bilinear, antialiased where it shrinks.

    labelled: width and height in px of what its labels were drawn on; where that has other proportions they would lie
    beside what they name, which is a TaskError.
    """
    image = ImageOps.exif_transpose(opened(file)).convert("RGB")
    (width, height), (wide, high) = image.size, labelled
    # a copy of another size is as good, but for a pixel of rounding
    if abs(width * high - height * wide) > max(width + height, wide + high):
        raise TaskError(
            f"image {file} is {width} x {height} px, upright, and its labels are for {wide} x {high} px; mend either"
        )
    canvas = Image.new("RGB", (side, side), _GREY)
    # fitted as what was labelled is, or a copy of another size could be a pixel taller than its labels
    canvas.paste(image.resize(_fitted(labelled, side), Image.Resampling.BILINEAR))
    return np.asarray(canvas)


def label_map(values: np.ndarray, side: int, outside: int) -> np.ndarray:
    """A map (h, w) or (h, w, C) of whatever values as (side, side[, C]), nearest neighbour."""
    height, width = values.shape[:2]
    columns, rows = _fitted((width, height), side)
    square = np.full((side, side, *values.shape[2:]), outside, values.dtype)
    square[:rows, :columns] = values[nearest_pixels(height, rows)[:, None], nearest_pixels(width, columns)]
    return square


def fitting(labelled: tuple[int, int], side: int) -> np.ndarray:
    """By what x and y of a place in an image of this width and height are multiplied in the square, float64 (2,)."""
    return np.array(_fitted(labelled, side)) / np.array(labelled)


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    longest = max(size)
    return max(1, round(size[0] * side / longest)), max(1, round(size[1] * side / longest))
