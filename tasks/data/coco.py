"""COCO's layout: annotations/instances_SPLIT.json beside the folders SPLIT of photographs (or one called images).

Keypoints are read from annotations/person_keypoints_SPLIT.json, or any list whose name ends in keypoints_SPLIT.json.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import ArraySet, TaskError
from tasks.data import decoded
from tasks.data.decoded import decode_all
from tasks.data.keypoint_labels import padding, rows_of
from tasks.data.letterbox import fitting, label_map, photograph
from tasks.data.readers.coco_list import CocoImage, CocoList, are_numbers, box_of, not_coco, read_list
from tasks.data.readers.coco_masks import mask_of
from tasks.label_forms import CROWD, FORMS, NO_BOX, LabelKind

_SPLITS = {"train": ("train",), "test": ("test", "val")}
# an annotation, and the number of its class
_Listed = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class _Photograph:
    """One image of a list: its file, size in px, and its objects and crowds."""

    file: Path
    width: int
    height: int
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


def load(
    folder: Path, resolution: int, cache: Path, *, kind: LabelKind = "boxes", verify: bool = False
) -> tuple[ArraySet, ArraySet, str]:
    """(train, test, their sha256) as squares of `resolution` px, letterboxed, with labels of `kind`, one of KINDS.

    Training images without any object are left out, or without any that has a keypoint where those are wanted. Where
    masks overlap, the smaller object is in front, and crowds are behind all. Raises FileNotFoundError for a missing
    list, TaskError naming a file that cannot be used.
    """
    lists = {split: _read(_file(folder, choices, kind), kind) for split, choices in _SPLITS.items()}
    train, test = lists["train"], lists["test"]
    if (train.names, train.keypoints) != (test.names, test.keypoints):
        what = "categories" if train.names != test.names else "keypoints"
        raise TaskError(f"{test.file} and {train.file} list different {what}; make them the same")
    photographs = {split: each.photographs for split, each in lists.items()}
    photographs["train"] = tuple(shown for shown in train.photographs if _teaches(shown, kind))
    if not photographs["train"]:
        wanted = "a keypoint" if FORMS[kind].keypoints else "an object"
        raise TaskError(f"{train.file} lists no image with {wanted} in it")

    def build(target: Path) -> dict[str, tuple[np.ndarray | None, tuple[str, ...]]]:
        made: dict[str, tuple[np.ndarray | None, tuple[str, ...]]] = {}
        square = (resolution, resolution)
        for split, shown in photographs.items():
            pixels = lambda item: photograph(item.file, resolution, (item.width, item.height))  # noqa: E731
            decode_all(shown, pixels, target / f"{split}.npy", (*square, 3), np.uint8)
            in_memory = _IN_MEMORY.get(kind)
            if in_memory is None:
                file = target / f"{split}-labels.npy"
                decode_all(shown, lambda item: _instances(item, resolution), file, (*square, 2), np.int16)
            labels = None if in_memory is None else in_memory(shown, lists[split], resolution)
            made[split] = (labels, lists[split].names)
        if FORMS[kind].keypoints:
            (target / decoded.KEYPOINT_NAMES).write_text(json.dumps(train.keypoints))
        return made

    files = [*(each.file for each in lists.values()), *(item.file for shown in photographs.values() for item in shown)]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise TaskError(f"image {missing[0]} is not there; add it, or take it out of its list")
    key = decoded.fingerprint(files, "coco", kind, resolution)
    return decoded.cached(cache / "decoded" / f"{folder.name}-{resolution}px-{key}", build, kind=kind, verify=verify)


def _teaches(shown: _Photograph, kind: LabelKind) -> bool:
    """Whether there is anything in an image to learn from."""
    if not FORMS[kind].keypoints:
        return bool(shown.objects)
    return any(visibility > 0 for _, annotation in shown.objects for visibility in annotation["keypoints"][2::3])


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


def _read(file: Path, kind: LabelKind) -> _List:
    folder = file.parents[1] / _split_of(file)
    folder = folder if folder.is_dir() else file.parents[1] / "images"
    listed = read_list(file)
    keypoints = _keypoint_names(listed) if FORMS[kind].keypoints else ()
    shown = tuple(_photograph(listed, image, folder) for image in listed.images)
    for item in shown if keypoints else ():
        _check_keypoints(file, item, len(keypoints))
    return _List(file, listed.names, keypoints, shown)


def _photograph(listed: CocoList, image: CocoImage, folder: Path) -> _Photograph:
    """An image of the list with the objects that have an extent; TaskError where it or one of them has no size."""
    try:
        width, height = int(image.entry["width"]), int(image.entry["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise not_coco(listed.file, f"image {image.entry['id']} needs a width and a height") from None
    if min(width, height) < 1:
        raise not_coco(listed.file, f"image {image.entry['id']} is {width} x {height} px")
    objects, crowds = (_with_extent(listed, each) for each in (image.objects, image.crowds))
    return _Photograph(folder / image.file_name, width, height, objects, crowds)


def _with_extent(listed: CocoList, annotations: Sequence[_Listed]) -> tuple[_Listed, ...]:
    found = []
    for number, annotation in annotations:
        box = box_of(listed.file, annotation)
        if box is None:
            raise not_coco(listed.file, f"annotation {annotation['id']} has no bbox")
        if min(box[2:]) > 0:
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


def _keypoints(shown: Sequence[_Photograph], listed: _List, resolution: int) -> np.ndarray:
    """float32 (N, M, 6 + 4 K), padded. An object without an area has its box's, a crowd no keypoint."""
    names = listed.keypoints
    labels = padding(len(shown), max((len(item.rows) for item in shown), default=0), len(names))
    for place, item in zip(labels, shown, strict=True):
        scale = fitting((item.width, item.height), resolution)
        for row, (number, annotation) in zip(place, item.rows, strict=False):
            points = np.array(annotation["keypoints"] if number >= 0 else [0] * 3 * len(names), float)
            points = points.reshape(1, -1, 3)
            # COCO numbers pixels, and its boxes are measured from the image's corner: half a pixel more
            points[..., :2] = np.where(points[..., 2:] > 0, (points[..., :2] + 0.5) * scale, 0)
            area = float(annotation.get("area") or np.prod(annotation["bbox"][2:])) * scale.prod()
            box = _corners(annotation, scale)[None]
            row[:] = rows_of(np.array([number]), box, np.array([area]), points, names)[0]
    return labels


