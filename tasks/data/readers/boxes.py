"""Whether boxes are what COCO's or YOLO's are, and outlines in them: others write corners, middles or shares."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import TaskError
from tasks.data.readers.coco_list import CocoList, Convention
from tasks.data.readers.coco_masks import bounds_of, fault_of
from tasks.data.readers.images import as_labelled, opened

_TOP_LEFT, _MIDDLE = "the top left corner x, y and width, height", "the middle x, y and width, height"
# of a box's numbers a, b, c, d in an image of (width, height): x, y, width, height in px
_READINGS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    _TOP_LEFT: lambda box, size: box,
    "corners x0, y0, x1, y1": lambda box, size: _of_corners(box),
    _MIDDLE: lambda box, size: _of_middle(box),
    "y, x, height, width": lambda box, size: box[:, [1, 0, 3, 2]],
    "corners y0, x0, y1, x1": lambda box, size: _of_corners(box[:, [1, 0, 3, 2]]),
}
# of COCO's alone: YOLO's are shares
_OF_SHARES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "shares of the image x, y, width, height": lambda box, size: box * np.tile(size, 2),
    "shares of the image as corners": lambda box, size: _of_corners(box * np.tile(size, 2)),
    "shares of the image, the middle x, y and width, height": lambda box, size: _of_middle(box * np.tile(size, 2)),
}
_OWN: dict[Convention, str] = {"coco": _TOP_LEFT, "yolo": _MIDDLE}
_WANTED: dict[Convention, str] = {
    "coco": "COCO's are x, y, width, height in px: write them so",
    "yolo": "YOLO's are shares of the image, the middle x, y and width, height: write them so",
}
# so many px, or this share of a side, may a box leave its image or miss its outline by
_SLACK_PX, _SLACK = 2.0, 0.02
_AREA_SLACK = 0.02
_HALF, _MOST = 0.5, 0.9
# so many objects are enough to tell by
_MOST_LOOKED_AT = 5000
# so many boxes that leave their image, and this share of them, may be those of another convention; and where that fits
# all of so many boxes, they are
_FEW_LEAVE, _SHARE_LEAVES, _MANY_BOXES = 3, 0.05, 20
# a convention by which so many times fewer boxes leave is named
_FEWER = 4
# boxes that leave an image fit one so many times as large where both axes say so but for this
_LARGER, _ALIKE = 1.1, 0.25


def check_boxes(root: Path, listed: CocoList) -> list[str]:
    """Lines on boxes that leave their image; TaskError where most boxes are no boxes of COCO's, or none of YOLO's.

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
    bounds, areas = _outlines(looked)
    fits = _fits_of(listed.convention, boxes, sizes, bounds, areas)
    inside = _inside(boxes, sizes)
    if (~inside).mean() > _HALF and _inside(boxes, sizes[:, ::-1]).mean() > _HALF:
        _check_turned(root, listed)
    _check_convention(listed, boxes, sizes, fits, inside)
    beside = _beside(boxes, sizes, bounds)
    _check_outlines(listed, beside, int((~np.isnan(bounds[:, 0])).sum()))
    lines, leaving = [], int((~inside).sum())
    if leaving:
        hint = _hint(listed, boxes, sizes, fits, leaving)
        lines.append(f"{listed.file}: about {leaving * step:,} of {len(objects):,} boxes leave their image{hint}")
    if beside.any():
        lines.append(
            f"{listed.file}: about {int(beside.sum()) * step:,} of {len(objects):,} outlines leave their boxes"
        )
    return lines + _repeats_in_words(listed)


def _repeats_in_words(listed: CocoList) -> list[str]:
    """A line on objects of one class and box in one picture, as of a list that was joined with itself."""
    objects = repeated = 0
    for image in listed.images:
        told = [(number, *each["bbox"]) for number, each in image.objects]
        objects, repeated = objects + len(told), repeated + len(told) - len(set(told))
    if not repeated:
        return []
    return [
        f"{listed.file}: {repeated:,} of {objects:,} objects have the class and box of another of their picture; they"
        " count twice"
    ]


def lies_in(box: Sequence[float], size: tuple[int, int]) -> bool:
    """Whether a box x, y, width, height has an extent, and any of it in an image of this width and height."""
    x, y, width, height = box
    return min(width, height) > 0 and x < size[0] and y < size[1] and x + width > 0 and y + height > 0


def _fits_of(
    convention: Convention, boxes: np.ndarray, sizes: np.ndarray, bounds: np.ndarray, areas: np.ndarray
) -> dict[str, np.ndarray]:
    """Which boxes may be those of their objects, bool (N,), by the way to read them."""
    written = _as_middle(boxes) if convention == "yolo" else boxes
    readings = _READINGS | (_OF_SHARES if convention == "coco" else {})
    read = {name: reading(written, sizes) for name, reading in readings.items()}
    fits = {name: _fits(each, sizes, bounds) for name, each in read.items()}
    told = areas > 0
    # an area without an outline is that of its box, where one way to read boxes makes it so, and keeps them inside
    if told.any() and any((_exact(read[name], areas) & each)[told].mean() > _MOST for name, each in fits.items()):
        return {name: each & (~told | _exact(read[name], areas)) for name, each in fits.items()}
    return fits


