"""Drawn images as folders of labelled photographs, for tests that fine-tune on such: COCO's lists, maps of depth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tasks.data.drawn import CLASS_NAMES, KEYPOINTS, shapes
from tasks.label_forms import NO_BOX, LabelKind

Annotations = list[dict[str, Any]]


def write_keypoints(folder: Path, train: int, test: int, side: int = 64) -> Path:
    """`train` and `test` images with every object and its five keypoints in person_keypoints_{train,val}2017.json."""
    categories = [{"id": k, "name": name, "keypoints": list(KEYPOINTS)} for k, name in enumerate(CLASS_NAMES)]
    return _write_coco(folder, (train, test), side, "keypoints", "person_keypoints", categories, _of_keypoints)


def write_instances(folder: Path, train: int, test: int, side: int = 64) -> Path:
    """`train` and `test` images with every object's mask in instances_{train,val}2017.json."""
    categories = [{"id": k, "name": name} for k, name in enumerate(CLASS_NAMES)]
    return _write_coco(folder, (train, test), side, "instances", "instances", categories, _of_instances)


def write_depth(folder: Path, train: int, test: int, side: int = 64) -> Path:
    """`train` and `test` images in images/{train,val}, each with its depth in millimetres in depth/{train,val}."""
    for split, count, seed in (("train", train, 0), ("val", test, 1)):
        drawn = shapes(count, side, seed, "depth")
        for name, arrays in (("images", drawn.images), ("depth", np.rint(drawn.labels * 1000).astype(np.uint16))):
            place = folder / name / split
            place.mkdir(parents=True)
            for index, pixels in enumerate(arrays):
                Image.fromarray(pixels).save(place / f"{index}.png")
    return folder


def _write_coco(
    folder: Path,
    counts: tuple[int, int],
    side: int,
    kind: LabelKind,
    prefix: str,
    categories: Annotations,
    annotations_of: Callable[[np.ndarray], Iterator[dict[str, Any]]],
) -> Path:
    (folder / "annotations").mkdir(parents=True)
    for split, count, seed in zip(("train2017", "val2017"), counts, (0, 1), strict=True):
        drawn = shapes(count, side, seed, kind)
        (folder / split).mkdir()
        images: Annotations = []
        annotations: Annotations = []
        for index, (pixels, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
            Image.fromarray(pixels).save(folder / split / f"{index}.png")
            images.append({"id": index, "file_name": f"{index}.png", "width": side, "height": side})
            for one in annotations_of(label):
                annotations.append({"id": len(annotations) + 1, "image_id": index, "iscrowd": 0, **one})
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"{prefix}_{split}.json").write_text(json.dumps(content))
    return folder


def _of_keypoints(rows: np.ndarray) -> Iterator[dict[str, Any]]:
    for number, x0, y0, x1, y1, area, *rest in rows[rows[:, 0] != NO_BOX].tolist():
        points: list[float] = []
        for x, y, visibility in zip(rest[0::4], rest[1::4], rest[2::4], strict=True):
            # COCO numbers pixels
            points += [x - 0.5, y - 0.5, int(visibility)] if visibility else [0, 0, 0]
        yield {"category_id": int(number), "bbox": [x0, y0, x1 - x0, y1 - y0], "area": area, "keypoints": points}


def _of_instances(label: np.ndarray) -> Iterator[dict[str, Any]]:
    from faster_coco_eval.core import mask as run_lengths

    numbers, classes = label[..., 0], label[..., 1]
    for number in np.unique(numbers[numbers > 0]):
        mask = numbers == number
        y, x = np.nonzero(mask)
        outline = run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))
        yield {
            "category_id": int(classes[mask][0]),
            "bbox": [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1],
            "area": int(mask.sum()),
            "segmentation": outline | {"counts": outline["counts"].decode()},
        }
