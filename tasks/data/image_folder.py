"""Photographs of one class each, as [SPLIT/]CLASS/**/FILE, the ImageFolder layout."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.base import TaskError
from tasks.data.cache.listing import Found, FoundSet
from tasks.data.cache.split import Decoded, Reader
from tasks.data.readers.class_levels import check_levels
from tasks.data.readers.files import SplitName, class_files
from tasks.data.readers.images import reading, upright
from tasks.data.readers.layouts.others import check_layout
from tasks.data.readers.splitting import Parting, two_parts
from tasks.data.readers.squares import Fit, placement, squared

# a photograph's file below the set's folder, and its class
_Entry = tuple[str, int]


def reader(side: int, fit: Fit, parting: Parting, *, every: bool = False) -> Reader:
    """Of ROOT/{train,test}/CLASS/** as squares of `side` px; without a test folder it is val, as in ImageNet.

    every: a set that has both tests on the photographs of both. Listing raises FileNotFoundError where a folder or its
    images are missing, decoding TaskError naming a file that cannot be read.
    """
    return Reader(
        side=side,
        kind="class_index",
        settings=("imagefolder", side, fit, *(("every",) if every else ())),
        find=partial(_find, parting=parting, every=every),
        files=lambda item: (item,),
        decode=partial(_decode, side=side, fit=fit),
    )


def _find(root: Path, *, parting: Parting, every: bool) -> FoundSet:
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not there; give a folder of CLASS/FILE, or of train/CLASS/FILE and test/")
    of_split, lines = class_files(root)
    if not any(of_split.values()):
        raise FileNotFoundError(f"{root} holds no images; they belong at {root}/train/CLASS/FILE")
    check_layout(root)
    lines += check_levels(root, of_split)
    training = "train" if "train" in of_split else next(iter(of_split))
    classes = tuple(sorted(of_split[training]))
    for split, of_class in of_split.items():
        if only := sorted(set(classes) ^ set(of_class)):
            raise TaskError(f"{root}: class {only[0]!r} is in one of {training} and {split} only")
    number = {name: k for k, name in enumerate(classes)}
    entries: dict[SplitName | None, list[_Entry]] = {
        split: [(file, number[name]) for name in sorted(of_class) for file in of_class[name]]
        for split, of_class in of_split.items()
    }
    try:
        parts = two_parts(root, entries, _file, parting, every=every, class_of=_class)
    except KeyError as error:
        wanted = {"train": "train/", "test": "test/ or val/"}[str(error.args[0])]
        raise FileNotFoundError(
            f"{root} has no {wanted} folder; images belong at {root}/{wanted.partition('/')[0]}/CLASS/FILE"
        ) from None
    found = {
        split: Found([file for file, _ in part], [(file,) for file, _ in part], np.array([k for _, k in part], int))
        for split, part in (("train", parts.train), ("test", parts.test))
    }
    return FoundSet(found, classes, lines=(*lines, *parts.lines))


def _file(entry: _Entry) -> str:
    return entry[0]


def _class(entry: _Entry) -> int:
    return entry[1]


def _decode(root: Path, item: str, *, side: int, fit: Fit) -> Decoded:
    file = root / item
    with reading(file), Image.open(file) as image:
        image.draft("RGB", (2 * side, 2 * side))
        shown = upright(file, image)
        place = placement(shown.size, side, fit)
        return squared(shown, place), None, place
