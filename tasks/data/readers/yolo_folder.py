"""YOLO's text labels as a COCO list: a line an object, its class and then shares of the image.

`class x y width height` with the box's middle, or `class x y x y x y ...` of an outline. The text of images/**/NAME.jpg
is labels/**/NAME.txt, or NAME.txt beside it. Names are those of data.yaml, another YAML file with `names`, classes.txt
or obj.names, in the folder. An image without a text has no object.
"""

import math
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tasks.base import TaskError
from tasks.data.readers.coco_folder import CocoFolder
from tasks.data.readers.coco_list import CocoImage, CocoList, Listed
from tasks.data.readers.files import SplitName, photographs_among, split_of, suffix_of, walk
from tasks.data.readers.images import size_of

_NAME_FILES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names", "data/obj.names")
_IMAGES, _LABELS = "images", "labels"
# a share a little beyond the image is a rounding
_MOST_SHARE, _LEAST_SHARE = 1.01, -0.01


def read_folder(root: Path) -> CocoFolder:
    """All images of a folder by their split. Raises FileNotFoundError where there is none, TaskError for a bad text."""
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder; a YOLO folder holds images/ and labels/")
    files = walk(root)
    there, names = set(files), _names(root, files)
    of_split: dict[SplitName | None, list[CocoImage]] = {}
    texts = 0
    for file in photographs_among(files):
        text = next((name for name in _texts_of(file) if name in there), None)
        texts += text is not None
        split = next((found for part in PurePosixPath(file).parts[:-1] if (found := split_of(part))), None)
        images = of_split.setdefault(split, [])
        size = size_of(root / file)
        objects = () if text is None else _objects(root / text, size, len(names))
        images.append(CocoImage({"id": len(images), "file_name": file}, objects, file=file, size=size))
    if not texts:
        raise FileNotFoundError(
            f"{root} has no image with a text of its labels; add labels/NAME.txt for images/NAME.jpg"
        )
    categories = tuple({"id": number, "name": name} for number, name in enumerate(names))
    lines = []
    if len(of_split) > 1 and None in of_split:
        lines.append(f"{root}: {len(of_split.pop(None)):,} images lie in no split's folder and are left out")
    lists = {split: CocoList(root, categories, tuple(images)) for split, images in of_split.items()}
    return CocoFolder(lists, tuple(lines))


def _texts_of(file: str) -> tuple[str, ...]:
    """Where the labels of an image may be."""
    path = PurePosixPath(file).with_suffix(".txt")
    parts = list(path.parts)
    found = [str(path)]
    for place in (k for k, part in enumerate(parts[:-1]) if part == _IMAGES):
        found.insert(0, str(PurePosixPath(*parts[:place], _LABELS, *parts[place + 1 :])))
    return tuple(found)


def _names(root: Path, files: list[str]) -> tuple[str, ...]:
    others = [file for file in files if "/" not in file and suffix_of(file) in (".yaml", ".yml")]
    for name in (*_NAME_FILES, *others):
        file = root / name
        if not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8-sig")
            found = _of_yaml(yaml.safe_load(text)) if file.suffix in (".yaml", ".yml") else text.split("\n")
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise TaskError(f"{file} cannot be read ({' '.join(str(error).split())}); mend it") from error
        names = tuple(line.strip() for line in found if line.strip())
        if names:
            return names
    raise FileNotFoundError(f"{root} names no classes; add a data.yaml with names, or a classes.txt with a name a line")


def _of_yaml(content: Any) -> list[str]:
    told = content.get("names") if isinstance(content, dict) else None
    if isinstance(told, dict):
        told = [told[key] for key in sorted(told)]
    return [str(name) for name in told] if isinstance(told, list) else []


def _objects(file: Path, size: tuple[int, int], classes: int) -> tuple[Listed, ...]:
    found = []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise TaskError(f"{file} cannot be read ({error}); mend it") from error
    for number, line in enumerate(filter(str.strip, lines), start=1):
        try:
            first, *rest = line.split()
            shares, kind = [float(each) for each in rest], int(first)
        except ValueError:
            raise _not_yolo(file, number, "is no class number and shares of the image") from None
        if not 0 <= kind < classes:
            raise _not_yolo(file, number, f"has class {kind}, and {classes} are named")
        if not all(math.isfinite(each) and _LEAST_SHARE <= each <= _MOST_SHARE for each in shares):
            raise _not_yolo(file, number, "has numbers that are no shares of the image, 0 to 1")
        found.append((kind, _annotation(file, number, shares, size)))
    return tuple(found)


def _annotation(file: Path, number: int, shares: list[float], size: tuple[int, int]) -> dict[str, Any]:
    width, height = size
    if len(shares) in (4, 5):
        # a fifth is a detector's confidence
        x, y, wide, high = shares[:4]
        box = [(x - wide / 2) * width, (y - high / 2) * height, wide * width, high * height]
        return {"id": f"{file.name}:{number}", "bbox": box}
    if len(shares) < 6 or len(shares) % 2:
        raise _not_yolo(file, number, f"has {len(shares)} shares; give x, y, width, height, or x, y of each corner")
    outline = [each * size[k % 2] for k, each in enumerate(shares)]
    left, top = min(outline[0::2]), min(outline[1::2])
    box = [left, top, max(outline[0::2]) - left, max(outline[1::2]) - top]
    return {"id": f"{file.name}:{number}", "bbox": box, "segmentation": [outline]}


def _not_yolo(file: Path, number: int, what: str) -> TaskError:
    return TaskError(f"{file}, line {number}: it {what}; mend it or write it again")
