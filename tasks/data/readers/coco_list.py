"""One file of COCO annotations: images, categories and objects by their ids, with every mistake in them named."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.base import TaskError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CocoImage:
    """One image: what the list says of it, and its objects and its crowds as (class number, annotation)."""

    entry: dict[str, Any]
    objects: tuple[tuple[int, dict[str, Any]], ...]
    crowds: tuple[tuple[int, dict[str, Any]], ...] = ()

    @property
    def file_name(self) -> str:
        """Where the image is, below its folder."""
        return str(self.entry["file_name"])


@dataclass(frozen=True)
class CocoList:
    """One list: its categories by id, which numbers the classes, and its images by id."""

    file: Path
    categories: tuple[dict[str, Any], ...]
    images: tuple[CocoImage, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(str(category["name"]) for category in self.categories)


def read_list(file: Path) -> CocoList:
    """The list in `file`. Raises TaskError (a ValueError) naming what is wrong."""
    content = _content(file)
    categories = _by_id(file, content["categories"], "category", "name")
    number_of = {category: number for number, category in enumerate(categories)}
    images = _by_id(file, content["images"], "image", "file_name")
    objects: dict[int, list[tuple[int, dict[str, Any]]]] = {image: [] for image in images}
    crowds: dict[int, list[tuple[int, dict[str, Any]]]] = {image: [] for image in images}
    for position, annotation in enumerate(content["annotations"]):
        if not isinstance(annotation, dict):
            raise not_coco(file, f"annotation {position} is no object")
        annotation.setdefault("id", position)
        image, category = (
            _listed(file, annotation, key, known) for key, known in (("image_id", images), ("category_id", categories))
        )
        (crowds if annotation.get("iscrowd") else objects)[image].append((number_of[category], annotation))
    shown = tuple(CocoImage(entry, tuple(objects[i]), tuple(crowds[i])) for i, entry in images.items())
    return CocoList(file, tuple(categories.values()), shown)


def not_coco(file: Path, what: str) -> TaskError:
    """The refusal of a list: what is wrong with it."""
    return TaskError(f"{file} is not COCO ({what}); mend it or write it again")


def box_of(file: Path, annotation: dict[str, Any]) -> Box | None:
    """An annotation's box (x, y, width, height) in px, None where it has none; TaskError where it is no box."""
    box = annotation.get("bbox")
    if not box:
        return None
    if not are_numbers(box) or len(box) != 4:
        raise not_coco(file, f"annotation {annotation['id']} has bbox {box!r}; give x, y, width, height in px")
    x, y, width, height = box
    return x, y, width, height


def are_numbers(values: Any) -> bool:
    """Whether this is a list of finite numbers."""
    return isinstance(values, list) and all(isinstance(v, int | float) and math.isfinite(v) for v in values)


def _content(file: Path) -> dict[str, list[Any]]:
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        raise TaskError(f"{file} is not there; a COCO folder holds annotations and images") from None
    except (OSError, ValueError) as error:
        raise not_coco(file, f"{type(error).__name__}: {error}") from error
    keys = ("images", "annotations", "categories")
    if not isinstance(found, dict) or any(not isinstance(found.get(key), list) for key in keys):
        raise not_coco(file, f"it needs the lists {', '.join(keys)}")
    return {key: found[key] for key in keys}


def _by_id(file: Path, entries: list[Any], what: str, key: str) -> dict[int, dict[str, Any]]:
    """Entries that have something under `key`, by their ids in order."""
    found: dict[int, dict[str, Any]] = {}
    for position, entry in enumerate(entries, start=1):
        number = _whole(entry.get("id")) if isinstance(entry, dict) else None
        if number is None or not entry.get(key):
            raise not_coco(file, f"{what} number {position} needs an id (a whole number) and a {key}")
        if number in found:
            raise not_coco(file, f"{what} id {number} stands there twice")
        found[number] = entry
    return dict(sorted(found.items()))


def _listed(file: Path, annotation: dict[str, Any], key: str, known: dict[int, Any]) -> int:
    """The id that an annotation has under `key`, one of `known`."""
    number = _whole(annotation.get(key))
    if number is None or number not in known:
        told = f"annotation {annotation['id']} has {key} {annotation.get(key)!r}, which is not listed"
        raise not_coco(file, told)
    return number


def _whole(value: Any) -> int | None:
    """An id, which some programs write as text; None for what is no whole number."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if isinstance(value, float) and value != number else number
