"""Which files of a folder count: by split, by class, beside their maps. Hidden ones do nowhere, others by ending."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from tasks.base import TaskError

SplitName = Literal["train", "test", "val"]

PHOTOGRAPHS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
# what keeps every number of a map; the others are known as images and lose some
_LOSSLESS = frozenset({".png", ".bmp", ".tif", ".tiff", ".gif"})
_LOSSY = frozenset({".jpg", ".jpeg", ".webp"})
# what macOS and Synology leave in folders, besides names that begin with a dot
_OTHERS = frozenset({"__MACOSX", "@eaDir"})
_SPLITS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation"),
}
# of a word of a list's name that begins with a split: training, valid, testset, trainval
_ENDINGS = "(ing|id|idation|set|split|data|val)?"
# where VOC and CVAT list the images of each split
_LISTS = "ImageSets/Segmentation"
# where photographs lie beside their maps, and where the maps do
_IMAGE_FOLDERS, MAP_SUFFIX = ("images", "JPEGImages"), "_mask"


def counts(name: str) -> bool:
    """Whether a file or folder of this name is the user's and no other program's."""
    return not name.startswith(".") and name not in _OTHERS


def split_of(name: str) -> SplitName | None:
    """The split that a folder of this name is of; a year behind it says nothing."""
    bare = re.sub(r"[-_]?\d*$", "", name.lower())
    return next((split for split, words in _SPLITS.items() if bare in words), None)


def split_in(path: str) -> SplitName | None:
    """The split that a list's path tells, by its name or else the nearest of its folders: instances_train2017.json."""
    *folders, name = PurePosixPath(path).parts
    words = re.findall("[a-z]+", PurePosixPath(name).stem.lower())
    of_name = [split for word in words for split in _SPLITS if re.fullmatch(rf"(mini)?{split}{_ENDINGS}", word)]
    of_folder = [split for folder in reversed(folders) if (split := split_of(folder))]
    return next(iter(of_name or of_folder), None)


def walk(root: Path) -> list[str]:
    """All files below a folder that count, as paths below it with slashes, in order."""
    found, seen = [], set()
    for folder, folders, names in os.walk(root, followlinks=True):
        facts = os.stat(folder)
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(filter(counts, folders))
        below = os.path.relpath(folder, root)
        found += [name if below == "." else f"{below}/{name}" for name in names if counts(name)]
    return sorted(found)


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder that count, in order; TaskError where it is none."""
    if not folder.is_dir():
        raise TaskError(f"{folder} is not a folder; the images are looked for in it")
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and counts(path.name))


def suffix_of(file: str) -> str:
    """The ending of a file's name, in small letters."""
    return PurePosixPath(file).suffix.lower()


def photographs_among(files: Iterable[str]) -> list[str]:
    """Those that are photographs by their ending."""
    return [file for file in files if suffix_of(file) in PHOTOGRAPHS]


def left_out(where: str, files: Iterable[str]) -> list[str]:
    """A line that says how many of these files are no photographs by their ending, or none where all are."""
    endings = Counter(suffix_of(file) or "without an ending" for file in files if suffix_of(file) not in PHOTOGRAPHS)
    if not endings:
        return []
    kinds = ", ".join(f"{count:,} {ending}" for ending, count in sorted(endings.items()))
    return [f"{where}: {sum(endings.values()):,} files are left out, which are no images by their endings: {kinds}"]


def class_files(root: Path) -> tuple[dict[SplitName | None, dict[str, list[str]]], list[str]]:
    """Photographs below `root` by split and class, and lines to tell.

    They are SPLIT/CLASS/**/FILE, or CLASS/**/FILE of no split. A class without any is none, which is told.
    """
    tops = folders_in(root)
    splits = {name: split_of(name) for name in tops}
    known = [name for name in tops if splits[name]]
    found: dict[SplitName | None, dict[str, list[str]]] = {}
    lines: list[str] = []
    every: list[str] = []
    for top in known or ["."]:
        where = root if top == "." else root / top
        if known and (others := [name for name in tops if name not in known]):
            _check_class_called_split(root, top, others)
            lines += [f"{root}: {', '.join(others)} lie beside the splits and are left out"] if top == known[0] else []
        of_class = found.setdefault(splits.get(top), {})
        for name in folders_in(where):
            below = name if top == "." else f"{top}/{name}"
            files = walk(root / below)
            every += files
            shown = [f"{below}/{file}" for file in photographs_among(files)]
            if shown:
                of_class.setdefault(name, []).extend(shown)
            else:
                lines.append(f"{root / below} holds no image; it is no class")
    return found, lines + left_out(str(root), every)


