"""COCO's layout: annotations/instances_SPLIT.json beside the folders SPLIT of photographs (or one called images).

Keypoints are read from annotations/person_keypoints_SPLIT.json, or any list whose name ends in keypoints_SPLIT.json.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import TaskError
from tasks.data.cache.listing import Found, FoundSet
from tasks.data.cache.split import Decoded, Reader
from tasks.data.keypoint_labels import padding, rows_of
from tasks.data.readers.coco_list import CocoImage, CocoList, are_numbers, box_of, not_coco, read_list
from tasks.data.readers.coco_masks import mask_of
from tasks.data.readers.squares import Fit, Placement, label_map, photograph, placement
from tasks.label_forms import CROWD, FORMS, NO_BOX, LabelKind

_SPLITS = {"train": ("train",), "test": ("test", "val")}
# an annotation, and the number of its class
_Listed = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class _Photograph:
    """One image of a list: its file below the set's folder, where it lies in its square, its objects and crowds."""

    file: str
    place: Placement
    objects: tuple[_Listed, ...]
    crowds: tuple[_Listed, ...]

    @property
    def rows(self) -> tuple[_Listed, ...]:
        """Objects, then crowds, each with what stands for its class in a row of labels."""
        return (*self.objects, *((CROWD - number, crowd) for number, crowd in self.crowds))


@dataclass(frozen=True)
class _List:
    """One list: the names of its categories by id, the keypoints that all of them have, and its images by id."""

    file: Path
    names: tuple[str, ...]
    keypoints: tuple[str, ...]
    photographs: tuple[_Photograph, ...]


def reader(side: int, kind: LabelKind = "boxes", fit: Fit = "letterbox") -> Reader:
    """Of photographs as squares of `side` px with labels of `kind`, one of KINDS.

    Training images without any object are left out, or without any that has a keypoint where those are wanted. An
    object that a crop cuts off wholly is none. Where masks overlap, the smaller object is in front, and crowds are
    behind all. Listing raises FileNotFoundError for a missing list, both raise TaskError naming an unusable file.
    """
    return Reader(
        side=side,
        kind=kind,
        settings=("coco", side, fit, kind),
        find=partial(_find, side=side, kind=kind, fit=fit),
        files=lambda item: (item["file"],),
        decode=partial(_decode, side=side, kind=kind, fit=fit),
    )


def _find(root: Path, *, side: int, kind: LabelKind, fit: Fit) -> FoundSet:
    in_square = partial(placement, side=side, fit=fit)
    lists = {split: _read(_file(root, choices, kind), kind, in_square) for split, choices in _SPLITS.items()}
    train, test = lists["train"], lists["test"]
    if (train.names, train.keypoints) != (test.names, test.keypoints):
        what = "categories" if train.names != test.names else "keypoints"
        raise TaskError(f"{test.file} and {train.file} list different {what}; make them the same")
    photographs = {split: each.photographs for split, each in lists.items()}
    photographs["train"] = tuple(shown for shown in train.photographs if _teaches(shown, kind))
    if not photographs["train"]:
        wanted = "a keypoint" if FORMS[kind].keypoints else "an object"
        raise TaskError(f"{train.file} lists no image with {wanted} in it")
    found = {}
    for split, shown in photographs.items():
        in_memory = _IN_MEMORY.get(kind)
        labels = None if in_memory is None else in_memory(shown, lists[split])
        found[split] = Found([_item(each, kind) for each in shown], [(each.file,) for each in shown], labels)
    own = tuple(str(each.file.relative_to(root)) for each in lists.values())
    return FoundSet(found, train.names, train.keypoints, own)


def _item(shown: _Photograph, kind: LabelKind) -> dict[str, Any]:
    """What an image is decoded from: labels that are maps are drawn only then."""
    item: dict[str, Any] = {"file": shown.file, "size": shown.place.size}
    if not FORMS[kind].is_map:
        return item
    if not all(each.get("segmentation") for _, each in (*shown.objects, *shown.crowds)):
        raise TaskError(f"image {shown.file}: an object has no segmentation; insseg needs them, objdet not")
    keys = ("id", "bbox", "segmentation")
    drawn = {
        name: [(number, {key: each.get(key) for key in keys}) for number, each in listed]
        for name, listed in (("objects", shown.objects), ("crowds", shown.crowds))
    }
    return item | drawn


