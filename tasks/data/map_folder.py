"""Photographs with a map each, in ADE20K's layout: images/[SPLIT/]**/NAME.jpg beside FOLDER/[SPLIT/]**/NAME.png.

FOLDER is `annotations` or `masks` for class numbers (8 bits), `normals` for directions (8-bit RGB, -1 to 1 as 0 to 255,
black = none) and `depth` for millimetres (16 bits, 0 = none).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tasks.base import TaskError
from tasks.data.cache.listing import Found, FoundSet
from tasks.data.cache.split import Decoded, Reader, classes_of_maps
from tasks.data.readers.files import map_files
from tasks.data.readers.images import Colours, class_numbers, colours_of, opened
from tasks.data.readers.splitting import Parting, two_parts
from tasks.data.readers.squares import Fit, label_map, photograph, placement
from tasks.label_forms import FORMS, IGNORED, LabelKind

# a direction shorter than this is none: black, or an average over an edge
_SHORTEST_NORMAL = 0.5


def reader(
    side: int,
    kind: LabelKind = "semantic",
    ignore: int | None = None,
    names: tuple[str, ...] = (),
    fit: Fit = "letterbox",
    *,
    parting: Parting,
    every: bool = False,
) -> Reader:
    """Of ROOT/images/SPLIT/**/NAME.jpg and their maps as squares of `side` px; without test it is val or validation.

    every: a set that has several of these tests on the photographs of all.

    ignore: the class number that does not count, besides 255; those above it move down by one, so that ADE20K's 1 to
    150 with 0 ignored become 0 to 149. names: of the classes; where none are given, every map is read when the set is
    listed, and they are the numbers up to the highest. Listing raises FileNotFoundError for a missing folder, listing
    and decoding TaskError naming a missing map or an unusable file.
    """
    squared_map = partial(_square_map, side=side, kind=kind, ignore=ignore, fit=fit)
    known = Reader(
        side=side,
        kind=kind,
        settings=("maps", side, fit, kind, ignore, names, *(("every",) if every else ())),
        find=partial(_find, maps=_MAPS[kind][0], names=FORMS[kind].outputs or names, parting=parting, every=every),
        files=tuple,
        decode=partial(_decode, side=side, kind=kind, ignore=ignore, fit=fit),
        class_map=squared_map if kind == "semantic" else None,
    )
    return known if known.class_map is None or names else replace(known, find=partial(_find_numbered, known, ignore))


def _find(root: Path, *, maps: tuple[str, ...], names: tuple[str, ...], parting: Parting, every: bool) -> FoundSet:
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder; images belong at {root}/images/train/NAME.jpg")
    of_split, lines = map_files(root, maps)
    if not any(of_split.values()):
        raise FileNotFoundError(f"{root}/images holds no images; they belong at {root}/images/train/NAME.jpg")
    try:
        parts = two_parts(root, of_split, lambda pair: pair[0], parting, every=every)
    except KeyError as error:
        name = str(error.args[0])
        wanted = "images/train/ or images/training/" if name == "train" else "images/test/ or images/val/"
        raise FileNotFoundError(
            f"{root} has no {wanted} folder; images belong at {root}/images/{name}/NAME.jpg"
        ) from None
    found = {split: Found(part, part) for split, part in (("train", parts.train), ("test", parts.test))}
    return FoundSet(found, names, lines=(*lines, *parts.lines))


def _less_ignored(names: tuple[str, ...], ignore: int | None) -> tuple[str, ...]:
    return tuple(name for number, name in enumerate(names) if number != ignore)


def _find_numbered(known: Reader, ignore: int | None, root: Path) -> FoundSet:
    """The set with the classes that a file of colours names, or else that its maps show, by their numbers."""
    found = known.find(root)
    splits = {
        split: replace(each, shown=classes_of_maps(known, root, each.items)) for split, each in found.splits.items()
    }
    if (colours := colours_of(root)) is not None:
        named = _less_ignored(colours.names, ignore)
        return replace(found, splits=splits, class_names=named, lists=(Path(colours.file).name,))
    there = np.any([each.shown.any(axis=0) for each in splits.values() if each.shown is not None], axis=0)
    highest = int(np.flatnonzero(there).max(initial=0))
    return replace(found, splits=splits, class_names=tuple(str(number) for number in range(highest + 1)))


def _decode(root: Path, item: tuple[str, str], *, side: int, kind: LabelKind, ignore: int | None, fit: Fit) -> Decoded:
    image, mapped = (root / file for file in item)
    values = _MAPS[kind][1](mapped, ignore, colours_of(root))
    place = placement((values.shape[1], values.shape[0]), side, fit)
    return photograph(image, place), label_map(values, place, FORMS[kind].outside or 0), place


def _square_map(
    root: Path, item: tuple[str, str], *, side: int, kind: LabelKind, ignore: int | None, fit: Fit
) -> np.ndarray:
    values = _MAPS[kind][1](root / item[1], ignore, colours_of(root))
    return label_map(values, placement((values.shape[1], values.shape[0]), side, fit), FORMS[kind].outside or 0)


def _classes(file: Path, ignore: int | None, colours: Colours | None) -> np.ndarray:
    values = class_numbers(file, colours)
    if ignore is not None:
        left = np.arange(256) - (np.arange(256) > ignore)
        left[[ignore, IGNORED]] = IGNORED
        values = left.astype(np.uint8)[values]
    return values


def _normals(file: Path, ignore: int | None, colours: Colours | None) -> np.ndarray:
    image = opened(file)
    if image.mode != "RGB":
        raise TaskError(f"map {file} is of mode {image.mode}; directions are 8-bit RGB")
    pixels = np.asarray(image)
    directions = pixels.astype(np.float32) / 127.5 - 1
    lengths = np.linalg.norm(directions, axis=-1, keepdims=True)
    there = (lengths >= _SHORTEST_NORMAL) & pixels.any(axis=-1, keepdims=True)
    unit = np.where(there, directions / np.maximum(lengths, _SHORTEST_NORMAL), 0)
    return unit.astype(np.float16)


def _depth(file: Path, ignore: int | None, colours: Colours | None) -> np.ndarray:
    image = opened(file)
    if image.mode not in ("I;16", "I"):
        raise TaskError(f"map {file} is of mode {image.mode}; depth is 16 bits of millimetres")
    return np.asarray(image).astype(np.float32) / 1000


# kind -> what the folder of its maps may be called, and what one of them holds, as large as it is
_MAPS: dict[LabelKind, tuple[tuple[str, ...], Callable[[Path, int | None, Colours | None], np.ndarray]]] = {
    "semantic": (("annotations", "masks", "SegmentationClass"), _classes),
    "normals": (("normals",), _normals),
    "depth": (("depth",), _depth),
}
KINDS = tuple(_MAPS)
