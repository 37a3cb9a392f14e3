"""Are the folders of a set its classes? Those of modalities, of batches and of a second copy are not."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tasks.base import TaskError
from tasks.data.readers.files import SplitName, folders_in

OfSplit = Mapping[SplitName | None, Mapping[str, Sequence[str]]]

# What renderers call the folders of their outputs, without numbers and signs.
_COLOURS = "rgb|rgba|images|jpegimages|beauty|combined|color|colour|colors|colours|image"
_SEGMENTS = "(semantic|instance|instanceid|panoptic|class|object)?(segmentation|segmentations|seg|masks|mask)"
_MAPS = f"{_SEGMENTS}|semantic|semantics|instances|instance|segmentationclass|segmentationobject|annotations|labels"
_OTHERS = (
    "depths?|depthmaps?|disparity|distanceto(camera|imageplane)|normals?|(surface|world)normals?|albedo|diffuse|specular"
    "|roughness|opticalflow|motionvectors?|(forward|backward)flow|occlusion|boundingbox(es)?(d(tight|loose)?)?|bbox(es)?"
    "|cameraparams?|cryptomatte|objectcoordinates|nocs|pointcloud"
)
_MODALITY = re.compile(f"{_COLOURS}|{_MAPS}|{_OTHERS}")
# of these, what may well be a class: a normal X-ray, a face with a mask
_MAY_BE_A_CLASS = frozenset({"normal", "mask", "color", "colour", "image", "instance", "object", "class", "diffuse"})
_NAMES_SHOWN = 5


def check_levels(root: Path, of_split: OfSplit) -> list[str]:
    """Lines on class folders that may be none; `of_split`: the photographs of each class, below `root`.

    Raises TaskError where they are modalities, a level above the classes, or a set of the classes once more.
    """
    lines: list[str] = []
    _check_numbers(root, of_split)
    for split, of_class in of_split.items():
        top = root if split is None else _folder(root, of_class)
        lines += _check_modalities(top, of_class)
        below = {name: _below(top, name, files) for name, files in of_class.items()}
        _check_wrapper(top, of_class, below)
        _check_copies(top, below)
        _check_level(top, below)
        lines += _deeper_in_words(top, below)
    return list(dict.fromkeys(lines))


def counts_in_words(counts: Mapping[str, int]) -> str:
    """How many classes there are, the first of them by name with their images."""
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:_NAMES_SHOWN])
    more = f", and {len(counts) - _NAMES_SHOWN:,} more" if len(counts) > _NAMES_SHOWN else ""
    return f"{len(counts):,} {'class' if len(counts) == 1 else 'classes'}: {shown}{more}"


def _folder(root: Path, of_class: Mapping[str, Sequence[str]]) -> Path:
    """The folder of a split, by one of its photographs."""
    first = next((file for files in of_class.values() for file in files), "")
    return root / PurePosixPath(first).parts[0] if first else root


def _below(top: Path, name: str, files: Iterable[str]) -> list[tuple[str, ...]]:
    """The folders that each photograph of a class lies in, below the folder of the class."""
    return [parts[parts.index(name) + 1 : -1] for parts in (PurePosixPath(file).parts for file in files)]


def _bare(name: str) -> str:
    return re.sub(r"[\W\d_]+", "", name.lower())


def _check_modalities(top: Path, of_class: Mapping[str, Sequence[str]]) -> list[str]:
    """A line where one class is called as an output of a renderer; TaskError where several are."""
    found = [name for name in of_class if _MODALITY.fullmatch(_bare(name))]
    sure = [name for name in found if _bare(name) not in _MAY_BE_A_CLASS]
    if not sure:
        return []
    if len(found) == 1:
        others = len(of_class) > 1
        return [f"{top}: the folder {found[0]} is a class by its place; is it an output of a renderer?"] * others
    raise TaskError(
        f"{top}: the folders {first_of(found)} are outputs of a renderer by their names, and no classes{_layout(found)}"
    )


def _layout(found: Sequence[str]) -> str:
    """What to do with outputs of a renderer."""
    images = next((name for name in found if re.fullmatch(_COLOURS, _bare(name))), None)
    maps = next((name for name in found if re.fullmatch(_MAPS, _bare(name))), None)
    if images is None or maps is None:
        return "; give class folders CLASS/FILE, or the pictures with a COCO list"
    if images in ("images", "JPEGImages") and maps in ("masks", "annotations", "SegmentationClass"):
        return "; kind masks reads them"
    return (
        f"; for the layout of masks call {images}/ images/ and {maps}/ masks/, with a map of class numbers of the name"
        " of each picture (docs/reference/datasets.md)"
    )


def _check_numbers(root: Path, of_split: OfSplit) -> None:
    """TaskError where every class has one picture, as where a folder is a picture's with all that belongs to it."""
    counts = Counter[str]()
    for of_class in of_split.values():
        counts.update({name: len(files) for name, files in of_class.items()})
    if len(counts) > 1 and set(counts.values()) == {1}:
        names = first_of(sorted(counts))
        raise TaskError(
            f"{root}: each of its {len(counts):,} class folders ({names}) holds one picture; are they classes?"
        )


