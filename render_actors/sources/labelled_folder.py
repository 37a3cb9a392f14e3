"""Images of a labelled folder as squares, in a seeded order: COCO's lists, YOLO's texts, class folders, class maps.

They are read by the code that reads photographs (tasks/data/readers). Every tenth of them is held out, as validation
images: scenes from FIRST_HELD_OUT_SCENE on. What lies in the folder first comes first: more images only add to them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from render_actors.labels import MOST_NUMBERS, RenderedImage
from render_actors.setting.digests import file_digest
from render_actors.setting.source import Kind, Source
from render_actors.sources.function import Picture, labelled
from tasks.data.readers import coco_folder
from tasks.data.readers.boxes import check_boxes, lies_in
from tasks.data.readers.class_levels import check_levels
from tasks.data.readers.coco_list import CocoImage, CocoList, check_outline
from tasks.data.readers.coco_masks import box_mask, mask_of
from tasks.data.readers.files import class_files, map_files
from tasks.data.readers.images import class_numbers, colours_of, size_of
from tasks.data.readers.layouts import yolo_folder
from tasks.data.readers.layouts.others import check_layout
from tasks.data.readers.squares import Placement, label_map, photograph, placement

if TYPE_CHECKING:
    from render_actors.setting.setting import RenderSetting

FIRST_HELD_OUT_SCENE = 10_000_000
# of so many images in their order one is held out, the second
_HELD_OUT_OF, _HELD_OUT = 10, 1
# what maps of class numbers may lie in, and the number that counts neither way in them
MAP_FOLDERS, _VOID = ("masks", "annotations", "SegmentationClass"), 255
# pictures of one size in px have one size in bytes, whatever they show
_UNCOMPRESSED = (".bmp", ".ppm", ".pgm", ".tga", ".tif", ".tiff")
# endings of files that say what is in a folder
_LISTS = (".json", ".yaml", ".yml", ".txt", ".names")
Order = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One image: its file below the folder, and what its labels are.

    size: width and height in px of what was labelled, None where only opening it tells. labels: a class id, the file of
    a map, or objects as (class id, annotation).
    """

    file: str
    size: tuple[int, int] | None
    labels: Any


@dataclass(frozen=True)
class Contents:
    """What a folder holds: images by their files, class names where it has any, and lines to tell. crowds: left out."""

    entries: dict[str, Entry]
    class_names: tuple[str, ...]
    lines: tuple[str, ...]
    crowds: int = 0


def folder_classes(kind: Kind, folder: Path) -> tuple[str, ...]:
    """Class names that a folder itself gives: COCO's categories by id, YOLO's names, or the names of class folders.

    Raises ValueError where it gives none; of class maps they must be told, where no file says which colour is which.
    """
    names = _contents_of(kind, folder).class_names
    if not names:
        raise ValueError(f"{folder}: gives no class names; list them as class_names")
    return names


def folder_size(source: Source) -> tuple[int, int]:
    """How many images there are to train on, and how many are held out. Raises ValueError for fewer than two."""
    count = len(contents(source).entries)
    if count < 2:
        raise ValueError(f"{source.where}: {count} labelled images of kind {source.kind}; two at least are needed")
    # Whatever the seed: it orders the images that are new, and does not count them.
    training, held_out = _parts(source, 0)
    return len(training), len(held_out)


def scene_of_folder(setting: RenderSetting, seed: int, scene: int) -> list[RenderedImage]:
    """The images number scene * poses_per_scene and on, in the order of the source, else that which the seed gives.

    Past the end the order begins again: the sweep asks for no size that would need that, a last shard may.
    """
    source = setting.source
    assert source is not None
    images = []
    per_scene = setting.poses_per_scene
    for index in range(scene * per_scene, (scene + 1) * per_scene):
        entry = _entry(setting, seed, index)
        picture, place, void = _drawn(source, entry, setting.resolution)
        content = None if place.content == (place.side, place.side) else place.content
        image = labelled(index, picture, picture.class_ids, setting, content)
        if image.semantic is not None:
            image = replace(image, semantic=np.where(void, np.uint8(_VOID), image.semantic))
        images.append(image)
    return images


def images_digest(setting: RenderSetting, seed: int, numbers: Iterable[int]) -> str:
    """Hex digest of the images of these numbers: their files' names and sizes, and their labels to the letter."""
    source, digest = setting.source, hashlib.sha256()
    assert source is not None
    for number in numbers:
        digest.update(_told(source, _entry(setting, seed, number).file).encode())
    return digest.hexdigest()[:32]


