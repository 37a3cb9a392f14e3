"""Drawn photographs whose red says which they are, in every layout, and which of their files are opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SIDE = 16


def write_photograph(file: Path, number: int) -> None:
    """A photograph whose red is its number."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (SIDE, SIDE), (number, 0, 0)).save(file)


def class_folders(folder: Path, train: int, test: int = 2) -> Path:
    """Photographs of two classes in turn, by their numbers."""
    for split, count in (("train", train), ("test", test)):
        for number in range(count):
            write_photograph(folder / split / f"class{number % 2}" / f"{number:03d}.png", number)
    return folder


def coco(folder: Path, train: int, test: int = 2) -> Path:
    """Photographs with one object each, of one of four classes, the last of which is rare."""
    for split, count in (("train2017", train), ("val2017", test)):
        images, annotations = [], []
        for number in range(count):
            write_photograph(folder / split / f"{number:03d}.png", number)
            images.append({"id": number, "file_name": f"{number:03d}.png", "width": SIDE, "height": SIDE})
            kind = 3 if number % 10 == 0 else number % 3
            outline = [[2, 2, 10, 2, 10, 10, 2, 10]]
            box: dict[str, Any] = {"bbox": [2, 2, 8, 8], "segmentation": outline, "iscrowd": 0}
            annotations.append({"id": number, "image_id": number, "category_id": kind, **box})
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": k, "name": f"class{k}"} for k in range(4)],
        }
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return folder


def maps(folder: Path, train: int, test: int = 2) -> Path:
    """Photographs with maps of class 0 to 2, the last of which is rare."""
    for split, count in (("train", train), ("val", test)):
        for number in range(count):
            write_photograph(folder / "images" / split / f"{number:03d}.png", number)
            file = folder / "annotations" / split / f"{number:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((SIDE, SIDE), 2 if number % 10 == 0 else number % 2, np.uint8)).save(file)
    return folder


@contextmanager
def opened_files() -> Iterator[list[Path]]:
    """The files that Pillow opens meanwhile."""
    opened: list[Path] = []
    plain = Image.open

    def noted(file: Any, *args: Any, **options: Any) -> Any:
        opened.append(Path(file))
        return plain(file, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "open", noted)
        yield opened