def _check_wrapper(
    top: Path, of_class: Mapping[str, Sequence[str]], below: Mapping[str, list[tuple[str, ...]]]
) -> None:
    """TaskError where the only class is a folder around others, or the pictures of a YOLO folder."""
    if len(of_class) != 1:
        return
    ((name, inner),) = below.items()
    if _bare(name) == "images" and "labels" in folders_in(top):
        raise TaskError(
            f"{top} has images/ beside labels/, which is YOLO's layout, and no folders of classes; kind yolo reads it"
        )
    names = sorted({parts[0] for parts in inner if parts})
    if len(names) > 1 and all(inner) and not all(each.isdigit() for each in names):
        raise TaskError(
            f"{top} has one folder, {name}, around others ({first_of(names)}); where those are the classes, give"
            f" {top / name}"
        )


def _check_copies(top: Path, below: Mapping[str, list[tuple[str, ...]]]) -> None:
    """TaskError where all pictures of a class lie in folders that are called as other classes."""
    for name, inner in below.items():
        others = {other.casefold() for other in below if other != name}
        if inner and all(any(part.casefold() in others for part in parts) for parts in inner):
            names = sorted({part for parts in inner for part in parts if part.casefold() in others})
            raise TaskError(
                f"{top}: all pictures of {name} lie in folders called as other classes ({first_of(names)}); is it the"
                " set once more? Move it away, or its pictures into the folders of their classes"
            )


def _check_level(top: Path, below: Mapping[str, list[tuple[str, ...]]]) -> None:
    """TaskError where classes have sub-folders of the same names: those may be the classes."""
    deep = {name: _told(name, inner) for name, inner in below.items() if inner and all(inner)}
    alike = []
    for name, inner in deep.items():
        others = {part for other, parts in deep.items() if other != name for part in parts}
        shared = inner & others
        if len(shared) > 1 and 2 * len(shared) >= len(inner):
            alike.append(name)
    if len(alike) > 1 and 2 * len(alike) >= len(below):
        shared = set.intersection(*(deep[name] for name in alike)) or deep[alike[0]]
        raise TaskError(
            f"{top}: the folders {first_of(alike)} have sub-folders of the same names ({first_of(sorted(shared))});"
            " where those are the classes or splits, put them first, as SPLIT/CLASS/FILE; else put all pictures right"
            " into the folder of their class"
        )


def _deeper_in_words(top: Path, below: Mapping[str, list[tuple[str, ...]]]) -> list[str]:
    """A line where every class has several named folders and no picture beside them: those may be the classes."""
    deep = {name: _told(name, inner) for name, inner in below.items() if inner and all(inner)}
    if len(below) < 2 or len(deep) < len(below) or any(len(names) < 2 for names in deep.values()):
        return []
    inner = sorted({part for names in deep.values() for part in names})
    return [
        f"{top}: its classes are {first_of(sorted(below))}, by the upper folders; where those below ({first_of(inner)})"
        " are the classes, move them up"
    ]


def _told(name: str, inner: Iterable[tuple[str, ...]]) -> set[str]:
    """The names of a class's sub-folders; numbers only number pictures, but below a folder that is numbered itself."""
    names = {part.casefold() for parts in inner for part in parts}
    return names if name[-1:].isdigit() else {each for each in names if not each.isdigit()}


def first_of(names: Sequence[str]) -> str:
    """The first of these names, in words."""
    return ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