def _check_class_called_split(root: Path, top: str, others: Sequence[str]) -> None:
    """TaskError where a folder that is called as a split may be a class beside others: bus, car, train."""
    if any("/" in file for file in photographs_among(walk(root / top))):
        return
    if beside := [name for name in others if photographs_among(walk(root / name))]:
        raise TaskError(
            f"{root}: {top}/ is taken for a split by its name, and {', '.join(beside[:3])} lie beside it; where {top}"
            f" is a class, put all classes into {root / 'train'}/CLASS/FILE"
        )


def map_files(root: Path, maps: Sequence[str]) -> tuple[dict[SplitName | None, list[tuple[str, str]]], list[str]]:
    """Photographs with their maps, by split, below `root`, and lines to tell.

    images/[SPLIT/]**/NAME.* beside one of the folders `maps`, with the same path in it; or SPLIT/NAME.jpg with
    NAME_mask.png, as Roboflow writes them. Raises TaskError naming a photograph without a map, two of one name, or a
    map that a lossy format has changed; FileNotFoundError where there is nothing of the kind.
    """
    there, listed = [name for name in _IMAGE_FOLDERS if (root / name).is_dir()], _listed_splits(root)
    if there:
        folder = next((name for name in maps if (root / name).is_dir()), maps[0])
        images, labels = walk(root / there[0]), walk(root / folder)
        lines, shown = left_out(str(root / there[0]), images), photographs_among(images)
        if listed and (others := [file for file in shown if _path(file) not in listed]):
            lines.append(f"{root}: {len(others):,} images are in no list of {_LISTS} and are left out")
            shown = [file for file in shown if _path(file) in listed]
        pairs = _paired(root, (there[0], shown), (folder, labels))
    else:
        files = walk(root)
        labels = [file for file in files if PurePosixPath(file).stem.endswith(MAP_SUFFIX)]
        beside = [file for file in photographs_among(files) if file not in set(labels)]
        if not labels:
            raise FileNotFoundError(
                f"{root} has no images/ folder, and no NAME{MAP_SUFFIX}.png beside NAME.jpg; images belong at "
                f"{root}/images/train/NAME.jpg and their maps at {root}/{maps[0]}/train/NAME.png"
            )
        lines, pairs = [], _paired(root, ("", beside), ("", labels))
    found: dict[SplitName | None, list[tuple[str, str]]] = {}
    for image, label in pairs:
        # the first folder below that of all images, or of the set, where it is a split's
        inner = PurePosixPath(image).relative_to(there[0] if there else ".").parts
        split = split_of(inner[0]) if len(inner) > 1 else None
        found.setdefault(split or listed.get(_path("/".join(inner))), []).append((image, label))
    if len(found) > 1 and None in found:
        lines.append(f"{root}: {len(found.pop(None)):,} images are of no split and are left out")
    return found, lines


def _listed_splits(root: Path) -> dict[str, SplitName]:
    """Which split an image is of, by its path without ending, as VOC's ImageSets/Segmentation/SPLIT.txt says."""
    found: dict[str, SplitName] = {}
    for file in sorted((root / _LISTS).glob("*.txt")):
        split = split_of(file.stem)
        for name in file.read_text(encoding="utf-8-sig").split("\n") if split else ():
            if split and name.strip():
                found[name.strip()] = split
    return found


def _paired(root: Path, images: tuple[str, list[str]], maps: tuple[str, list[str]]) -> list[tuple[str, str]]:
    """Each image with the map of its path, both below `root`; of each the folder and the files in it."""
    (shown, files), (folder, labels) = images, maps
    of_path: dict[str, list[str]] = {}
    for label in labels:
        if suffix_of(label) in _LOSSLESS | _LOSSY:
            of_path.setdefault(_path(label).removesuffix(MAP_SUFFIX if not folder else ""), []).append(label)
    pairs, taken = [], dict[str, str]()
    for image in files:
        path = _path(image)
        if path in taken:
            raise TaskError(f"{root / shown}: {taken[path]} and {image} have one name and one map; rename one of them")
        taken[path] = image
        of_image = of_path.get(path, [])
        if not of_image:
            raise TaskError(f"image {root / shown / image} has no map; add {root / folder / path}.png")
        pairs.append((f"{shown}/{image}" if shown else image, _map_of(root / folder, of_image)))
    return [(image, f"{folder}/{label}" if folder else label) for image, label in pairs]


def _map_of(folder: Path, labels: list[str]) -> str:
    kept = [label for label in labels if suffix_of(label) in _LOSSLESS]
    if len(kept) == 1:
        return kept[0]
    if len(kept) > 1:
        raise TaskError(f"{folder}: {kept[0]} and {kept[1]} are maps of one image; remove one of them")
    raise TaskError(f"map {folder / labels[0]} is of a lossy format, which changes class numbers; write it as PNG")


def _path(file: str) -> str:
    return str(PurePosixPath(file).with_suffix(""))
