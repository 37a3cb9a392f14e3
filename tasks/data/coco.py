"""Photographs with COCO's lists, or YOLO's texts, of objects or of keypoints: how they are found and decoded.

Which lists and pictures a folder has is said in tasks/data/readers: coco_folder.py and yolo_folder.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tasks.base import TaskError
from tasks.data.cache.listing import Found, FoundSet
from tasks.data.cache.split import Decoded, Reader
from tasks.data.keypoint_labels import padding, rows_of
from tasks.data.readers import coco_folder
from tasks.data.readers.boxes import check_boxes, lies_in
from tasks.data.readers.coco_list import CocoImage, CocoList, Listed
from tasks.data.readers.coco_masks import are_numbers, fault_of, mask_of
from tasks.data.readers.files import SplitName
from tasks.data.readers.layouts import yolo_folder
from tasks.data.readers.splitting import Parting, two_parts
from tasks.data.readers.squares import Fit, Placement, label_map, photograph, placement
from tasks.label_forms import CROWD, FORMS, NO_BOX, LabelKind

Layout = Literal["coco", "yolo"]
# a set of which more than this share of all objects are crowds has none to learn from
_MOST_CROWDS = 0.9


@dataclass(frozen=True)
class _Photograph:
    """One image of a list: its file below the set's folder, where it lies in its square, its objects and crowds."""

    file: str
    place: Placement
    objects: tuple[Listed, ...]
    crowds: tuple[Listed, ...]

    @property
    def rows(self) -> tuple[Listed, ...]:
        """Objects, then crowds, each with what stands for its class in a row of labels."""
        return (*self.objects, *((CROWD - number, crowd) for number, crowd in self.crowds))


def reader(
    side: int,
    kind: LabelKind,
    fit: Fit,
    parting: Parting,
    layout: Layout = "coco",
) -> Reader:
    """Of photographs as squares of `side` px with labels of `kind`, one of KINDS.

    Training images without any object are left out, or without any that has a keypoint where those are wanted. An
    object that a crop cuts off wholly is none. Where masks overlap, the smaller object is in front, and crowds are
    behind all. Listing raises FileNotFoundError for a missing list, both raise TaskError naming an unusable file.
    """
    return Reader(
        side=side,
        kind=kind,
        settings=(layout, side, fit, kind),
        find=partial(_find, side=side, kind=kind, fit=fit, parting=parting, layout=layout),
        files=lambda item: (item["file"],),
        decode=partial(_decode, side=side, kind=kind, fit=fit),
        size=lambda item: (item["size"][0], item["size"][1]),
        boxes=partial(_boxes_of, side=side, fit=fit),
    )


def _find(root: Path, *, side: int, kind: LabelKind, fit: Fit, parting: Parting, layout: Layout) -> FoundSet:
    parts, lines = _parts(root, kind, parting, layout)
    train, test = parts["train"], parts["test"]
    keypoints = _keypoint_names(train) if FORMS[kind].keypoints else ()
    if keypoints and _keypoint_names(test) != keypoints:
        raise TaskError(f"{test.file} and {train.file} list different keypoints; make them the same")
    found = {}
    for split, listed in parts.items():
        shown = [_photograph(image, placement(image.size, side, fit)) for image in listed.images]
        lines += _objects_in_words(split, listed, shown)
        _check_labels(root, listed, shown, kind, len(keypoints))
        if split == "train":
            lines += _teaching_in_words(listed, shown, kind)
            shown = [each for each in shown if _teaches(each, kind)]
            if not shown:
                raise TaskError(f"{listed.file} lists no image with {_WANTED[bool(keypoints)]} in it")
        in_memory = _IN_MEMORY.get(kind)
        labels = None if in_memory is None else in_memory(shown, listed.names, keypoints)
        found[split] = Found([_item(each, kind) for each in shown], [(each.file,) for each in shown], labels)
    own = tuple(dict.fromkeys(str(each.file.relative_to(root)) for each in parts.values() if each.file != root))
    return FoundSet(found, train.names, keypoints, own, tuple(lines))


_WANTED = {True: "a keypoint", False: "an object"}


def _parts(root: Path, kind: LabelKind, parting: Parting, layout: Layout) -> tuple[dict[str, CocoList], list[str]]:
    """The lists of the two splits with the classes of the first, and lines to tell."""
    points = FORMS[kind].keypoints
    folder = yolo_folder.read_folder(root) if layout == "yolo" else coco_folder.read_folder(root, keypoints=points)
    lists, lines = folder.lists, list(folder.lines)
    for listed in lists.values():
        lines += check_boxes(root, listed)
    first = lists.get("train") or next(iter(lists.values()))
    lists = {split: each.numbered_as(first) for split, each in lists.items()}
    of_split: dict[SplitName | None, list[CocoImage]] = {split: list(each.images) for split, each in lists.items()}
    try:
        parts = two_parts(root, of_split, lambda image: image.file, parting)
    except KeyError as error:
        raise _no_split(root, str(error.args[0]), [each.file for each in lists.values()], points=points) from None
    test = next((lists[split] for split in _TESTS if split in lists), first)
    if test.file != first.file:
        lines.append(f"{root}: learnt from {first.file.relative_to(root)}, tested on {test.file.relative_to(root)}")
    lists_of = {"train": replace(first, images=tuple(parts.train)), "test": replace(test, images=tuple(parts.test))}
    return lists_of, [*lines, *parts.lines]


