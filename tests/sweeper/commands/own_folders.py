"""Small labelled folders as users have them: a bright square on noise is the object, its colour the class."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = ((250, 40, 40), (40, 250, 40))
Box = tuple[int, int, int, int]


def picture(rng: np.random.Generator, kind: int, size: tuple[int, int]) -> tuple[Image.Image, Box]:
    """An image of width and height `size`, and the x, y, width, height of its object."""
    width, height = size
    values = rng.integers(0, 90, (height, width, 3), dtype=np.uint8)
    side = int(rng.integers(min(size) // 3, min(size) // 2))
    x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
    values[y : y + side, x : x + side] = COLOURS[kind]
    return Image.fromarray(values), (x, y, side, side)


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def class_folders(folder: Path, splits: Sequence[str], each: int, size: tuple[int, int] = (40, 40)) -> Path:
    """FOLDER/SPLIT/CLASS/*.png; a split "." is the folder itself."""
    rng = np.random.default_rng(len(splits))
    for split in splits:
        for kind, name in enumerate("ab"):
            for i in range(each):
                save(picture(rng, kind, size)[0], folder / split / name / f"{i}.png")
    return folder


def _coco(folder: Path, images: Path, count: int, size: tuple[int, int], seed: int) -> dict[str, object]:
    rng, listed, annotations = np.random.default_rng(seed), [], []
    for i in range(count):
        image, box = picture(rng, i % 2, size)
        save(image, images / f"{seed}-{i}.png")
        listed.append({"id": i, "file_name": f"{seed}-{i}.png", "width": size[0], "height": size[1]})
        x, y, w, h = box
        outline = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        annotations.append(
            {"id": i + 1, "image_id": i, "category_id": 1 + i % 2, "bbox": list(box), "area": w * h, "iscrowd": 0}
            | {"segmentation": outline}
        )
    return {
        "images": listed,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }


def coco_photographs(folder: Path, count: int, size: tuple[int, int] = (80, 60)) -> Path:
    (folder / "annotations").mkdir(parents=True)
    for seed, split in enumerate(("train", "val")):
        listing = _coco(folder, folder / "images", count, size, seed)
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(listing))
    return folder


def coco_renders(folder: Path, count: int, size: tuple[int, int] = (80, 60)) -> Path:
    listing = _coco(folder, folder / "images", count, size, 7)
    (folder / "annotations.json").write_text(json.dumps(listing))
    return folder


def _mask(size: tuple[int, int], box: Box, value: int) -> Image.Image:
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = value
    return Image.fromarray(mask)


def masks(folder: Path, count: int, size: tuple[int, int] = (80, 60), splits: Sequence[str] = (".",)) -> Path:
    """Renders by default: images/ and masks/; with splits photographs: images/SPLIT and annotations/SPLIT."""
    rng = np.random.default_rng(3)
    labels = "masks" if tuple(splits) == (".",) else "annotations"
    for split in splits:
        for i in range(count):
            image, box = picture(rng, i % 2, size)
            save(image, folder / "images" / split / f"{i}.png")
            save(_mask(size, box, 1 + i % 2), folder / labels / split / f"{i}.png")
    return folder