def _decode(root: Path, item: dict[str, Any], *, side: int, kind: LabelKind, fit: Fit) -> Decoded:
    place, file = placement(tuple(item["size"]), side, fit), root / item["file"]
    label = _instances(file, item["objects"], item["crowds"], place) if FORMS[kind].is_map else None
    return photograph(file, place), label, place


def _teaches(shown: _Photograph, kind: LabelKind) -> bool:
    """Whether there is anything in an image to learn from."""
    if not FORMS[kind].keypoints:
        return bool(shown.objects)
    return any(_points(annotation, shown.place)[:, 2].any() for _, annotation in shown.objects)


def _prefix(kind: LabelKind) -> str:
    return "*keypoints_" if FORMS[kind].keypoints else "instances_"


def _split_of(file: Path) -> str:
    return re.sub(r"^(instances|.*keypoints)_", "", file.stem)


def _file(folder: Path, choices: tuple[str, ...], kind: LabelKind) -> Path:
    there = sorted((folder / "annotations").glob(f"{_prefix(kind)}*.json"))
    for name in choices:
        for file in there:
            if _split_of(file).startswith(name):
                return file
    wanted = " or ".join(f"annotations/{_prefix(kind)}{name}*.json" for name in choices)
    raise FileNotFoundError(f"{folder} has no {wanted}; see COCO's layout")


def _read(file: Path, kind: LabelKind, in_square: Callable[[tuple[int, int]], Placement]) -> _List:
    folder = file.parents[1] / _split_of(file)
    folder = folder if folder.is_dir() else file.parents[1] / "images"
    listed = read_list(file)
    keypoints = _keypoint_names(listed) if FORMS[kind].keypoints else ()
    below = str(folder.relative_to(file.parents[1]))
    shown = tuple(_photograph(listed, image, below, in_square) for image in listed.images)
    for item in shown if keypoints else ():
        _check_keypoints(file, item, len(keypoints))
    return _List(file, listed.names, keypoints, shown)


