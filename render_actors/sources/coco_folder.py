"""A folder of images with COCO annotations, read with every mistake in it named: annotations.json, images/*."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

Box = tuple[float, float, float, float]
_NUMBERS = (int, float)


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
    return tuple(_categories(folder, _content(folder)).values())


def coco_objects(folder: Path, classes: int) -> list[tuple[Path, tuple[CocoObject, ...]]]:
    """Each image file and its objects, images by id; class ids number the categories by id. Crowds are left out.

    Raises ValueError naming the file where it says what cannot be, or has more categories than `classes`.
    """
    content = _content(folder)
    categories = _categories(folder, content)
    if len(categories) > classes:
        raise _wrong(folder, f"has {len(categories)} categories, class_names lists {classes}; list every one")
    class_ids = {category: k for k, category in enumerate(categories)}
    files = _by_id(folder, content["images"], "image", "file_name")
    found: dict[int, list[CocoObject]] = {image: [] for image in files}
    for position, annotation in enumerate(content["annotations"]):
        name = f"annotation {annotation.get('id', position) if isinstance(annotation, dict) else position}"
        if not isinstance(annotation, dict):
            raise _wrong(folder, f"{name} is no object")
        if annotation.get("iscrowd"):
            continue
        for key, known in (("image_id", found), ("category_id", class_ids)):
            number = annotation.get(key)
            if not isinstance(number, int) or number not in known:
                raise _wrong(folder, f"{name} has {key} {number!r}, which is not listed; mend or remove it")
        found[annotation["image_id"]].append(_object(folder, name, annotation, class_ids[annotation["category_id"]]))
    return [(folder / "images" / files[image], tuple(objects)) for image, objects in found.items()]


def paint(canvas: Image.Image, thing: CocoObject, number: int, image: Path) -> None:
    """Write `number` over the object's pixels. Raises ValueError where its runs are of another size than the image."""
    draw = ImageDraw.Draw(canvas)
    if thing.runs:
        if thing.size != (canvas.height, canvas.width):
            raise ValueError(f"{image}: a mask of {thing.size} for an image of {canvas.size[::-1]} (height, width)")
        flat = np.repeat(np.arange(len(thing.runs)) % 2 == 1, thing.runs)
        canvas.paste(number, mask=Image.fromarray(flat.reshape(canvas.width, canvas.height).T))
    elif thing.polygons:
        for polygon in thing.polygons:
            draw.polygon(polygon, fill=number)
    else:
        x, y, width, height = thing.box
        draw.rectangle((x, y, max(x, x + width - 1), max(y, y + height - 1)), fill=number)


def _wrong(folder: Path, what: str) -> ValueError:
    return ValueError(f"{folder / 'annotations.json'}: {what}")


def _content(folder: Path) -> dict[str, list[Any]]:
    path = folder / "annotations.json"
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"{path} is not there; a COCO folder holds annotations.json and images/") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not COCO: {type(error).__name__} {error}") from None
    keys = ("images", "annotations", "categories")
    if not isinstance(found, dict) or any(not isinstance(found.get(key), list) for key in keys):
        raise ValueError(f"{path} is not COCO: it needs the lists {', '.join(keys)}")
    return {key: found[key] for key in keys}


def _categories(folder: Path, content: dict[str, list[Any]]) -> dict[int, str]:
    return _by_id(folder, content["categories"], "category", "name")


def _by_id(folder: Path, entries: list[Any], what: str, key: str) -> dict[int, str]:
    """What entries say under `key`, by their ids in order."""
    found: dict[int, str] = {}
    for position, entry in enumerate(entries):
        number, said = (entry.get("id"), entry.get(key)) if isinstance(entry, dict) else (None, None)
        if not isinstance(number, int) or not isinstance(said, str) or not said:
            raise _wrong(folder, f"{what} number {position + 1} needs an id (a whole number) and a {key}")
        if number in found:
            raise _wrong(folder, f"{what} id {number} stands there twice")
        found[number] = said
    return dict(sorted(found.items()))


def _object(folder: Path, name: str, annotation: dict[str, Any], class_id: int) -> CocoObject:
    box, outline = annotation.get("bbox"), annotation.get("segmentation")
    if box and not (_are_numbers(box) and len(box) == 4 and min(box[2:]) >= 0):
        raise _wrong(folder, f"{name} has bbox {box!r}; give x, y, width, height in px")
    if not outline:
        if not box:
            raise _wrong(folder, f"{name} has neither bbox nor segmentation; give one")
        return CocoObject(class_id, tuple(box))
    if isinstance(outline, dict):
        size, runs = _runs(folder, name, outline)
        return CocoObject(class_id, tuple(box) if box else _box_of_runs(runs, size), runs=runs, size=size)
    if not isinstance(outline, list) or any(
        not _are_numbers(polygon) or len(polygon) < 6 or len(polygon) % 2 for polygon in outline
    ):
        raise _wrong(folder, f"{name} has a polygon that is not x, y, x, y, ... of three points or more; mend it")
    polygons = tuple(tuple(float(value) for value in polygon) for polygon in outline)
    return CocoObject(class_id, tuple(box) if box else _box_of_polygons(polygons), polygons)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(v, _NUMBERS) and math.isfinite(v) for v in values)


def _runs(folder: Path, name: str, outline: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, ...]]:
    if isinstance(outline.get("counts"), str):
        raise _wrong(folder, f"{name} has a compressed run length; write polygons or uncompressed counts")
    size, runs = _whole(outline.get("size")), _whole(outline.get("counts"))
    if len(size) != 2 or not runs or sum(runs) != size[0] * size[1]:
        raise _wrong(folder, f"{name} has run lengths that do not add up to their size (height, width); mend them")
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
