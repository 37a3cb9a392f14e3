"""COCO's layout: annotations/instances_SPLIT.json beside the folders SPLIT of photographs (or one called images)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks import decoded
from tasks.base import NO_BOX, ArraySet, LabelKind, TaskError
from tasks.letterbox import decode_all, label_map, photograph

KINDS: tuple[LabelKind, ...] = ("boxes", "instances", "class_set")
_SPLITS = {"train": ("train",), "test": ("test", "val")}
# objects are numbered in 8 bits
_MOST_OBJECTS = 255


@dataclass(frozen=True)
class _Photograph:
    """One image of a list: its file, size in px, and objects as (class, annotation)."""

    file: Path
    width: int
    height: int
    objects: tuple[tuple[int, dict[str, Any]], ...]


def load(
    folder: Path, resolution: int, cache: Path, *, kind: LabelKind = "boxes", verify: bool = False
) -> tuple[ArraySet, ArraySet, str]:
    """(train, test, their sha256) as squares of `resolution` px, letterboxed, with boxes, instances or class sets.

    Annotations of crowds are left out, and so are training images without any object. Where masks overlap, the smaller
    object is in front. Raises FileNotFoundError for a missing list, TaskError naming a file that cannot be used.
    """
    lists = {split: _list(folder, choices) for split, choices in _SPLITS.items()}
    content = {split: _photographs(file) for split, file in lists.items()}
    names, photographs = content["train"][0], {split: shown for split, (_, shown) in content.items()}
    if names != content["test"][0]:
        raise TaskError(f"{lists['test']} and {lists['train']} list different categories; make them the same")
    photographs["train"] = [shown for shown in photographs["train"] if shown.objects]
    if not photographs["train"]:
        raise TaskError(f"{lists['train']} lists no image with an object in it")

    def build(target: Path) -> dict[str, tuple[np.ndarray | None, tuple[str, ...]]]:
        made: dict[str, tuple[np.ndarray | None, tuple[str, ...]]] = {}
        square = (resolution, resolution)
        for split, shown in photographs.items():
            pixels = lambda item: photograph(item.file, resolution)[0]  # noqa: E731 - said once, used once
            decode_all(shown, pixels, target / f"{split}.npy", (*square, 3), np.uint8)
            labels = None
            if kind == "instances":
                file = target / f"{split}-labels.npy"
                decode_all(shown, lambda item: _instances(item, resolution), file, (*square, 2), np.uint8)
            else:
                labels = _boxes(shown, resolution) if kind == "boxes" else _class_sets(shown, len(names))
            made[split] = (labels, names)
        return made

    files = [*lists.values(), *(item.file for shown in photographs.values() for item in shown)]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise TaskError(f"image {missing[0]} is not there; add it, or take it out of its list")
    key = decoded.fingerprint(files, "coco", kind, resolution)
    return decoded.cached(cache / "decoded" / f"{folder.name}-{resolution}px-{key}", build, kind=kind, verify=verify)


def _list(folder: Path, choices: tuple[str, ...]) -> Path:
    there = sorted((folder / "annotations").glob("instances_*.json"))
    for name in choices:
        for file in there:
            if file.stem.removeprefix("instances_").startswith(name):
                return file
    wanted = " or ".join(f"annotations/instances_{name}*.json" for name in choices)
    raise FileNotFoundError(f"{folder} has no {wanted}; see COCO's layout")


def _photographs(file: Path) -> tuple[tuple[str, ...], list[_Photograph]]:
    """Category names by id, and the images of one list by id."""
    split = file.stem.removeprefix("instances_")
    folder = file.parents[1] / split
    folder = folder if folder.is_dir() else file.parents[1] / "images"
    try:
        content = json.loads(file.read_text())
        categories = sorted(content["categories"], key=lambda category: int(category["id"]))
        number = {int(category["id"]): index for index, category in enumerate(categories)}
        objects: dict[int, list[tuple[int, dict[str, Any]]]] = {int(image["id"]): [] for image in content["images"]}
        for annotation in content["annotations"]:
            width, height = (float(value) for value in annotation["bbox"][2:])
            if not annotation.get("iscrowd") and width > 0 and height > 0:
                objects[int(annotation["image_id"])].append((number[int(annotation["category_id"])], annotation))
        shown = [
            _Photograph(
                folder / image["file_name"], int(image["width"]), int(image["height"]), tuple(objects[int(image["id"])])
            )
            for image in sorted(content["images"], key=lambda image: int(image["id"]))
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise TaskError(f"{file} is not COCO ({type(error).__name__}: {error}); write it again") from error
    return tuple(str(category["name"]) for category in categories), shown


def _boxes(shown: list[_Photograph], resolution: int) -> np.ndarray:
    """float32 (N, M, 5), padded."""
    most = max((len(item.objects) for item in shown), default=0)
    rows = np.full((len(shown), most, 5), NO_BOX, np.float32)
    for place, item in zip(rows, shown, strict=True):
        scale = resolution / max(item.width, item.height)
        for row, (number, annotation) in zip(place, item.objects, strict=False):
            x, y, width, height = annotation["bbox"]
            row[:] = number, x * scale, y * scale, (x + width) * scale, (y + height) * scale
    return rows


def _class_sets(shown: list[_Photograph], classes: int) -> np.ndarray:
    sets = np.zeros((len(shown), classes), np.uint8)
    for place, item in zip(sets, shown, strict=True):
        place[[number for number, _ in item.objects]] = 1
    return sets


def _instances(item: _Photograph, resolution: int) -> np.ndarray:
    """uint8 (resolution, resolution, 2): the object's number, and its class."""
    from faster_coco_eval.core import mask as run_lengths

    canvas = np.zeros((item.height, item.width, 2), np.uint8)
    largest_first = sorted(item.objects, key=lambda one: -one[1]["bbox"][2] * one[1]["bbox"][3])
    for index, (number, annotation) in enumerate(largest_first[:_MOST_OBJECTS], start=1):
        outline = annotation.get("segmentation")
        if not outline:
            raise TaskError(f"image {item.file}: an object has no segmentation; insseg needs them, objdet not")
        if isinstance(outline, list) or isinstance(outline["counts"], list):
            outline = run_lengths.frPyObjects(outline, item.height, item.width)
        if isinstance(outline, list):
            outline = run_lengths.merge(outline)
        canvas[run_lengths.decode(outline).astype(bool)] = index, number
    return label_map(canvas, resolution, 0)
