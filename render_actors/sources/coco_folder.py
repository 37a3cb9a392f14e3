"""A folder of images with COCO annotations, read with every mistake in it named: annotations.json, images/*."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.readers.coco_list import Box, are_numbers, box_of, not_coco, read_list
from tasks.data.readers.coco_masks import box_mask, mask_of

_LIST = "annotations.json"


@dataclass(frozen=True)
class CocoObject:
    """One annotated object, in px of its image: its box (x, y, width, height), and its outline where it has one.

    polygons: x, y, x, y, ...; runs: lengths of background and object in turns, down the columns of an image of `size`
    (height, width).
    """

    class_id: int
    box: Box
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)


def coco_names(folder: Path) -> tuple[str, ...]:
    """Names of the categories by id. Raises ValueError naming the file where it cannot be read."""
    return read_list(folder / _LIST).names


def coco_objects(folder: Path, classes: int) -> list[tuple[Path, tuple[CocoObject, ...]]]:
    """Each image file and its objects, images by id; class ids number the categories by id. Crowds are left out.

    Raises ValueError naming the file where it says what cannot be, or has more categories than `classes`.
    """
    listed = read_list(folder / _LIST)
    known = len(listed.categories)
    if known > classes:
        raise ValueError(f"{listed.file}: has {known} categories, class_names lists {classes}; list every one")
    return [
        (folder / "images" / image.file_name, tuple(_object(listed.file, *one) for one in image.objects))
        for image in listed.images
    ]


def object_mask(thing: CocoObject, height: int, width: int, image: Path) -> NDArray[np.bool_]:
    """The object's pixels, bool (height, width). Raises ValueError where its runs have another size than the image."""
    if thing.runs:
        if thing.size != (height, width):
            raise ValueError(f"{image}: a mask of {thing.size} for an image of {(height, width)} (height, width)")
        return mask_of({"size": list(thing.size), "counts": list(thing.runs)}, height, width)
    if thing.polygons:
        return mask_of([list(polygon) for polygon in thing.polygons], height, width)
    return box_mask(thing.box, height, width)


def _object(file: Path, class_id: int, annotation: dict[str, Any]) -> CocoObject:
    name = f"annotation {annotation['id']}"
    box, outline = box_of(file, annotation), annotation.get("segmentation")
    if box and min(box[2:]) < 0:
        raise not_coco(file, f"{name} has bbox {list(box)!r}; give x, y, width, height in px")
    if not outline:
        if not box:
            raise not_coco(file, f"{name} has neither bbox nor segmentation; give one")
        return CocoObject(class_id, box)
    if isinstance(outline, dict):
        size, runs = _runs(file, name, outline)
        return CocoObject(class_id, box or _box_of_runs(runs, size), runs=runs, size=size)
    if not isinstance(outline, list) or any(
        not are_numbers(polygon) or len(polygon) < 6 or len(polygon) % 2 for polygon in outline
    ):
        raise not_coco(file, f"{name} has a polygon that is not x, y, x, y, ... of three points or more")
    polygons = tuple(tuple(float(value) for value in polygon) for polygon in outline)
    return CocoObject(class_id, box or _box_of_polygons(polygons), polygons)


def _runs(file: Path, name: str, outline: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, ...]]:
    if isinstance(outline.get("counts"), str):
        raise not_coco(file, f"{name} has a compressed run length; write polygons or uncompressed counts")
    size, runs = _whole(outline.get("size")), _whole(outline.get("counts"))
    if len(size) != 2 or not runs or sum(runs) != size[0] * size[1]:
        raise not_coco(file, f"{name} has run lengths that do not add up to their size (height, width)")
    return (size[0], size[1]), runs


def _whole(values: Any) -> tuple[int, ...]:
    """The list as numbers of 0 or more, or nothing where it is no such list."""
    is_one = isinstance(values, list) and all(isinstance(value, int) and value >= 0 for value in values)
    return tuple(values) if is_one else ()


def _box_of_polygons(polygons: tuple[tuple[float, ...], ...]) -> Box:
    points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in polygons])
    return _box(points.min(axis=0), points.max(axis=0))


def _box_of_runs(runs: tuple[int, ...], size: tuple[int, int]) -> Box:
    columns, rows = np.divmod(np.flatnonzero(np.repeat(np.arange(len(runs)) % 2 == 1, runs)), max(size[0], 1))
    if len(rows) == 0:
        return (0.0, 0.0, 0.0, 0.0)
    return _box((columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1))


def _box(low: Any, high: Any) -> Box:
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])