def extended(known: Sequence[str], files: Iterable[str], seed: int) -> Order:
    """Those of `known` in that order, then the others of these files by a hash of seed and name.

    A known file that is gone keeps its place, so that no other image moves into it.
    """
    new = set(files).difference(known)
    return (*known, *sorted(new, key=lambda file: hashlib.sha256(f"{seed}\0{file}".encode()).digest()))


def full_order(source: Source, seed: int) -> Order:
    """The files of all images in the order in which they are taken; of those that are gone, too."""
    return extended(source.order, contents(source).entries, seed)


def _entry(setting: RenderSetting, seed: int, number: int) -> Entry:
    """The image of this number, one held out where its scene is one of those."""
    source = setting.source
    assert source is not None
    folder_size(source)
    training, held_out = _parts(source, seed)
    part = held_out if number // setting.poses_per_scene >= FIRST_HELD_OUT_SCENE else training
    # held-out scenes begin at a multiple of the first: its image is the first of them, however many there are
    place = number % (FIRST_HELD_OUT_SCENE * setting.poses_per_scene)
    return contents(source).entries[part[place % len(part)]]


@cache
def _parts(source: Source, seed: int) -> tuple[Order, Order]:
    """The files to train on and those held out, each in its order, of the images that are there."""
    there, parts = contents(source).entries, (list[str](), list[str]())
    for place, file in enumerate(full_order(source, seed)):
        if file in there:
            parts[place % _HELD_OUT_OF == _HELD_OUT].append(file)
    return tuple(parts[0]), tuple(parts[1])


@cache
def _told(source: Source, file: str) -> str:
    """All that tells an image from another: its labels to the letter, and its name and size, or where its format does
    not compress its bytes."""
    folder, entry = Path(source.where), contents(source).entries[file]
    told = file_digest(folder / entry.labels) if source.kind == "masks" else json.dumps(entry.labels, sort_keys=True)
    if source.kind == "masks" and (colours := colours_of(folder)) is not None:
        told += json.dumps(colours.numbers)
    if Path(entry.file).suffix.lower() in _UNCOMPRESSED:
        told += file_digest(folder / entry.file)
    return f"{entry.file}\0{(folder / entry.file).stat().st_size}\0{entry.size}\0{told}\n"


@cache
def contents(source: Source) -> Contents:
    """What the folder of a source holds, read once a process.

    Raises ValueError naming the file where it says what cannot be.
    """
    found = _contents_of(source.kind, Path(source.where))
    if source.kind == "imagefolder":
        return _of_classes(source, found)
    if source.kind == "masks" and found.class_names not in ((), source.class_names):
        raise ValueError(
            f"{source.where}: class_names are others than its file of colours has ({', '.join(found.class_names)});"
            " leave class_names out"
        )
    known = len(found.class_names)
    if known > len(source.class_names):
        raise ValueError(
            f"{source.where}: has {known} categories, class_names lists {len(source.class_names)}; list every one"
        )
    return found


def _of_classes(source: Source, found: Contents) -> Contents:
    """Class folders by the classes that the source names."""
    absent = [name for name in source.class_names if name not in found.class_names]
    if absent:
        raise ValueError(f"{source.where}: has no images of class {absent[0]}; it has {', '.join(found.class_names)}")
    number = {found.class_names.index(name): k for k, name in enumerate(source.class_names)}
    entries = {
        file: Entry(file, None, number[entry.labels]) for file, entry in found.entries.items() if entry.labels in number
    }
    others = [name for name in found.class_names if name not in source.class_names]
    lines = [f"{source.where}: {', '.join(others)} are no classes by class_names and are left out"] if others else []
    return Contents(entries, source.class_names, (*found.lines, *lines))


def _contents_of(kind: Kind, folder: Path) -> Contents:
    return _read(kind, folder, _stamp(folder))


def _stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    """What changes where lists or folders change: a folder is read again then, and not each time it is asked for."""
    there = [folder, *(path for path in folder.glob("*") if path.is_dir() or path.suffix in _LISTS)]
    there += [path for pattern in ("annotations/*", "*/_annotations.coco.json") for path in folder.glob(pattern)]
    return tuple((str(path), path.stat().st_mtime_ns) for path in sorted(set(there)))


@lru_cache(maxsize=16)
def _read(kind: Kind, folder: Path, stamp: tuple[tuple[str, int], ...]) -> Contents:
    try:
        return {"imagefolder": _class_folders, "masks": _maps, "coco": _coco, "yolo": _yolo}[kind](folder)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from None


def _class_folders(folder: Path) -> Contents:
    of_split, lines = class_files(folder)
    check_layout(folder)
    lines += check_levels(folder, of_split)
    names = tuple(sorted({name for of_class in of_split.values() for name in of_class}))
    if len(names) == 1:
        raise ValueError(f"{folder}: has one folder of pictures, {names[0]}; of one class alone nothing is learnt")
    entries = {
        file: Entry(file, None, names.index(name))
        for of_class in of_split.values()
        for name in sorted(of_class)
        for file in of_class[name]
    }
    return Contents(entries, names, tuple(lines))