def _photograph(
    listed: CocoList, image: CocoImage, folder: str, in_square: Callable[[tuple[int, int]], Placement]
) -> _Photograph:
    """An image of the list with the objects that have an extent; TaskError where it or one of them has no size."""
    try:
        width, height = int(image.entry["width"]), int(image.entry["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise not_coco(listed.file, f"image {image.entry['id']} needs a width and a height") from None
    if min(width, height) < 1:
        raise not_coco(listed.file, f"image {image.entry['id']} is {width} x {height} px")
    place = in_square((width, height))
    objects, crowds = (_with_extent(listed, each, place) for each in (image.objects, image.crowds))
    return _Photograph(f"{folder}/{image.file_name}", place, objects, crowds)


def _with_extent(listed: CocoList, annotations: Sequence[_Listed], place: Placement) -> tuple[_Listed, ...]:
    """Those that have one, and of which the square shows any."""
    found = []
    for number, annotation in annotations:
        box = box_of(listed.file, annotation)
        if box is None:
            raise not_coco(listed.file, f"annotation {annotation['id']} has no bbox")
        if min(box[2:]) > 0 and (np.diff(place.corners(box).reshape(2, 2), axis=0) > 0).all():
            found.append((number, annotation))
    return tuple(found)


def _keypoint_names(listed: CocoList) -> tuple[str, ...]:
    """The keypoints that every category has; TaskError where one has none, or others."""
    file, categories = listed.file, listed.categories
    of_each = [tuple(str(name) for name in category.get("keypoints") or ()) for category in categories]
    for names, category in zip(of_each, categories, strict=True):
        if not names:
            raise TaskError(f"{file}: category {category['name']} has no keypoints; list their names, or leave it out")
        if names != of_each[0]:
            raise TaskError(
                f"{file}: categories {categories[0]['name']} and {category['name']} have different keypoints; one head "
                "finds the same ones in all: leave out one of the two"
            )
    if not of_each:
        raise TaskError(f"{file} lists no category, so no keypoints; add one with the names of its keypoints")
    return of_each[0]


def _check_keypoints(file: Path, item: _Photograph, count: int) -> None:
    for _, annotation in item.objects:
        found = annotation.get("keypoints")
        numbers = found if isinstance(found, list) and are_numbers(found) else []
        if len(numbers) != 3 * count or not set(numbers[2::3]) <= {0, 1, 2}:
            raise TaskError(
                f"{file}: annotation {annotation.get('id')} has no {count} keypoints of x, y and visibility 0, 1 or 2; "
                "mend or remove it"
            )


def _points(annotation: dict[str, Any], place: Placement) -> np.ndarray:
    """An object's keypoints (K, 3) as x, y in px of the square and visibility; one outside is not labelled."""
    points = np.array(annotation["keypoints"], float).reshape(-1, 3)
    # COCO numbers pixels, and its boxes are measured from the image's corner: half a pixel more
    places = place.points(points[:, :2] + 0.5)
    there = (points[:, 2:] > 0) & place.shows(places)[:, None]
    return np.where(there, np.column_stack([places, points[:, 2]]), 0)


def _keypoints(shown: Sequence[_Photograph], listed: _List) -> np.ndarray:
    """float32 (N, M, 6 + 4 K), padded. An object without an area has its box's, a crowd no keypoint."""
    names = listed.keypoints
    labels = padding(len(shown), max((len(item.rows) for item in shown), default=0), len(names))
    for place, item in zip(labels, shown, strict=True):
        for row, (number, annotation) in zip(place, item.rows, strict=False):
            points = _points(annotation, item.place) if number >= 0 else np.zeros((len(names), 3))
            area = float(annotation.get("area") or np.prod(annotation["bbox"][2:])) * item.place.scale.prod()
            box = item.place.corners(annotation["bbox"])[None]
            row[:] = rows_of(np.array([number]), box, np.array([area]), points[None], names)[0]
    return labels


def _boxes(shown: Sequence[_Photograph], listed: _List) -> np.ndarray:
    """float32 (N, M, 5), padded."""
    most = max((len(item.rows) for item in shown), default=0)
    rows = np.full((len(shown), most, 5), NO_BOX, np.float32)
    for place, item in zip(rows, shown, strict=True):
        for row, (number, annotation) in zip(place, item.rows, strict=False):
            row[:] = number, *item.place.corners(annotation["bbox"])
    return rows


def _class_sets(shown: Sequence[_Photograph], listed: _List) -> np.ndarray:
    sets = np.zeros((len(shown), len(listed.names)), np.uint8)
    for place, item in zip(sets, shown, strict=True):
        place[[number for number, _ in item.objects]] = 1
    return sets


def _instances(file: Path, objects: Sequence[_Listed], crowds: Sequence[_Listed], place: Placement) -> np.ndarray:
    """int16 (side, side, 2): the object's number, below 0 for a crowd, and its class."""
    canvas = np.zeros((place.side, place.side, 2), np.int16)
    largest_first = sorted(objects, key=lambda one: -one[1]["bbox"][2] * one[1]["bbox"][3])
    behind = ((-index, crowd) for index, crowd in enumerate(crowds, start=1))
    for index, (number, annotation) in (*behind, *enumerate(largest_first, start=1)):
        try:
            canvas[_in_square(_mask(annotation["segmentation"], place.size), annotation["bbox"], place)] = index, number
        except (IndexError, KeyError, TypeError, ValueError) as error:
            width, height = place.size
            raise TaskError(
                f"image {file}: the segmentation of annotation {annotation.get('id')} is no mask of {width} "
                f"x {height} px ({type(error).__name__}: {error}); mend or remove it"
            ) from error
    return canvas


def _in_square(mask: np.ndarray, box: Sequence[float], place: Placement) -> np.ndarray:
    """A mask (height, width) as bool (side, side); what falls between its pixels has one all the same."""
    fitted = label_map(mask, place, 0)
    if not fitted.any():
        x, y = place.corners((box[0], box[1], box[2], box[3])).reshape(2, 2).mean(axis=0)
        fitted[tuple(min(max(0, int(at)), place.side - 1) for at in (y, x))] = True
    return fitted


def _mask(outline: Any, size: tuple[int, int]) -> np.ndarray:
    """A segmentation as bool (height, width) of its own image; ValueError where its run lengths are of another."""
    width, height = size
    mask = mask_of(outline, height, width)
    if mask.shape != (height, width):
        raise ValueError(f"its run lengths are of {mask.shape[1]} x {mask.shape[0]} px")
    return mask


# labels that are a few numbers an image; those of another kind are maps
_IN_MEMORY: dict[LabelKind, Callable[[Sequence[_Photograph], _List], np.ndarray]] = {
    "boxes": _boxes,
    "class_set": _class_sets,
    "keypoints": _keypoints,
}
KINDS: tuple[LabelKind, ...] = ("boxes", "instances", "class_set", "keypoints")