def _check_convention(
    listed: CocoList, boxes: np.ndarray, sizes: np.ndarray, fits: dict[str, np.ndarray], inside: np.ndarray
) -> None:
    """TaskError where most boxes fit badly, or another way to read them fits all."""
    ours, count = fits[_OWN[listed.convention]], len(boxes)
    best = max(fits, key=lambda name: int(fits[name].sum()))
    tiny = np.asarray((boxes[:, 2:] < 1).all(axis=1))
    is_most = int(ours.sum()) * 2 < count and (fits[best].mean() > _HALF or (~inside | tiny).mean() > _HALF)
    leaving = int((~inside).sum())
    is_other = _are_many(leaving, count) and count >= _MANY_BOXES and bool(fits[best].all())
    if not (is_most or is_other):
        return
    wrong, how = (int((~ours).sum()), _how(inside, tiny)) if is_most else (leaving, "leave their image")
    like = f"they look like {best}; " if fits[best].mean() > _HALF else _larger(listed, boxes, sizes)
    raise TaskError(f"{listed.file}: {wrong:,} of {count:,} boxes {how}; {like}{_WANTED[listed.convention]}")


def _are_many(leaving: int, count: int) -> bool:
    return leaving >= _FEW_LEAVE and leaving >= _SHARE_LEAVES * count


def _hint(listed: CocoList, boxes: np.ndarray, sizes: np.ndarray, fits: dict[str, np.ndarray], leaving: int) -> str:
    """What boxes may be of which many leave their image, to be put behind a line."""
    if not _are_many(leaving, len(boxes)):
        return ""
    best = max(fits, key=lambda name: int(fits[name].sum()))
    others = int((~fits[best]).sum())
    if others * _FEWER <= leaving:
        less = f"{others:,} of {len(boxes):,}" if others else "none"
        return f", and {less} would if they were {best}; look which they are"
    return f"; {larger.removesuffix('; ')}" if (larger := _larger(listed, boxes, sizes)) else ""


def _larger(listed: CocoList, boxes: np.ndarray, sizes: np.ndarray) -> str:
    """Of what size pictures would be that these boxes fit, where they tell of one and the list does not."""
    if listed.convention != "coco" or not all(image.entry.get("width") is None for image in listed.images):
        return ""
    across, down = np.quantile(_ends(boxes)[:, 2:] / sizes, 0.98, axis=0, method="higher")
    times = float(max(across, down))
    if times < _LARGER or abs(across - down) > _ALIKE * times:
        return ""
    near = f"{round(times)}" if abs(times - round(times)) < 0.1 * times else f"{times:.1f}"
    return f"they fit pictures of about {near} times the size, and the list says no width and height; "


def _check_outlines(listed: CocoList, beside: np.ndarray, count: int) -> None:
    """TaskError where most outlines are not in their boxes."""
    if int(beside.sum()) * 2 > count:
        raise TaskError(
            f"{listed.file}: {int(beside.sum()):,} of {count:,} outlines (segmentation) leave their boxes (bbox), as of"
            " another scale or place; write both in px of the image"
        )


def _beside(boxes: np.ndarray, sizes: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Which objects have an outline that leaves their box, bool (N,): less than all of a box may be seen.

    What of an outline is not in the image is in no box that was cut to it.
    """
    ours, theirs = _ends(boxes), _ends(bounds).clip(0, np.tile(sizes, 2))
    low, high = ours[:, :2] - theirs[:, :2], theirs[:, 2:] - ours[:, 2:]
    return np.asarray((np.maximum(low, high) > _slack_of(sizes)).any(axis=1))


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


def _outlines(looked: Sequence[tuple[tuple[int, int], dict[str, Any]]]) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of each object's outline (N, 4), and the areas (N,) of those without one; NaN: not told."""
    bounds, areas = np.full((len(looked), 4), np.nan), np.full(len(looked), np.nan)
    for row, (size, each) in enumerate(looked):
        outline, area = each.get("segmentation"), each.get("area")
        if outline and not fault_of(outline, size):
            bounds[row] = bounds_of(outline) or np.nan
        elif not outline and isinstance(area, int | float):
            areas[row] = area
    return bounds, areas


def _fits(boxes: np.ndarray, sizes: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Which boxes x, y, width, height may be those of their objects, bool (N,)."""
    good = _inside(boxes, sizes) & (boxes[:, 2:] >= 0).all(axis=1) & ~(boxes[:, 2:] < 1).all(axis=1)
    slack = _slack_of(sizes)
    away = np.abs(_ends(boxes) - _ends(bounds))
    return good & (np.isnan(away) | (away <= slack)).all(axis=1)


def _exact(boxes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Which boxes have the area that is listed."""
    return np.asarray(np.abs(boxes[:, 2:].prod(axis=1) - areas) <= _AREA_SLACK * areas)


def _inside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    slack = np.maximum(_SLACK_PX, _SLACK * sizes)
    return np.asarray(((boxes[:, :2] >= -slack) & (boxes[:, :2] + boxes[:, 2:] <= sizes + slack)).all(axis=1))


def _slack_of(sizes: np.ndarray) -> np.ndarray:
    """By how many px a box may miss its outline, (N, 1)."""
    return np.asarray(np.maximum(_SLACK_PX, _SLACK * sizes.max(axis=1, keepdims=True)))


def _ends(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _of_corners(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1)


def _of_middle(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, 2:]], axis=1)


def _as_middle(box: np.ndarray) -> np.ndarray:
    """The inverse of `_of_middle`."""
    return np.concatenate([box[:, :2] + box[:, 2:] / 2, box[:, 2:]], axis=1)
