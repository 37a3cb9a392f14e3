"""Folders as people have them: drawn pictures of 80 x 40 px with a white square, in the layouts of exporters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE, BOX = (80, 40), (10, 5, 20, 20)
ORIENTATION = 0x0112
# in a square of 40 px by letterbox: x0, y0, x1, y1
IN_SQUARE = [5.0, 2.5, 15.0, 12.5]

Change = Callable[[dict[str, Any]], None]


def picture(shade: int = 60, scale: float = 1.0) -> Image.Image:
    """Grey of this shade, by which it is told from others, and a white square at BOX."""
    pixels = np.full((SIZE[1], SIZE[0], 3), shade, np.uint8)
    x, y, width, height = BOX
    pixels[y : y + height, x : x + width] = 255
    image = Image.fromarray(pixels)
    return image if scale == 1 else image.resize((int(SIZE[0] * scale), int(SIZE[1] * scale)))


def save(image: Image.Image, file: Path, orientation: int | None = None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    told = Image.Exif()
    if orientation is not None:
        told[ORIENTATION] = orientation
    image.save(file, exif=told)


def polygon(box: Sequence[float] = BOX) -> list[list[float]]:
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def listing(names: Sequence[str], classes: int = 2, **annotation: Any) -> dict[str, Any]:
    """A list of COCO's: one object an image, of the classes c1, c2, ... in turn."""
    own: dict[str, Any] = {"bbox": list(BOX), "area": 400, "iscrowd": 0, "segmentation": polygon()}
    return {
        "images": [{"id": k, "file_name": name, "width": SIZE[0], "height": SIZE[1]} for k, name in enumerate(names)],
        "categories": [{"id": k, "name": f"c{k}"} for k in range(1, classes + 1)],
        "annotations": [
            own | {"id": k + 1, "image_id": k, "category_id": 1 + k % classes} | annotation for k in range(len(names))
        ],
    }


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


def coco(folder: Path, count: int = 4, change: Change = lambda content: None, **pictures: Any) -> Path:
    """annotations/instances_{train,val}.json and images/, every picture another."""
    for first, split in ((0, "train"), (count, "val")):
        content = listing([f"{split}{k}.png" for k in range(count)])
        for k, image in enumerate(content["images"]):
            save(picture(40 + first + k), folder / "images" / image["file_name"], **pictures)
        change(content)
        write(folder / "annotations" / f"instances_{split}.json", content)
    return folder


def cvat(folder: Path) -> None:
    names = [f"{k}.jpg" for k in range(10)]
    write(folder / "annotations/instances_default.json", listing(names))
    _pictures(folder / "images/default", names)


def roboflow(folder: Path) -> None:
    for first, split in ((0, "train"), (10, "valid"), (20, "test")):
        names = [f"{k}_png.rf.abc.jpg" for k in range(10)]
        content = listing(names)
        # its first category is the set's own name, and no object is of it
        content["categories"] = [
            {"id": 0, "name": "things", "supercategory": "none"},
            *({**each, "supercategory": "things"} for each in content["categories"]),
        ]
        write(folder / split / "_annotations.coco.json", content)
        _pictures(folder / split, names, first)


def label_studio(folder: Path) -> None:
    names = [f"{k:08x}-{k}.jpg" for k in range(10)]
    write(folder / "result.json", listing([f"images\\{name}" for name in names]))
    _pictures(folder / "images", names)


def blenderproc(folder: Path) -> None:
    names = [f"{k:06d}.jpg" for k in range(10)]
    content = listing([f"images/{name}" for name in names])
    content["categories"] = [{"id": k, "name": k, "supercategory": "coco_annotations"} for k in (1, 2)]
    write(folder / "coco_annotations.json", content)
    _pictures(folder / "images", names)


def another_machine(folder: Path) -> None:
    """Paths with a drive and folders below the images, of which two hold pictures of one name."""
    names = [f"{part}/{k}.jpg" for part in ("left", "right") for k in range(5)]
    write(folder / "annotations.json", listing([f"C:\\data\\{name}".replace("/", "\\") for name in names]))
    _pictures(folder / "images", names)


def yolo(folder: Path) -> None:
    names = [f"{k}.jpg" for k in range(10)]
    _pictures(folder / "images", names)
    write(folder / "classes.txt", "c1\nc2\n")
    for k in range(10):
        write(folder / "labels" / f"{k}.txt", _yolo_line(k % 2))


def yolo_in_splits(folder: Path) -> None:
    write(folder / "data.yaml", "names: {0: c1, 1: c2}\ntrain: ../train/images\n")
    for first, split in ((0, "train"), (10, "valid")):
        names = [f"{k}.jpg" for k in range(10)]
        _pictures(folder / split / "images", names, first)
        for k in range(10):
            write(folder / split / "labels" / f"{k}.txt", _yolo_line(k % 2))


def _yolo_line(number: int) -> str:
    x, y, width, height = BOX
    shares = (x + width / 2) / SIZE[0], (y + height / 2) / SIZE[1], width / SIZE[0], height / SIZE[1]
    return f"{number} {' '.join(map(str, shares))}\n"


def _pictures(folder: Path, names: Sequence[str], first: int = 0) -> None:
    for k, name in enumerate(names):
        save(picture(40 + first + k), folder / name)


def class_folders(folder: Path, splits: Sequence[str] = ("train", "test"), count: int = 4) -> Path:
    """SPLIT/{cat,dog}/*.png, every picture another."""
    shade = 20
    for split in splits:
        for name in ("cat", "dog"):
            for k in range(count):
                shade += 1
                save(picture(shade), folder / split / name / f"{k}.png")
    return folder


def maps(folder: Path, number: int = 1, splits: Sequence[str] = ("train", "val"), count: int = 4) -> Path:
    """images/SPLIT/*.png and annotations/SPLIT/*.png, in which the square is of class `number`."""
    shade = 20
    for split in splits:
        for k in range(count):
            shade += 1
            save(picture(shade), folder / "images" / split / f"{k}.png")
            save(Image.fromarray(class_map(number)), folder / "annotations" / split / f"{k}.png")
    return folder


def class_map(number: int) -> np.ndarray:
    values = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    x, y, width, height = BOX
    values[y : y + height, x : x + width] = number
    return values
