"""Photographs and maps of any shape as squares: the longer side is fitted, the rest is grey and without label.

Nothing is cut off, so every object that an annotation file lists stays in its image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from tasks.base import TaskError

_GREY = (128, 128, 128)
Item = TypeVar("Item")


def opened(file: Path) -> Image.Image:
    """The image in `file`, decoded; TaskError naming the file where it is missing or cannot be read."""
    with _named(file), Image.open(file) as image:
        image.load()
        return image


def size_of(file: Path) -> tuple[int, int]:
    """Width and height in px, from the file's head alone; TaskError as above."""
    with _named(file), Image.open(file) as image:
        return image.size


@contextmanager
def _named(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise TaskError(f"image {file} is not there; add it, or take it out of its list") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TaskError(f"image {file} cannot be read ({reason}); replace it or remove it") from error


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


def decode_all(
    items: Sequence[Item], decode: Callable[[Item], np.ndarray], target: Path, shape: tuple[int, ...], dtype: type
) -> None:
    """Write decode(item) of every item, each of `shape`, into the memory map `target`, several at a time."""
    out = np.lib.format.open_memmap(target, mode="w+", dtype=dtype, shape=(len(items), *shape))
    # Pillow decodes outside Python's lock, so threads do run side by side
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, decoded in enumerate(pool.map(decode, items)):
            out[index] = decoded
    out.flush()
