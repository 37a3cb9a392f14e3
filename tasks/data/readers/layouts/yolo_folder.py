"""YOLO's text labels as a COCO list: a line an object, its class and then shares of the image.

`class x y width height` with the box's middle, or `class x y x y x y ...` of an outline. The text of images/**/NAME.jpg
is labels/**/NAME.txt, or NAME.txt beside it. Names are those of data.yaml, another YAML file with `names`, classes.txt
or obj.names, in the folder. Splits are those that data.yaml or obj.data declares, else those of folders. With a
`kpt_shape` in the YAML file keypoints follow the box, which are not read. An image without a text has no object.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.base import TaskError
from tasks.data.readers.coco_folder import CocoFolder
from tasks.data.readers.coco_list import CocoImage, CocoList, Listed, classes_of
from tasks.data.readers.files import SplitName, photographs_among, split_of, suffix_of, walk
from tasks.data.readers.images import size_of
from tasks.data.readers.layouts.yolo_splits import declared_splits, read_text, read_yaml
from tasks.data.readers.pictures import same_bytes

_NAME_FILES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names", "data/obj.names")
_IMAGES, _LABELS = "images", "labels"
# a share a little beyond the image is a rounding
_MOST_SHARE, _LEAST_SHARE = 1.01, -0.01
_BOX = 4


@dataclass(frozen=True)
class _Told:
    """What the folder says of its labels: the class number of each id, and how many numbers of keypoints follow a box.

    shape: `kpt_shape`, how many keypoints of how many numbers each; empty where there are none.
    """

    number_of: dict[int, int]
    shape: tuple[int, ...] = ()


def read_folder(root: Path) -> CocoFolder:
    """All images of a folder by their split. Raises FileNotFoundError where there is none, TaskError for a bad text."""
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder; a YOLO folder holds images/ and labels/")
    files = walk(root)
    there, (names, shape) = set(files), _names(root, files)
    declared, said = declared_splits(root, files)
    number_of, classes, lines = classes_of(root, names)
    told = _Told(number_of, shape)
    lines += said
    if shape:
        lines.append(f"{root}: the keypoints of its labels (kpt_shape {list(shape)}) are not read; their boxes are")
    of_split: dict[SplitName | None, list[CocoImage]] = {}
    without = set[str]()
    for file in photographs_among(files):
        text = next((name for name in _texts_of(file) if name in there), None)
        split = declared.get(file) if declared else _split_by_folder(file)
        size = size_of(root / file)
        objects = () if text is None else _objects(root / text, size, told)
        without |= {file} if text is None else set()
        images = of_split.setdefault(split, [])
        images.append(CocoImage({"id": len(images), "file_name": file}, objects, file=file, size=size))
    if all(image.file in without for images in of_split.values() for image in images):
        raise FileNotFoundError(
            f"{root} has no image with a text of its labels; add labels/NAME.txt for images/NAME.jpg"
        )
    if len(of_split) > 1 and None in of_split:
        lines.append(f"{root}: {len(of_split.pop(None)):,} images are of no split and are left out")
    _check_poses(root, [image for images in of_split.values() for image in images])
    categories = tuple({"id": number, "name": name} for number, name in enumerate(classes))
    lists = {}
    for split, images in of_split.items():
        kept, said = _without_copies(root, split, images, without)
        lines += said + _unlabelled_in_words(root, split, kept, without)
        lists[split] = CocoList(root, categories, tuple(kept), convention="yolo")
    return CocoFolder(lists, tuple(lines))


def _split_by_folder(file: str) -> SplitName | None:
    return next((found for part in PurePosixPath(file).parts[:-1] if (found := split_of(part))), None)


def _without_copies(
    root: Path, split: SplitName | None, images: list[CocoImage], without: set[str]
) -> tuple[list[CocoImage], list[str]]:
    """A split's images less copies with the same labels or without a text, as of a zip that was unpacked twice."""
    by_file = {image.file: image for image in images}
    gone, others = dict[str, str](), 0
    for group in same_bytes(root, list(by_file)):
        first, *copies = sorted(group, key=lambda file: (file in without, file.count("/"), file))
        same = [file for file in copies if file in without or _labels(by_file[file]) == _labels(by_file[first])]
        gone |= dict.fromkeys(same, first)
        others += len(copies) - len(same)
    lines, where = [], f"{root}: {split}" if split else str(root)
    if gone:
        copy, first = next(iter(gone.items()))
        lines.append(
            f"{where}: {len(gone):,} of {len(images):,} pictures are copies of others, byte by byte and with no other"
            f" labels, and are left out ({copy} is {first})"
        )
    if others:
        lines.append(f"{where}: {others:,} pictures are copies of others, byte by byte, with other labels; all count")
    return [image for image in images if image.file not in gone], lines


