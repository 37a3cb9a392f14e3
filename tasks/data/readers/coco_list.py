"""One file of COCO annotations: images, categories and objects by their ids, with every mistake in them named."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tasks.base import TaskError
from tasks.data.readers.coco_masks import Box, are_numbers, bounds_of, fault_of

# an annotation, and the number of its class
Listed = tuple[int, dict[str, Any]]
Convention = Literal["coco", "yolo"]
_FLAGS = {"0": False, "false": False, "no": False, "": False, "1": True, "true": True, "yes": True}


@dataclass(frozen=True)
class CocoImage:
    """One image: what the list says of it, and its objects and its crowds as (class number, annotation).

    An annotation has a `bbox` and an `id`. file: where the image is below the set's folder, and size: width and height
    in px of what was labelled, once it was found.
    """

    entry: dict[str, Any]
    objects: tuple[Listed, ...]
    crowds: tuple[Listed, ...] = ()
    file: str = ""
    size: tuple[int, int] = (0, 0)

    @property
    def file_name(self) -> str:
        """Where the list says that the image is."""
        return str(self.entry.get("file_name") or self.entry.get("coco_url"))


@dataclass(frozen=True)
class CocoList:
    """One list: its categories by id, which numbers the classes, and its images by id.

    lines: what is told of it. convention: how its boxes were written, COCO's or YOLO's, whatever they are here.
    """

    file: Path
    categories: tuple[dict[str, Any], ...]
    images: tuple[CocoImage, ...]
    lines: tuple[str, ...] = ()
    convention: Convention = "coco"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(str(category["name"]) for category in self.categories)

    def numbered_as(self, other: "CocoList") -> "CocoList":
        """The same with the class numbers of `other`; TaskError where that lacks one of its categories."""
        if self.names == other.names:
            return self
        if not set(self.names) <= set(other.names) or len(set(other.names)) < len(other.names):
            raise TaskError(f"{self.file} and {other.file} list different categories; make them the same")
        number = [other.names.index(name) for name in self.names]
        images = tuple(
            replace(
                image,
                objects=tuple((number[k], each) for k, each in image.objects),
                crowds=tuple((number[k], each) for k, each in image.crowds),
            )
            for image in self.images
        )
        return replace(self, categories=other.categories, images=images)


def is_list(file: Path) -> bool:
    """Whether a file of JSON is a list of COCO's as far as its keys tell."""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and all(isinstance(found.get(key), list) for key in _KEYS)


def read_list(file: Path) -> CocoList:
    """The list in `file`. Raises TaskError (a ValueError) naming what is wrong."""
    content = _content(file)
    categories = _without_parents(_by_id(file, content["categories"], "category", "name"), content["annotations"])
    number_of, _, lines = classes_of(file, {number: str(each["name"]) for number, each in categories.items()})
    images = _by_id(file, content["images"], "image", "file_name", "coco_url")
    objects: dict[int, list[Listed]] = {image: [] for image in images}
    crowds: dict[int, list[Listed]] = {image: [] for image in images}
    for position, annotation in enumerate(content["annotations"]):
        if not isinstance(annotation, dict):
            raise not_coco(file, f"annotation {position} is no object")
        annotation.setdefault("id", position)
        image, category = (
            _listed(file, annotation, key, known) for key, known in (("image_id", images), ("category_id", categories))
        )
        annotation["bbox"] = list(box_of(file, annotation))
        (crowds if _is_crowd(file, annotation) else objects)[image].append((number_of[category], annotation))
    shown = tuple(CocoImage(entry, tuple(objects[i]), tuple(crowds[i])) for i, entry in images.items())
    return CocoList(file, _one_a_class(file, number_of, categories), shown, tuple(lines))


def classes_of(file: Path, names: dict[int, str]) -> tuple[dict[int, int], tuple[str, ...], list[str]]:
    """The class number of each id, the names of the classes, and lines on ids that have one name."""
    classes = tuple(dict.fromkeys(names.values()))
    number_of = {each: classes.index(name) for each, name in names.items()}
    of_class: dict[str, list[int]] = {}
    for each, name in names.items():
        of_class.setdefault(name, []).append(each)
    lines = [
        f"{file}: the class ids {', '.join(map(str, ids))} have one name, {name!r}, and are read as one class"
        for name, ids in of_class.items()
        if len(ids) > 1
    ]
    return number_of, classes, lines


