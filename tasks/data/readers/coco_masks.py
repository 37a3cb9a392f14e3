"""COCO's outlines as masks, filled by COCO's own rasteriser, so that they cover the pixels that its scores count."""

from typing import Any

import numpy as np


def mask_of(outline: Any, height: int, width: int) -> np.ndarray:
    """A segmentation as bool (height, width): a list of polygons, or run lengths, compressed or not.

    Run lengths have a size of their own, and the mask has that. Raises IndexError, KeyError, TypeError or ValueError
    for what is no segmentation.
    """
    from faster_coco_eval.core import mask as run_lengths

    if isinstance(outline, list) or isinstance(outline["counts"], list):
        outline = run_lengths.frPyObjects(outline, height, width)
    if isinstance(outline, list):
        outline = run_lengths.merge(outline)
    return np.asarray(run_lengths.decode(outline).astype(bool))


def box_mask(box: tuple[float, float, float, float], height: int, width: int) -> np.ndarray:
    """A box (x, y, width, height) in px as a mask, bool (height, width)."""
    x, y, wide, high = box
    return mask_of([[x, y, x + wide, y, x + wide, y + high, x, y + high]], height, width)