def _labels(image: CocoImage) -> list[Any]:
    return sorted((number, each["bbox"], each.get("segmentation", [])) for number, each in image.objects)


def _unlabelled_in_words(
    root: Path, split: SplitName | None, images: Sequence[CocoImage], without: set[str]
) -> list[str]:
    absent = sum(image.file in without for image in images)
    empty = sum(not image.objects for image in images) - absent
    if not absent:
        return []
    where, beside = f"{root}: {split}" if split else str(root), f" ({empty:,} have an empty one)" if empty else ""
    return [
        f"{where}: {absent:,} of {len(images):,} pictures have no label file{beside} and count as pictures without an"
        " object"
    ]


def _texts_of(file: str) -> tuple[str, ...]:
    """Where the labels of an image may be."""
    path = PurePosixPath(file).with_suffix(".txt")
    parts = list(path.parts)
    found = [str(path)]
    for place in (k for k, part in enumerate(parts[:-1]) if part == _IMAGES):
        found.insert(0, str(PurePosixPath(*parts[:place], _LABELS, *parts[place + 1 :])))
    return tuple(found)


def _names(root: Path, files: list[str]) -> tuple[dict[int, str], tuple[int, ...]]:
    """The name of each class id that has one, and what is said of keypoints."""
    others = [file for file in files if "/" not in file and suffix_of(file) in (".yaml", ".yml")]
    shape: tuple[int, ...] = ()
    for name in (*_NAME_FILES, *others):
        file = root / name
        if not file.is_file():
            continue
        content = read_yaml(file) if suffix_of(name) in (".yaml", ".yml") else {"names": read_text(file).split("\n")}
        if not isinstance(content, dict):
            continue
        shape = shape or _shape(file, content.get("kpt_shape"))
        names = _by_id(file, content.get("names"))
        if names:
            return names, shape
    raise FileNotFoundError(f"{root} names no classes; add a data.yaml with names, or a classes.txt with a name a line")


def _by_id(file: Path, told: Any) -> dict[int, str]:
    """Names by their ids, which a list gives by its places; an id may have none."""
    pairs = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    found = {}
    for key, name in pairs:
        try:
            number = int(str(key))
        except ValueError:
            raise TaskError(f"{file}: names has the key {key!r}, which is no class number; give 0, 1, ...") from None
        if name is not None and str(name).strip():
            found[number] = str(name).strip()
    return dict(sorted(found.items()))


def _shape(file: Path, told: Any) -> tuple[int, ...]:
    if told is None:
        return ()
    if not isinstance(told, list) or len(told) != 2 or not all(type(each) is int and each > 0 for each in told):
        raise TaskError(f"{file}: kpt_shape is {told!r}; give how many keypoints and how many numbers each: [17, 3]")
    return tuple(told)