def _boxes(shown: Sequence[_Photograph], listed: _List, resolution: int) -> np.ndarray:
    """float32 (N, M, 5), padded."""
    most = max((len(item.rows) for item in shown), default=0)
    rows = np.full((len(shown), most, 5), NO_BOX, np.float32)
    for place, item in zip(rows, shown, strict=True):
        scale = fitting((item.width, item.height), resolution)
        for row, (number, annotation) in zip(place, item.rows, strict=False):
            row[:] = number, *_corners(annotation, scale)
    return rows


def _corners(annotation: dict[str, Any], scale: np.ndarray) -> np.ndarray:
    """An object's box as x0, y0, x1, y1 in px of the square, float64 (4,)."""
    x, y, width, height = annotation["bbox"]
    return np.array([x, y, x + width, y + height]) * np.tile(scale, 2)


def _class_sets(shown: Sequence[_Photograph], listed: _List, resolution: int) -> np.ndarray:
    sets = np.zeros((len(shown), len(listed.names)), np.uint8)
    for place, item in zip(sets, shown, strict=True):
        place[[number for number, _ in item.objects]] = 1
    return sets


def _instances(item: _Photograph, resolution: int) -> np.ndarray:
    """int16 (resolution, resolution, 2): the object's number, below 0 for a crowd, and its class."""
    canvas = np.zeros((resolution, resolution, 2), np.int16)
    largest_first = sorted(item.objects, key=lambda one: -one[1]["bbox"][2] * one[1]["bbox"][3])
    crowds = ((-index, crowd) for index, crowd in enumerate(item.crowds, start=1))
    for index, (number, annotation) in (*crowds, *enumerate(largest_first, start=1)):
        outline = annotation.get("segmentation")
        if not outline:
            raise TaskError(f"image {item.file}: an object has no segmentation; insseg needs them, objdet not")
        try:
            canvas[_in_square(_mask(outline, item), annotation["bbox"], resolution)] = index, number
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise TaskError(
                f"image {item.file}: the segmentation of annotation {annotation.get('id')} is no mask of {item.width} "
                f"x {item.height} px ({type(error).__name__}: {error}); mend or remove it"
            ) from error
    return canvas


def _in_square(mask: np.ndarray, box: Sequence[float], resolution: int) -> np.ndarray:
    """A mask (height, width) as bool (resolution, resolution); what falls between its pixels has one all the same."""
    fitted = label_map(mask, resolution, 0)
    if not fitted.any():
        scale = resolution / max(mask.shape)
        middle = (box[1] + box[3] / 2, box[0] + box[2] / 2)
        fitted[tuple(min(max(0, int(at * scale)), resolution - 1) for at in middle)] = True
    return fitted


def _mask(outline: Any, item: _Photograph) -> np.ndarray:
    """A segmentation as bool (height, width) of its own image; ValueError where its run lengths are of another."""
    mask = mask_of(outline, item.height, item.width)
    if mask.shape != (item.height, item.width):
        raise ValueError(f"its run lengths are of {mask.shape[1]} x {mask.shape[0]} px")
    return mask


# labels that are a few numbers an image; those of another kind are maps
_IN_MEMORY: dict[LabelKind, Callable[[Sequence[_Photograph], _List, int], np.ndarray]] = {
    "boxes": _boxes,
    "class_set": _class_sets,
    "keypoints": _keypoints,
}
KINDS: tuple[LabelKind, ...] = ("boxes", "instances", "class_set", "keypoints")