def not_coco(file: Path, what: str) -> TaskError:
    """The refusal of a list: what is wrong with it."""
    return TaskError(f"{file} is not COCO ({what}); mend it or write it again")


def box_of(file: Path, annotation: dict[str, Any]) -> Box:
    """An annotation's box (x, y, width, height) in px, or else that of its outline; TaskError where it has neither."""
    box, outline = annotation.get("bbox"), annotation.get("segmentation")
    if box:
        if not are_numbers(box) or len(box) != 4 or min(box[2:]) < 0:
            raise not_coco(file, f"annotation {annotation['id']} has bbox {box!r}; give x, y, width, height in px")
        x, y, width, height = box
        return x, y, width, height
    if not outline:
        raise not_coco(file, f"annotation {annotation['id']} has neither bbox nor segmentation; give one")
    check_outline(file, annotation)
    return bounds_of(outline) or (0.0, 0.0, 0.0, 0.0)


def check_outline(file: Path, annotation: dict[str, Any], size: tuple[int, int] | None = None) -> None:
    """TaskError where an annotation's segmentation is none of an image of this size, in px, if that is known."""
    fault = fault_of(annotation["segmentation"], size)
    if fault:
        raise not_coco(file, f"the segmentation of annotation {annotation['id']} is no outline: {fault}")


_KEYS = ("images", "annotations", "categories")


def _content(file: Path) -> dict[str, list[Any]]:
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise TaskError(f"{file} is not there; a COCO folder holds annotations and images") from None
    except (OSError, ValueError) as error:
        raise not_coco(file, f"{type(error).__name__}: {error}") from error
    if not isinstance(found, dict) or any(not isinstance(found.get(key), list) for key in _KEYS):
        raise not_coco(file, f"it needs the lists {', '.join(_KEYS)}")
    return {key: found[key] for key in _KEYS}


def _by_id(file: Path, entries: list[Any], what: str, *keys: str) -> dict[int, dict[str, Any]]:
    """Entries that have something under one of `keys`, by their ids in order."""
    found: dict[int, dict[str, Any]] = {}
    for position, entry in enumerate(entries, start=1):
        number = _whole(entry.get("id")) if isinstance(entry, dict) else None
        if number is None or all(entry.get(key) in (None, "") for key in keys):
            raise not_coco(file, f"{what} number {position} needs an id (a whole number) and a {keys[0]}")
        if number in found:
            raise not_coco(file, f"{what} id {number} stands there twice")
        found[number] = entry
    return dict(sorted(found.items()))


def _one_a_class(
    file: Path, number_of: dict[int, int], categories: dict[int, dict[str, Any]]
) -> tuple[dict[str, Any], ...]:
    """The first category of each class; TaskError where another of it has other keypoints."""
    first: dict[int, dict[str, Any]] = {}
    for each, category in categories.items():
        known = first.setdefault(number_of[each], category)
        if known.get("keypoints") != category.get("keypoints"):
            raise not_coco(file, f"two categories are called {category['name']!r} and have different keypoints")
    return tuple(first.values())


def _without_parents(categories: dict[int, dict[str, Any]], annotations: list[Any]) -> dict[int, dict[str, Any]]:
    """Less those that have no object and are but the supercategory of others, as Roboflow writes one.

    It may have the name of one of them.
    """
    used = {_whole(each.get("category_id")) for each in annotations if isinstance(each, dict)}
    parents = {
        str(each.get("supercategory")) for each in categories.values() if each.get("supercategory") != each["name"]
    }
    parents |= {str(each["name"]) for number, each in categories.items() if number in used}
    return {
        number: each for number, each in categories.items() if number in used or str(each["name"]) not in parents
    } or categories


def _is_crowd(file: Path, annotation: dict[str, Any]) -> bool:
    told = annotation.get("iscrowd")
    flag = _FLAGS.get(str(0 if told is None else told).strip().lower().removesuffix(".0"))
    if flag is None:
        raise not_coco(file, f"annotation {annotation['id']} has iscrowd {told!r}; give 0 or 1")
    return flag


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
