"""Photographs as SPLIT/CLASS/FILE, the ImageFolder layout."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tasks.base import TaskError
from tasks.data.cache.listing import Found, FoundSet
from tasks.data.cache.split import Decoded, Reader
from tasks.data.readers.images import PHOTOGRAPHS, class_folders, images_in, reading
from tasks.data.readers.squares import Fit, placement, squared

_SUFFIXES = PHOTOGRAPHS | {".tif", ".tiff"}


# what a split's folder may be called; the first that is there, or all of them
_NAMES = {"train": ("train",), "test": ("test", "val")}


def reader(side: int, fit: Fit = "crop", *, every: bool = False) -> Reader:
    """Of ROOT/{train,test}/CLASS/* as squares of `side` px; without a test folder it is val, as in ImageNet.

    every: a set that has both tests on the photographs of both. Listing raises FileNotFoundError where a folder or its
    images are missing, decoding TaskError naming a file that cannot be read.
    """
    return Reader(
        side=side,
        kind="class_index",
        settings=("imagefolder", side, fit, *(("every",) if every else ())),
        find=partial(_find, every=every),
        files=lambda item: (item,),
        decode=partial(_decode, side=side, fit=fit),
    )


def _find(root: Path, *, every: bool) -> FoundSet:
    folders = {split: _folders(root, *names)[: None if every else 1] for split, names in _NAMES.items()}
    listing = {folder: _listing(folder) for of_split in folders.values() for folder in of_split}
    training = folders["train"][0]
    classes = tuple(sorted(listing[training]))
    for folder, of_class in listing.items():
        if only := sorted(set(classes) ^ set(of_class)):
            raise TaskError(f"{root}: class {only[0]!r} is in one of {training.name} and {folder.name} only")
    found = {}
    for split, of_split in folders.items():
        items, numbers = [], []
        for folder in of_split:
            for number, (name, files) in enumerate(listing[folder].items()):
                items += [f"{folder.name}/{name}/{file}" for file in files]
                numbers += [number] * len(files)
        found[split] = Found(items, [(item,) for item in items], np.array(numbers))
    return FoundSet(found, classes)


def _decode(root: Path, item: str, *, side: int, fit: Fit) -> Decoded:
    file = root / item
    with reading(file), Image.open(file) as image:
        image.draft("RGB", (2 * side, 2 * side))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        place = placement(upright.size, side, fit)
        return squared(upright, place), None, place


def _folders(root: Path, *names: str) -> list[Path]:
    there = [root / name for name in names if (root / name).is_dir()]
    if there:
        return there
    wanted = " or ".join(f"{name}/" for name in names)
    raise FileNotFoundError(f"{root} has no {wanted} folder; images belong at {root / names[0]}/CLASS/FILE")


def _listing(split: Path) -> dict[str, list[str]]:
    """Names of the image files by the class folders that hold any."""
    files = {name: [file.name for file in images_in(split / name, _SUFFIXES)] for name in class_folders(split)}
    found = {name: names for name, names in files.items() if names}
    if not found:
        raise FileNotFoundError(f"{split} holds no images; they belong at {split}/CLASS/FILE")
    return found