def _objects(file: Path, size: tuple[int, int], told: _Told) -> tuple[Listed, ...]:
    found = []
    for number, line in enumerate(filter(str.strip, read_text(file).splitlines()), start=1):
        try:
            first, *rest = line.split()
            shares, kind = [float(each) for each in rest], int(first)
        except ValueError:
            raise _not_yolo(file, number, "is no class number and shares of the image") from None
        if kind not in told.number_of:
            raise _not_yolo(file, number, f"has class {kind}, {_named(told.number_of)}")
        found.append((told.number_of[kind], _annotation(file, number, _shares(file, number, shares, told), size)))
    return tuple(found)


def _named(known: dict[int, int]) -> str:
    if list(known) == list(range(len(known))):
        return f"and {len(known)} are named"
    return f"which has no name; {', '.join(map(str, known))} have one"


def _shares(file: Path, number: int, shares: list[float], told: _Told) -> list[float]:
    """What a line says of its box or outline; TaskError where it says something else."""
    if told.shape:
        wanted = _BOX + math.prod(told.shape)
        if len(shares) not in (_BOX, wanted) or not all(map(math.isfinite, shares)):
            what = f"{wanted} for kpt_shape {list(told.shape)}: x, y, width, height and the keypoints"
            raise _not_yolo(file, number, f"has {len(shares)} numbers, not {what}")
        shares = shares[:_BOX]
    if not all(math.isfinite(each) and _LEAST_SHARE <= each <= _MOST_SHARE for each in shares):
        like = f" ({_POSE})" if _is_pose(shares) else ""
        raise _not_yolo(file, number, f"has numbers that are no shares of the image, 0 to 1{like}")
    return shares


_POSE = "it looks like a box and keypoints; then data.yaml needs their kpt_shape"


def _is_pose(shares: Sequence[float]) -> bool:
    """Whether these may be x, y, width, height of a box and then x, y, visibility of keypoints in or near it."""
    if len(shares) < _BOX + 3 or (len(shares) - _BOX) % 3:
        return False
    x, y, width, height = shares[:_BOX]
    points = [shares[k : k + 3] for k in range(_BOX, len(shares), 3)]
    near = all(abs(px - x) <= width and abs(py - y) <= height for px, py, seen in points if seen)
    return near and all(seen in (0, 1, 2) for *_, seen in points)


def _check_poses(root: Path, images: Sequence[CocoImage]) -> None:
    """TaskError where all that was read as outlines looks like keypoints behind a box."""
    outlines = [each for image in images for _, each in image.objects if "segmentation" in each]
    if outlines and all(each["is_pose"] for each in outlines) and len({each["count"] for each in outlines}) == 1:
        raise TaskError(
            f"{root}: its {len(outlines):,} outlines look like a box and keypoints of x, y and visibility each; give"
            f" kpt_shape: [{(outlines[0]['count'] - _BOX) // 3}, 3] in data.yaml where they are"
        )


def _annotation(file: Path, number: int, shares: list[float], size: tuple[int, int]) -> dict[str, Any]:
    width, height = size
    if len(shares) in (_BOX, _BOX + 1):
        # a fifth is a detector's confidence
        x, y, wide, high = shares[:_BOX]
        box = [(x - wide / 2) * width, (y - high / 2) * height, wide * width, high * height]
        return {"id": f"{file.name}:{number}", "bbox": box}
    if len(shares) < 6 or len(shares) % 2:
        like = f" ({_POSE})" if _is_pose(shares) else ""
        raise _not_yolo(
            file, number, f"has {len(shares)} shares{like}; give x, y, width, height, or x, y of each corner"
        )
    outline = [each * size[k % 2] for k, each in enumerate(shares)]
    left, top = min(outline[0::2]), min(outline[1::2])
    box = [left, top, max(outline[0::2]) - left, max(outline[1::2]) - top]
    facts = {"is_pose": _is_pose(shares), "count": len(shares)}
    return {"id": f"{file.name}:{number}", "bbox": box, "segmentation": [outline]} | facts


def _not_yolo(file: Path, number: int, what: str) -> TaskError:
    return TaskError(f"{file}, line {number}: it {what}; mend it or write it again")
