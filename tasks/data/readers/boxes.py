"""Whether boxes are what COCO's are, x, y, width and height in px: other programs write corners, middles or shares."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import TaskError
from tasks.data.readers.coco_list import CocoList
from tasks.data.readers.coco_masks import bounds_of, fault_of
from tasks.data.readers.images import as_labelled, opened

# of a box's numbers a, b, c, d in an image of (width, height): x, y, width, height in px
_READINGS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "x, y, width, height": lambda box, size: box,
    "corners x0, y0, x1, y1": lambda box, size: _of_corners(box),
    "the middle x, y and width, height": lambda box, size: _of_middle(box),
    "y, x, height, width": lambda box, size: box[:, [1, 0, 3, 2]],
    "corners y0, x0, y1, x1": lambda box, size: _of_corners(box[:, [1, 0, 3, 2]]),
    "shares of the image x, y, width, height": lambda box, size: box * np.tile(size, 2),
    "shares of the image as corners": lambda box, size: _of_corners(box * np.tile(size, 2)),
    "shares of the image, the middle x, y and width, height": lambda box, size: _of_middle(box * np.tile(size, 2)),
}
# so many px, or this share of a side, may a box leave its image or miss its outline by
_SLACK_PX, _SLACK = 2.0, 0.02
_AREA_SLACK = 0.02
_HALF, _MOST = 0.5, 0.9
# so many objects are enough to tell by
_MOST_LOOKED_AT = 5000


def check_boxes(root: Path, listed: CocoList) -> list[str]:
    """Lines on boxes that leave their image; TaskError where most boxes are no boxes of COCO's.

    What most boxes look like is said: of the ways to read them, the one that keeps most of them in their images and on
    their outlines, or with the area that is listed where there is no outline.
    """
    objects = [(image.size, each) for image in listed.images for _, each in image.objects]
    step = max(1, len(objects) // _MOST_LOOKED_AT)
    looked = objects[::step]
    if not looked:
        return []
    boxes = np.array([each["bbox"] for _, each in looked], float)
    sizes = np.array([size for size, _ in looked], float)
    bounds, areas = _outlines([each for _, each in looked])
    read = {name: reading(boxes, sizes) for name, reading in _READINGS.items()}
    told = areas > 0
    # an area without an outline is that of its box, where one way to read boxes makes it so
    by_area = told.any() and any(_exact(each, areas)[told].mean() > _MOST for each in read.values())
    fits = {name: _fits(each, sizes, bounds) for name, each in read.items()}
    if by_area:
        fits = {name: each & (~told | _exact(read[name], areas)) for name, each in fits.items()}
    ours, count = fits["x, y, width, height"], len(looked)
    inside = _inside(boxes, sizes)
    tiny = (boxes[:, 2:] < 1).all(axis=1)
    best = max(fits, key=lambda name: int(fits[name].sum()))
    swapped = _inside(boxes, sizes[:, ::-1])
    if (~inside).mean() > _HALF and swapped.mean() > _HALF:
        _check_turned(root, listed)
    if int(ours.sum()) * 2 < count and (fits[best].mean() > _HALF or (~inside | tiny).mean() > _HALF):
        wrong, how = int((~ours).sum()), _how(np.asarray(inside), np.asarray(tiny))
        like = f"they look like {best}; " if fits[best].mean() > _HALF else ""
        raise TaskError(
            f"{listed.file}: {wrong:,} of {count:,} boxes {how}; {like}COCO's are x, y, width, height in px: write them"
            " so"
        )
    leaving = int((~inside).sum()) * step
    return [f"{listed.file}: about {leaving:,} of {len(objects):,} boxes leave their image"] if leaving else []


def _check_turned(root: Path, listed: CocoList) -> None:
    """TaskError for boxes that fit their images lying on the side, or for what else is wrong with its first image."""
    image = listed.images[0]
    as_labelled(root / image.file, opened(root / image.file), image.size)
    raise TaskError(
        f"{listed.file}: most boxes leave their image, and fit it with width and height exchanged: they were drawn on"
        " the upright view, and the listed sizes are those of the stored pictures; list upright sizes"
    )


def _how(inside: np.ndarray, tiny: np.ndarray) -> str:
    if tiny.mean() > _HALF:
        return "are smaller than a pixel"
    return "leave their image" if (~inside).mean() > _HALF else "are not where their outlines or areas say"


def _outlines(annotations: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of each object's polygons (N, 4), and the areas (N,) of those without an outline; NaN: not told."""
    bounds, areas = np.full((len(annotations), 4), np.nan), np.full(len(annotations), np.nan)
    for row, each in enumerate(annotations):
        outline, area = each.get("segmentation"), each.get("area")
        if isinstance(outline, list) and outline and not fault_of(outline):
            bounds[row] = bounds_of(outline)
        elif not outline and isinstance(area, int | float):
            areas[row] = area
    return bounds, areas


def _fits(boxes: np.ndarray, sizes: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Which boxes x, y, width, height may be those of their objects, bool (N,)."""
    good = _inside(boxes, sizes) & (boxes[:, 2:] >= 0).all(axis=1) & ~(boxes[:, 2:] < 1).all(axis=1)
    slack = np.maximum(_SLACK_PX, _SLACK * sizes.max(axis=1, keepdims=True))
    away = np.abs(_ends(boxes) - _ends(bounds))
    return good & (np.isnan(away) | (away <= slack)).all(axis=1)


def _exact(boxes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Which boxes have the area that is listed."""
    return np.asarray(np.abs(boxes[:, 2:].prod(axis=1) - areas) <= _AREA_SLACK * areas)


def _inside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    slack = np.maximum(_SLACK_PX, _SLACK * sizes)
    return np.asarray(((boxes[:, :2] >= -slack) & (boxes[:, :2] + boxes[:, 2:] <= sizes + slack)).all(axis=1))


def _ends(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _of_corners(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1)


def _of_middle(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, 2:]], axis=1)