def _maps(folder: Path) -> Contents:
    of_split, lines = map_files(folder, MAP_FOLDERS)
    pairs = [pair for part in of_split.values() for pair in part]
    colours = colours_of(folder)
    # the first is the background, which is no class of an object
    names = () if colours is None else colours.names[1:]
    return Contents({image: Entry(image, None, label) for image, label in pairs}, names, tuple(lines))


def _coco(folder: Path) -> Contents:
    return _of_lists(folder, coco_folder.read_folder(folder))


def _yolo(folder: Path) -> Contents:
    return _of_lists(folder, yolo_folder.read_folder(folder))


def _of_lists(folder: Path, found: coco_folder.CocoFolder) -> Contents:
    """All images of all lists, whatever their split; crowds are no objects of one class and are left out."""
    first = found.lists.get("train") or next(iter(found.lists.values()))
    lines, entries, crowds, without, nowhere = list(found.lines), dict[str, Entry](), 0, 0, 0
    for listed in found.lists.values():
        lines += check_boxes(folder, listed)
        for image in listed.numbered_as(first).images:
            _check_outlines(listed, image)
            crowds += len(image.crowds)
            objects = [one for one in image.objects if lies_in(one[1]["bbox"], image.size)]
            nowhere += len(image.objects) - len(objects)
            without += sum(not each.get("segmentation") for _, each in objects)
            kept = [(number, {key: each.get(key) for key in ("bbox", "segmentation")}) for number, each in objects]
            entries[image.file] = Entry(image.file, image.size, tuple(kept))
    if nowhere:
        lines.append(f"{folder}: {nowhere:,} objects have no extent in their image and are left out")
    if without:
        lines.append(f"{folder}: {without:,} objects have no outline; all of their box is taken for them")
    return Contents(entries, first.names, tuple(lines), crowds)


def _check_outlines(listed: CocoList, image: CocoImage) -> None:
    for _, annotation in image.objects:
        if annotation.get("segmentation"):
            check_outline(listed.file, annotation, image.size)


def _drawn(source: Source, entry: Entry, side: int) -> tuple[Picture, Placement, NDArray[np.bool_]]:
    """An image of the folder as a labelled square, and of which pixels nothing is known, bool (side, side)."""
    file = Path(source.where) / entry.file
    if source.kind == "imagefolder":
        # the whole image is its object: this kind of source gives the label "classes" only
        place = placement(size_of(file), side, source.fit)
        whole = np.ones((side, side), np.uint8)
        return Picture(photograph(file, place), whole, [entry.labels]), place, _outside(place)
    if source.kind == "masks":
        return _of_map(source, file, Path(source.where) / entry.labels, side)
    assert entry.size is not None
    place = placement(entry.size, side, source.fit)
    # small objects are painted last, over large ones; 8 bits number the 255 largest
    objects = sorted(entry.labels, key=lambda thing: -thing[1]["bbox"][2] * thing[1]["bbox"][3])[:MOST_NUMBERS]
    width, height = entry.size
    canvas = np.zeros((height, width), np.uint8)
    for number, (_, thing) in enumerate(objects, start=1):
        outline = thing["segmentation"]
        canvas[mask_of(outline, height, width) if outline else box_mask(thing["bbox"], height, width)] = number
    picture = Picture(photograph(file, place), label_map(canvas, place, 0), [number for number, _ in objects])
    return picture, place, _outside(place)


def _outside(place: Placement) -> NDArray[np.bool_]:
    """The pixels of a square that show nothing of its image."""
    outside = np.ones((place.side, place.side), bool)
    outside[: place.content[1], : place.content[0]] = False
    return outside


def _of_map(source: Source, file: Path, mapped: Path, side: int) -> tuple[Picture, Placement, NDArray[np.bool_]]:
    numbers = class_numbers(mapped, colours_of(Path(source.where)))
    place = placement((numbers.shape[1], numbers.shape[0]), side, source.fit)
    classes = label_map(numbers, place, _VOID)
    present = [int(value) for value in np.unique(classes) if value not in (0, _VOID)]
    if present and present[-1] > len(source.class_names):
        raise ValueError(f"{mapped} holds class {present[-1]}; class_names lists {len(source.class_names)}")
    instances = np.zeros_like(classes)
    for number, value in enumerate(present, start=1):
        instances[classes == value] = number
    return Picture(photograph(file, place), instances, [value - 1 for value in present]), place, classes == _VOID
