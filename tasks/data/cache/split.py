"""One split of a real data set: all labels that are known without pixels, and images as far as they are asked for."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import ArraySet, TaskError, drop_pages
from tasks.data.cache.filled import Column, Filled, make_files
from tasks.data.cache.listing import FoundSet, Items, Listing, state_of
from tasks.data.readers.squares import Placement
from tasks.label_forms import FORMS, IGNORED, LabelForm, LabelKind

# what decoding one image gives: its square, the label where that is a map, and where the image lies in the square
Decoded = tuple[np.ndarray, np.ndarray | None, Placement]
# classes that a map of 8 bits can hold
CLASS_NUMBERS = 256


@dataclass(frozen=True)
class Reader:
    """How one set's images are decoded.

    settings: JSON-ready, all that squares and labels depend on besides the set's files, `side` (of a square, in px) and
    `kind` (of label) among it. find(root): lists the set. files(item): an item's files, below the set's root.
    decode(root, item): one image. class_map(root, item): the label of an image alone, where that is a map of classes.
    size(item): width and height in px of what was labelled, where a list says it, and
    boxes(item, label): the boxes in it, (M, 4).
    """

    side: int
    kind: LabelKind
    settings: tuple[Any, ...]
    find: Callable[[Path], FoundSet]
    files: Callable[[Any], tuple[str, ...]]
    decode: Callable[[Path, Any], Decoded]
    class_map: Callable[[Path, Any], np.ndarray] | None = None
    size: Callable[[Any], tuple[int, int]] | None = None
    boxes: Callable[[Any, np.ndarray | None], np.ndarray] | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is kept of each image."""
        form, square = FORMS[self.kind], (self.side, self.side)
        maps = (Column("labels", (*square, *form.channels), _element(self.kind)),) if form.is_map else ()
        return (Column("images", (*square, 3), np.uint8), *maps, Column("content", (2,), np.float32))

    @property
    def image_bytes(self) -> int:
        """What one decoded image takes on disk."""
        return sum(column.row_bytes for column in self.columns)


def _element(kind: LabelKind) -> type:
    # objects of a photograph may be more than 255, and crowds are below 0
    return np.int16 if kind == "instances" else FORMS[kind].element