_TESTS: tuple[SplitName, ...] = ("test", "val")


def _no_split(root: Path, missing: str, there: Sequence[Path], *, points: bool) -> FileNotFoundError:
    prefix, names = "*keypoints_" if points else "instances_", ("train",) if missing == "train" else _TESTS
    wanted = " or ".join(f"annotations/{prefix}{name}*.json" for name in names)
    found = ", ".join(str(file.relative_to(root)) for file in there)
    either = "" if missing == "train" else ", or say by finetune.test_fraction how much of it is for testing"
    return FileNotFoundError(f"{root} has no {wanted}; it has {found}: add the other list{either}")


def _objects_in_words(split: str, listed: CocoList, shown: Sequence[_Photograph]) -> list[str]:
    """How many objects there are, and which of them count less or not at all; TaskError where nearly all are crowds."""
    objects = sum(len(each.objects) for each in listed.images)
    crowds = sum(len(each.crowds) for each in listed.images)
    gone = objects + crowds - sum(len(each.rows) for each in shown)
    hidden = sum(_is_hidden(annotation) for each in listed.images for _, annotation in each.objects)
    if crowds > _MOST_CROWDS * (objects + crowds):
        raise TaskError(
            f"{listed.file}: {crowds:,} of {objects + crowds:,} objects are crowds (iscrowd: 1), which are not learnt"
            " from; run lengths of single objects have iscrowd: 0"
        )
    kinds = {
        "are crowds (iscrowd: 1), which are not learnt from and count neither way in the test; run lengths of single"
        " objects have iscrowd: 0": crowds,
        "have no extent in their image, or none that the square shows, and are left out": gone,
        "are marked as hidden or occluded, and count": hidden,
    }
    return [f"{split}: {count:,} of {objects + crowds:,} objects {what}" for what, count in kinds.items() if count]


def _is_hidden(annotation: dict[str, Any]) -> bool:
    own = annotation.get("attributes")
    marks = annotation | (own if isinstance(own, dict) else {})
    return any(marks.get(key) in (True, 1, "1", "true", "True") for key in ("occluded", "hidden", "is_occluded"))


def _teaching_in_words(listed: CocoList, shown: Sequence[_Photograph], kind: LabelKind) -> list[str]:
    empty = sum(not _teaches(each, kind) for each in shown)
    what = _WANTED[FORMS[kind].keypoints]
    return [f"train: {empty:,} of {len(shown):,} images show no {what.split()[1]} and are left out"] if empty else []


def _check_labels(root: Path, listed: CocoList, shown: Sequence[_Photograph], kind: LabelKind, keypoints: int) -> None:
    """TaskError naming an object without the labels that are learnt."""
    for item in shown:
        for _, annotation in item.objects if keypoints else ():
            _check_keypoints(listed.file, annotation, keypoints)
        for _, annotation in (*item.objects, *item.crowds) if FORMS[kind].is_map else ():
            _check_outline(root / item.file, annotation, item.place.size)


def _check_outline(file: Path, annotation: dict[str, Any], size: tuple[int, int]) -> None:
    outline, (width, height) = annotation.get("segmentation"), size
    if not outline:
        raise TaskError(f"image {file}: an object has no segmentation; insseg needs them, objdet not")
    fault = fault_of(outline, size)
    if fault:
        raise TaskError(
            f"image {file}: the segmentation of annotation {annotation.get('id')} is no mask of {width} x {height} px"
            f" ({fault}); mend or remove it"
        )


def _item(shown: _Photograph, kind: LabelKind) -> dict[str, Any]:
    """What an image is decoded from: labels that are maps are drawn only then."""
    item: dict[str, Any] = {"file": shown.file, "size": shown.place.size}
    if not FORMS[kind].is_map:
        return item
    keys = ("id", "bbox", "segmentation")
    drawn = {
        name: [(number, {key: each.get(key) for key in keys}) for number, each in listed]
        for name, listed in (("objects", shown.objects), ("crowds", shown.crowds))
    }
    return item | drawn


def _boxes_of(item: dict[str, Any], label: np.ndarray | None, *, side: int, fit: Fit) -> np.ndarray:
    """The objects' boxes x, y, width, height in px of their image, (M, 4)."""
    if "objects" in item:
        return np.array([each["bbox"] for _, each in item["objects"]], float).reshape(-1, 4)
    if label is None or label.ndim != 2:
        return np.zeros((0, 4))
    corners, place = label[label[:, 0] >= 0, 1:5], placement((item["size"][0], item["size"][1]), side, fit)
    extent = (corners[:, 2:] - corners[:, :2]) / place.scale
    return np.concatenate([corners[:, :2] / place.scale + place.box[:2], extent], axis=1)


