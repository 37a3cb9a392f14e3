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


def reader(side: int, fit: Fit = "crop") -> Reader:
    """Of ROOT/{train,test}/CLASS/* as squares of `side` px; without a test folder it is val, as in ImageNet.

    Listing raises FileNotFoundError where a folder or its images are missing, decoding TaskError naming a file that
    cannot be read.
    """
    return Reader(
        side=side,
        kind="class_index",
        settings=("imagefolder", side, fit),
        find=_find,
        files=lambda item: (item,),
        decode=partial(_decode, side=side, fit=fit),
    )


def _find(root: Path) -> FoundSet:
    splits = {"train": _split(root, "train"), "test": _split(root, "test", "val")}
    listing = {split: _listing(path) for split, path in splits.items()}
    classes = {split: tuple(sorted(files)) for split, files in listing.items()}
    if classes["train"] != classes["test"]:
        only = sorted(set(classes["train"]) ^ set(classes["test"]))[0]
        raise TaskError(f"{root}: class {only!r} is in one of {splits['train'].name} and {splits['test'].name} only")
    found = {}
    for split, of_class in listing.items():
        numbers = np.arange(len(of_class)).repeat([len(files) for files in of_class.values()])
        items = [f"{splits[split].name}/{name}/{file}" for name, files in of_class.items() for file in files]
        found[split] = Found(items, [(item,) for item in items], numbers)
    return FoundSet(found, classes["train"])


def _decode(root: Path, item: str, *, side: int, fit: Fit) -> Decoded:
    file = root / item
    with reading(file), Image.open(file) as image:
        image.draft("RGB", (2 * side, 2 * side))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        place = placement(upright.size, side, fit)
        return squared(upright, place), None, place


def _split(root: Path, *names: str) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    wanted = " or ".join(f"{name}/" for name in names)
    raise FileNotFoundError(f"{root} has no {wanted} folder; images belong at {root / names[0]}/CLASS/FILE")


def _listing(split: Path) -> dict[str, list[str]]:
    """Names of the image files by the class folders that hold any."""
    files = {name: [file.name for file in images_in(split / name, _SUFFIXES)] for name in class_folders(split)}
    found = {name: names for name, names in files.items() if names}
    if not found:
        raise FileNotFoundError(f"{split} holds no images; they belong at {split}/CLASS/FILE")
    return found
