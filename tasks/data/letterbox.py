"""Photographs and maps of any shape as squares: the longer side is fitted, the rest is grey and without label.

Nothing is cut off, so every object that an annotation file lists stays in its image.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tasks.base import TaskError
from tasks.data.readers.images import opened

_GREY = (128, 128, 128)


def photograph(file: Path, side: int, labelled: tuple[int, int]) -> np.ndarray:
    """A photograph as uint8 (side, side, 3).

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
    canvas.paste(image.resize(_fitted(image.size, side), Image.Resampling.BILINEAR))
    return np.asarray(canvas)


def label_map(values: np.ndarray, side: int, outside: int) -> np.ndarray:
    """A map (h, w) or (h, w, C) of whatever values as (side, side[, C]), nearest neighbour."""
    height, width = values.shape[:2]
    columns, rows = _fitted((width, height), side)
    y, x = (np.arange(rows) * height) // rows, (np.arange(columns) * width) // columns
    square = np.full((side, side, *values.shape[2:]), outside, values.dtype)
    square[:rows, :columns] = values[y[:, None], x]
    return square


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    longest = max(size)
    return max(1, round(size[0] * side / longest)), max(1, round(size[1] * side / longest))