def _decode(root: Path, item: dict[str, Any], *, side: int, kind: LabelKind, fit: Fit) -> Decoded:
    place, file = placement(tuple(item["size"]), side, fit), root / item["file"]
    label = _instances(item["objects"], item["crowds"], place) if FORMS[kind].is_map else None
    return photograph(file, place), label, place


def _teaches(shown: _Photograph, kind: LabelKind) -> bool:
    """Whether there is anything in an image to learn from."""
    if not FORMS[kind].keypoints:
        return bool(shown.objects)
    return any(_points(annotation, shown.place)[:, 2].any() for _, annotation in shown.objects)


def _photograph(image: CocoImage, place: Placement) -> _Photograph:
    """An image of a list with the objects that have an extent, and of which the square shows any."""
    objects, crowds = (
        tuple(one for one in annotations if _has_extent(one[1], place)) for annotations in (image.objects, image.crowds)
    )
    return _Photograph(image.file, place, objects, crowds)


def _has_extent(annotation: dict[str, Any], place: Placement) -> bool:
    box = annotation["bbox"]
    return lies_in(box, place.size) and bool((np.diff(place.corners(box).reshape(2, 2), axis=0) > 0).all())


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


def _check_keypoints(file: Path, annotation: dict[str, Any], count: int) -> None:
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


def _keypoints(shown: Sequence[_Photograph], classes: Sequence[str], names: tuple[str, ...]) -> np.ndarray:
    """float32 (N, M, 6 + 4 K), padded. An object without an area has its box's, a crowd no keypoint."""
    labels = padding(len(shown), max((len(item.rows) for item in shown), default=0), len(names))
    for place, item in zip(labels, shown, strict=True):
        for row, (number, annotation) in zip(place, item.rows, strict=False):
            points = _points(annotation, item.place) if number >= 0 else np.zeros((len(names), 3))
            area = float(annotation.get("area") or np.prod(annotation["bbox"][2:])) * item.place.scale.prod()
            box = item.place.corners(annotation["bbox"])[None]
            row[:] = rows_of(np.array([number]), box, np.array([area]), points[None], names)[0]
    return labels


def _boxes(shown: Sequence[_Photograph], classes: Sequence[str], names: tuple[str, ...]) -> np.ndarray:
    """float32 (N, M, 5), padded."""
    most = max((len(item.rows) for item in shown), default=0)
    rows = np.full((len(shown), most, 5), NO_BOX, np.float32)
    for place, item in zip(rows, shown, strict=True):
        for row, (number, annotation) in zip(place, item.rows, strict=False):
            row[:] = number, *item.place.corners(annotation["bbox"])
    return rows


def _class_sets(shown: Sequence[_Photograph], classes: Sequence[str], names: tuple[str, ...]) -> np.ndarray:
    sets = np.zeros((len(shown), len(classes)), np.uint8)
    for place, item in zip(sets, shown, strict=True):
        place[[number for number, _ in item.objects]] = 1
    return sets


def _instances(objects: Sequence[Listed], crowds: Sequence[Listed], place: Placement) -> np.ndarray:
    """int16 (side, side, 2): the object's number, below 0 for a crowd, and its class."""
    canvas = np.zeros((place.side, place.side, 2), np.int16)
    largest_first = sorted(objects, key=lambda one: -one[1]["bbox"][2] * one[1]["bbox"][3])
    behind = ((-index, crowd) for index, crowd in enumerate(crowds, start=1))
    width, height = place.size
    for index, (number, annotation) in (*behind, *enumerate(largest_first, start=1)):
        mask = mask_of(annotation["segmentation"], height, width)
        canvas[_in_square(mask, annotation["bbox"], place)] = index, number
    return canvas


def _in_square(mask: np.ndarray, box: Sequence[float], place: Placement) -> np.ndarray:
    """A mask (height, width) as bool (side, side); what falls between its pixels has one all the same."""
    fitted = label_map(mask, place, 0)
    if not fitted.any():
        x, y = place.corners((box[0], box[1], box[2], box[3])).reshape(2, 2).mean(axis=0)
        fitted[tuple(min(max(0, int(at)), place.side - 1) for at in (y, x))] = True
    return fitted


# labels that are a few numbers an image; those of another kind are maps
_IN_MEMORY: dict[LabelKind, Callable[[Sequence[_Photograph], Sequence[str], tuple[str, ...]], np.ndarray]] = {
    "boxes": _boxes,
    "class_set": _class_sets,
    "keypoints": _keypoints,
}
KINDS: tuple[LabelKind, ...] = ("boxes", "instances", "class_set", "keypoints")
