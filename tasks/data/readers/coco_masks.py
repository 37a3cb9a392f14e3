"""COCO's outlines as masks, filled by COCO's own rasteriser, so that they cover the pixels that its scores count."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Box = tuple[float, float, float, float]
_FEWEST_COORDINATES = 6


def are_numbers(values: Any) -> bool:
    """Whether this is a list of finite numbers."""
    return isinstance(values, list) and all(isinstance(v, int | float) and math.isfinite(v) for v in values)


def mask_of(outline: Any, height: int, width: int) -> np.ndarray:
    """A segmentation without a fault (`fault_of`) as bool (height, width): polygons, or run lengths, compressed or not.

    Run lengths have a size of their own, and the mask has that.
    """
    from faster_coco_eval.core import mask as run_lengths

    if isinstance(outline, list) or isinstance(outline["counts"], list):
        outline = run_lengths.frPyObjects(outline, height, width)
    if isinstance(outline, list):
        outline = run_lengths.merge(outline)
    return np.asarray(run_lengths.decode(outline).astype(bool))


def box_mask(box: Box, height: int, width: int) -> np.ndarray:
    """A box (x, y, width, height) in px as a mask, bool (height, width)."""
    x, y, wide, high = box
    return mask_of([[x, y, x + wide, y, x + wide, y + high, x, y + high]], height, width)


def fault_of(outline: Any, size: tuple[int, int] | None = None) -> str:
    """What is wrong with a segmentation of an image of this width and height, if that is known; empty: nothing.

    The rasteriser trusts what it is given: run lengths beyond their image would be written beyond its memory.
    """
    if isinstance(outline, dict):
        return _fault_of_runs(outline, size)
    if not isinstance(outline, list) or any(
        not are_numbers(each) or len(each) < _FEWEST_COORDINATES or len(each) % 2 for each in outline
    ):
        return "it has a polygon that is not x, y, x, y, ... of three points or more"
    return ""


def bounds_of(outline: Any) -> Box | None:
    """The box x, y, width, height that a segmentation without a fault fills; None where it is empty."""
    if isinstance(outline, list):
        if not outline:
            return None
        points = np.concatenate([np.reshape(each, (-1, 2)) for each in outline])
        return _box(points.min(axis=0), points.max(axis=0))
    height, ends = outline["size"][0], np.cumsum(runs_of(outline))
    first, last = ends[0:-1:2], ends[1::2] - 1
    first, last = first[last >= first], last[last >= first]
    if not len(first):
        return None
    columns, rows = (first // height, last // height), (first % height, last % height)
    # a run that goes on in the next column reaches the bottom of one and the top of the other
    over = bool((columns[0] < columns[1]).any())
    top, bottom = (0, height) if over else (rows[0].min(), rows[1].max() + 1)
    return _box((columns[0].min(), top), (columns[1].max() + 1, bottom))


def runs_of(outline: dict[str, Any]) -> np.ndarray:
    """Lengths of background and object in turns, down the columns, int64 (M,). ValueError for what is none."""
    told = outline.get("counts")
    if isinstance(told, str):
        return _decompressed(told)
    if not isinstance(told, list) or not all(type(each) is int for each in told):
        raise ValueError("no list of whole numbers")
    return np.array(told, np.int64)


def _decompressed(text: str) -> np.ndarray:
    """COCO's text: six bits a character, the lowest first, and from the fourth number on the change since the last but

    one.
    """
    bits = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    if not len(bits) or bits.min() < 0 or bits.max() > 63 or bits[-1] & 0x20:
        raise ValueError("no compressed run lengths")
    ends = np.flatnonzero(bits & 0x20 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    within = np.arange(len(bits)) - np.repeat(starts, ends - starts + 1)
    if within.max() > 9:
        raise ValueError("run lengths too large")
    numbers = np.add.reduceat((bits & 0x1F) << (5 * within), starts)
    numbers -= np.where(bits[ends] & 0x10, np.int64(1) << (5 * (ends - starts + 1)), 0)
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers


def _fault_of_runs(outline: dict[str, Any], size: tuple[int, int] | None) -> str:
    own = outline.get("size")
    if not isinstance(own, list) or len(own) != 2 or not all(type(each) is int and each > 0 for each in own):
        return "its run lengths have no size (height, width)"
    try:
        runs = runs_of(outline)
    except (ValueError, UnicodeEncodeError):
        return "its counts are no run lengths"
    if not len(runs) or runs.min() < 0 or int(runs.sum()) != own[0] * own[1]:
        return "it has run lengths that do not add up to their size (height, width)"
    if size is not None and (own[1], own[0]) != tuple(size):
        return f"its run lengths are of {own[1]} x {own[0]} px"
    return ""


def _box(low: Sequence[float] | np.ndarray, high: Sequence[float] | np.ndarray) -> Box:
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])
