"""Real images for fine-tuning, found by name, listed once and decoded as far as they are drawn."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tasks.base import ArraySet, TaskError, joined
from tasks.data import clothing, coco, fashion_mnist, image_folder, map_folder
from tasks.data.cache.kept import Kept, as_kept
from tasks.data.cache.listing import FoundSet, Listing, list_set, read_listing
from tasks.data.cache.overview import overview
from tasks.data.cache.split import Reader, Split, WholeSplit
from tasks.data.cache.whole import SPLITS
from tasks.data.readers.pictures import Tell, cache_root
from tasks.data.readers.sizes import Sizes
from tasks.data.readers.splitting import Parting
from tasks.data.readers.squares import Fit
from tasks.data.readers.whole_folder import locked
from tasks.label_forms import LabelKind

_IMAGE_FOLDER, _COCO, _YOLO, _MAPS = "imagefolder:", "coco:", "yolo:", "masks:"
# full-scale sets by name, and where they lie under data_root
_FOLDERS = {
    "camvid": f"{_MAPS}camvid",
    "imagenet": f"{_IMAGE_FOLDER}imagenet",
    "coco": f"{_COCO}coco",
    "ade20k": f"{_MAPS}ADEChallengeData2016",
}
# of ADE20K the class number that it ignores, and its 150 classes, by number
_ADE20K_IGNORES, _ADE20K = 0, tuple(map(str, range(150)))
# CamVid's 11 classes, and the class number that it ignores
_CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
_CAMVID_VOID = 11
_NAMES = (
    "fashion-mnist",
    "clothing",
    *_FOLDERS,
    f"{_IMAGE_FOLDER}PATH",
    f"{_COCO}PATH",
    f"{_YOLO}PATH",
    f"{_MAPS}PATH",
)


@dataclass(frozen=True, eq=False)
class RealData:
    """A real data set: its splits, and in words where its files were found.

    listed_sha256: of all that is known without decoding: files by their names and sizes, labels, class names, and how
    they are decoded.
    """

    training: Split | WholeSplit
    testing: Split | WholeSplit
    listed_sha256: str
    source: str
    listing: Listing | None = None

    @cached_property
    def train(self) -> ArraySet:
        """All training images, decoded."""
        return self.training.whole()

    @cached_property
    def test(self) -> ArraySet:
        """All test images, decoded."""
        return self.testing.whole()

    def overview(self, tell: Tell) -> tuple[list[str], Sizes | None]:
        """Lines to tell of all its pictures, every one of which is opened, once, and how large the training ones are.

        TaskError where one is no use. Nothing is told of sets that are one file.
        """
        if self.listing is None or isinstance(self.training, WholeSplit) or isinstance(self.testing, WholeSplit):
            return [], None
        lines, sizes = overview({"train": self.training, "test": self.testing}, cache_root(), tell)
        return [*self.listing.lines, *lines], sizes

    def outside(self, pool: np.ndarray) -> np.ndarray:
        """The training images that are not in `pool`, int (M,), increasing."""
        return np.setdiff1d(np.arange(len(self.training)), pool)

    def tested(self, rest: np.ndarray) -> ArraySet:
        """Training images at `rest` (int, (M,)), then all test images; one after the other in memory."""
        return joined(self.training.take(rest), self.test) if len(rest) else self.test

    def sha256(self, drawn: np.ndarray) -> str:
        """The hash of a sweep's real images: of the listing, and of all pixels of the test images and of those drawn.

        drawn: int (M,), of the training images, also those that are tested on. Both are decoded for it. Where the set
        lies, and when it was copied there, does not count.
        """
        if self.listing is None:
            return self.listed_sha256
        every = np.arange(len(self.testing))
        self.training.decode(drawn)
        self.testing.decode(every)
        digest = hashlib.sha256(self.listed_sha256.encode())
        digest.update(np.unique(drawn).astype(np.int64).tobytes() + self.training.digest(drawn))
        digest.update(self.testing.digest(every))
        return digest.hexdigest()


@dataclass(frozen=True)
class RealSet:
    """A real data set to be found by its name, and how its images become labelled squares of `resolution` px.

    name: "fashion-mnist", "clothing", "imagenet" or "imagefolder:PATH" (PATH/{train,test}/CLASS/*) for class_index;
    "coco", "coco:PATH" or "yolo:PATH" for boxes, instances, class_set and, but of YOLO, keypoints; "camvid", "ade20k"
    or "masks:PATH" for semantic, the last also for normals and depth. PATH is relative to data_root. data_root: a
    folder of the user's own data, looked into first; None = there is none. kind: of the labels wanted. ignore_label: of
    "masks:PATH", the class number that does not count. fit: how images become squares
    (tasks/data/readers/squares.py); without it class folders are cropped, all others letterboxed. cache_dir: where
    listings and decoded images are kept, `cache_root()`. every: whether the test images are those of all folders that
    are not for training, and not of the first of test and val alone; COCO's lists and Fashion-MNIST have one such part.
    test_fraction, seed: how much of a set that has no test images is kept for testing, TEST_FRACTION where nothing is
    said and it has no split, and the seed of that choice. kept: which images it had before others were added.

    Finding it raises FileNotFoundError saying what was looked for and where, and TaskError (a ValueError) naming a
    value that cannot be or a bad file.
    """

    name: str
    data_root: Path | str | None
    resolution: int
    kind: LabelKind = "class_index"
    ignore_label: int | None = None
    fit: Fit | None = None
    cache_dir: Path | None = None
    every: bool = False
    test_fraction: float | None = None
    seed: int = 0
    kept: Kept | None = None

    def load(self, *, verify: bool = False) -> RealData:
        """The set as it lies on disk, every file looked at; `verify`: whether to check what is kept of its listing."""
        reader = self._reader
        folder, source = self._located()
        if reader is None:
            train, test, sha256 = fashion_mnist.load(folder, self.resolution, self._cache, verify=verify)
            training, testing = (WholeSplit(each, self._cache / "decoded") for each in (train, test))
            return RealData(training, testing, sha256, source)

        def find() -> FoundSet:
            found = reader.find(folder)
            return found if self.kept is None else as_kept(found, self.kept)

        listing = list_set(folder, self._cache, reader.settings, find, verify=verify)
        return _listed(listing, reader, self._cache, source)

    def pin(self, real: RealData, sha256: str) -> None:
        """Keep by name what a sweep's hash of these images stands for here, so that `pinned` lists no file."""
        if real.listing is None:
            return
        file = self._pin_file(sha256)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}-{os.getpid()}")
        part.write_text(json.dumps({"listing": real.listing.name, "source": real.source}))
        part.replace(file)

    def pinned(self, sha256: str, drawn: Callable[[RealData], np.ndarray]) -> RealData:
        """The set that has `sha256` with the training images drawn(set).

        Where the hash was pinned here, no file of the set is looked at. Else it is listed, decoded as far as drawn,
        compared and pinned, once, by the first of a machine's processes. Raises TaskError where it has another hash.
        """
        file = self._pin_file(sha256)
        known = self._known(file)
        if known is not None:
            return known
        with locked(file.with_name(f".{file.name}.lock")):
            # whoever had the lock before may have done it
            known = self._known(file)
            if known is not None:
                return known
            real = self.load()
            if real.sha256(drawn(real)) != sha256:
                raise TaskError(f"the images of {self.name} have changed since the sweep began; run it again")
            self.pin(real, sha256)
            return real

    @property
    def _cache(self) -> Path:
        return self.cache_dir or cache_root()

    @property
    def _root(self) -> Path | None:
        root = None if self.data_root is None else Path(self.data_root).expanduser()
        if root is not None and not root.is_dir():
            raise FileNotFoundError(f"data_root {root} is not a folder; correct it, or leave it out of the config")
        return root

    @property
    def _reader(self) -> Reader | None:
        """How its images are decoded; None for Fashion-MNIST."""
        name, side, ignore, names = self.name, self.resolution, self.ignore_label, tuple[str, ...]()
        if side < 8:
            raise TaskError(f"data set {name!r}: resolution must be at least 8 pixels, not {side}")
        if ignore is not None and not name.startswith(_MAPS):
            raise TaskError(f"data set {name!r}: only {_MAPS}PATH takes an ignore_label; leave it out")
        if self.kind not in _kinds_of(name):
            raise TaskError(f"data set {name!r} has {' or '.join(_kinds_of(name))} labels; the task needs {self.kind}")
        if name == "fashion-mnist":
            return None
        if name == "camvid":
            ignore, names = _CAMVID_VOID, _CAMVID
        if name == "ade20k":
            ignore, names = _ADE20K_IGNORES, _ADE20K
        layout = _FOLDERS.get(name, name)
        parting, fit = Parting(self.test_fraction, self.seed, self._cache), self.fit or default_fit(name)
        if name == "clothing" or layout.startswith(_IMAGE_FOLDER):
            return image_folder.reader(side, fit, parting, every=self.every)
        if layout.startswith((_COCO, _YOLO)):
            return coco.reader(side, self.kind, fit, parting, "yolo" if layout.startswith(_YOLO) else "coco")
        return map_folder.reader(side, self.kind, ignore, names, fit, parting=parting, every=self.every)

    def _located(self) -> tuple[Path, str]:
        """The set's folder, and where it was found in words."""
        root, downloads = self._root, self._cache / "downloads"
        if self.name == "fashion-mnist":
            return fashion_mnist.find(root, downloads)
        if self.name == "clothing":
            return clothing.find(root, downloads)
        path = Path(_FOLDERS.get(self.name, self.name).partition(":")[2]).expanduser()
        folder = (root or Path()) / path
        if root is None and not (folder.is_absolute() or folder.is_dir()):
            raise FileNotFoundError(f"data set {self.name!r}: {folder} is no folder and no data_root was given; add it")
        return folder, str(folder)

    def _known(self, file: Path) -> RealData | None:
        """The set that a pin stands for, where it and what it names are there."""
        reader = self._reader
        if reader is None:
            return None
        try:
            kept = json.loads(file.read_text())
            return _listed(read_listing(self._cache, kept["listing"]), reader, self._cache, kept["source"])
        except FileNotFoundError:
            return None

    def _pin_file(self, sha256: str) -> Path:
        # one cache may serve several copies of a set
        root = None if self.data_root is None else str(self.data_root)
        where = hashlib.sha256(repr((self.name, root)).encode()).hexdigest()
        return self._cache / "pinned" / f"{sha256[:32]}-{where[:16]}.json"


def default_fit(name: str) -> Fit:
    """How the photographs of a set of this name become squares where nothing is said of it."""
    return "crop" if name == "clothing" or _FOLDERS.get(name, name).startswith(_IMAGE_FOLDER) else "letterbox"


def _listed(listing: Listing, reader: Reader, cache: Path, source: str) -> RealData:
    training, testing = (Split(split, reader, listing, cache) for split in SPLITS)
    return RealData(training, testing, listing.sha256, source, listing)


def _kinds_of(name: str) -> tuple[LabelKind, ...]:
    """The kinds of label that a data set can have; TaskError for a name that is none."""
    if name in ("fashion-mnist", "clothing"):
        return ("class_index",)
    if name == "camvid":
        return ("semantic",)
    reader, colon, path = _FOLDERS.get(name, name).partition(":")
    kinds: dict[str, tuple[LabelKind, ...]] = {
        _IMAGE_FOLDER: ("class_index",),
        _COCO: coco.KINDS,
        _YOLO: coco.KINDS[:3],
        _MAPS: map_folder.KINDS if name != "ade20k" else ("semantic",),
    }
    if f"{reader}{colon}" not in kinds or not path:
        raise TaskError(f"unknown data set {name!r}; known data sets: {', '.join(_NAMES)}")
    return kinds[f"{reader}{colon}"]