class Split:
    """One split, "train" or "test"; images are decoded into a folder of the cache when they are asked for."""

    def __init__(self, name: str, reader: Reader, listing: Listing, cache: Path) -> None:
        self._reader, self._root, self._listed = reader, listing.root, listing.splits[name]
        self.class_names, self.keypoint_names = listing.class_names, listing.keypoint_names
        self.label_kind: LabelKind = reader.kind
        self.folder = cache / "decoded" / f"{listing.name}-{reader.side}px"
        self._name = name
        make_files(self.folder, {each: len(split.items) for each, split in listing.splits.items()}, reader.columns)
        self._filled = Filled(self.folder, name, reader.columns)

    def __len__(self) -> int:
        return len(self._listed.items)

    @property
    def form(self) -> LabelForm:
        """What is known of its kind of label."""
        return FORMS[self.label_kind]

    @property
    def labels(self) -> np.ndarray:
        """Labels of all images, as of an ArraySet; where they are maps, those of what was decoded, and zeros."""
        return self._filled.array("labels") if self._listed.labels is None else self._listed.labels

    @cached_property
    def classes_shown(self) -> np.ndarray:
        """Which classes each image shows, bool (N, K), where labels are maps of them: every map is read, once."""
        shown, file = self._listed.shown, self.folder / f"{self._name}-shown.npy"
        if shown is None and file.is_file():
            shown = np.load(file, allow_pickle=False)
        if shown is None:
            shown = classes_of_maps(self._reader, self._root, self._listed.items)
            part = file.with_name(f".{file.name}-{os.getpid()}")
            with part.open("wb") as stream:
                np.save(stream, shown)
            part.replace(file)
        return shown[:, : len(self.class_names)]

    @property
    def root(self) -> Path:
        """The folder that its files lie in."""
        return self._root

    def files(self, index: int) -> tuple[str, ...]:
        """An image's files, below the root: its photograph first."""
        return self._reader.files(self._listed.items[index])

    def labelled_sizes(self, indices: Sequence[int]) -> list[tuple[int, int]] | None:
        """Width and height in px of what was labelled of each of these images, where a list says it."""
        size = self._reader.size
        return None if size is None else [size(self._listed.items[index]) for index in indices]

    def boxes(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """All objects of these images that have boxes: x, y, width, height in px of their images (M, 4), and of which

        of them (M,).
        """
        found, labels = self._reader.boxes, self._listed.labels
        if found is None or not len(indices):
            return np.zeros((0, 4)), np.zeros(0, np.int64)
        each = [found(self._listed.items[index], None if labels is None else labels[index]) for index in indices]
        return np.concatenate(each), np.repeat(np.arange(len(each)), [len(of_image) for of_image in each])

    def classes_there(self) -> np.ndarray | None:
        """Which classes the split shows, bool (K,); None where its labels have none, or must be decoded to be known."""
        labels, known = self._listed.labels, len(self.class_names)
        if self.label_kind == "semantic":
            return np.asarray(self.classes_shown.any(axis=0))
        if self.label_kind == "class_set" and labels is not None:
            return np.asarray(labels.any(axis=0))
        if labels is None or not self.form.class_numbers:
            return None
        numbers = self.form.telling(labels).astype(np.int64)
        return np.isin(np.arange(known), numbers)

    def missing(self, indices: np.ndarray) -> int:
        """How many of these images are still to be decoded."""
        return len(self._filled.missing(indices))

    def bytes_of(self, images: int) -> int:
        """What so many decoded images take on disk."""
        return images * self._reader.image_bytes

    def decode(self, indices: np.ndarray, *, verify: bool = False) -> None:
        """Decode those of these images (M,) that are not yet; with `verify` also those whose bytes are damaged.

        Raises TaskError naming a file that cannot be used, or that has changed since the set was listed.
        """
        self._filled.fill(indices, self._decoded, verify=verify)

    def take(self, indices: np.ndarray) -> ArraySet:
        """The images at `indices` (int, (M,)), in memory and in that order; their bytes are verified."""
        self.decode(indices, verify=True)
        taken = self._set(self._filled.array("images")[indices], self.labels[indices], indices)
        for array in (self._filled.array("images"), self.labels):
            drop_pages(array)
        return taken

    def whole(self) -> ArraySet:
        """All images, in memory maps."""
        every = np.arange(len(self))
        self.decode(every)
        return self._set(self._filled.array("images"), self.labels, every)

    def digest(self, indices: np.ndarray) -> bytes:
        """What tells the decoded images at `indices` apart from others, whatever their order."""
        return self._filled.sums(np.unique(indices)).tobytes()

    def _set(self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray) -> ArraySet:
        content = self._filled.array("content")[indices]
        partly = content if (content < self._reader.side).any() else None
        return ArraySet(images, labels, self.class_names, self.label_kind, self.keypoint_names, partly)

    def _decoded(self, index: int) -> tuple[np.ndarray, ...]:
        item = self._listed.items[index]
        files = self._reader.files(item)
        if state_of(self._root, files) != int(self._listed.states[index]):
            raise TaskError(f"image {self._root / files[0]} has changed since its set was listed; run the sweep again")
        square, label, place = self._reader.decode(self._root, item)
        if label is not None and self._reader.class_map is not None:
            self._check_classes(label, self._root / files[-1])
        return square, *(() if label is None else (label,)), np.array(place.content, np.float32)

    def _check_classes(self, label: np.ndarray, file: Path) -> None:
        highest = int(label[label != IGNORED].max(initial=0))
        if highest >= len(self.class_names):
            known = len(self.class_names)
            raise TaskError(f"map {file} goes up to class {highest}, and the set has {known} classes; mend it")


class WholeSplit:
    """A split that is decoded already: nothing of it is left to be."""

    def __init__(self, data: ArraySet, folder: Path) -> None:
        self._data, self.folder = data, folder
        self.class_names, self.keypoint_names = data.class_names, data.keypoint_names
        self.label_kind, self.labels, self.form = data.label_kind, data.labels, data.form

    def __len__(self) -> int:
        return len(self._data)

    @property
    def classes_shown(self) -> np.ndarray:
        """Nothing of the kind: a class index is no map."""
        raise TaskError("these labels are no maps of classes")

    def missing(self, indices: np.ndarray) -> int:
        """None."""
        return 0

    def bytes_of(self, images: int) -> int:
        """Nothing: it is there."""
        return 0

    def decode(self, indices: np.ndarray, *, verify: bool = False) -> None:
        """Nothing is left to do."""

    def take(self, indices: np.ndarray) -> ArraySet:
        """The images at `indices` (int, (M,)), in memory and in that order."""
        return self._data.take(indices)

    def whole(self) -> ArraySet:
        """All images, in memory maps."""
        return self._data

    def digest(self, indices: np.ndarray) -> bytes:
        """Nothing: the set's own hash has all of it."""
        return b""


def classes_of_maps(reader: Reader, root: Path, items: Sequence[Any] | Items) -> np.ndarray:
    """Which class numbers the map of each item shows in its square, bool (N, 256); no map is kept."""
    class_map = reader.class_map
    assert class_map is not None
    shown = np.zeros((len(items), CLASS_NUMBERS), bool)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        numbers = pool.map(lambda index: np.unique(class_map(root, items[index])), range(len(items)))
        for row, there in zip(shown, numbers, strict=True):
            row[there] = True
    shown[:, IGNORED] = False
    return shown
