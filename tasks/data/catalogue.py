"""Real images for fine-tuning, found by name, listed once and decoded as far as they are drawn."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tasks.base import ArraySet, TaskError
from tasks.data import clothing, coco, fashion_mnist, image_folder, map_folder
from tasks.data.cache.listing import Listing, list_set, read_listing
from tasks.data.cache.split import Reader, Split, WholeSplit
from tasks.data.cache.whole import SPLITS
from tasks.data.readers.whole_folder import locked
from tasks.data.squares import Fit
from tasks.label_forms import LabelKind

_IMAGE_FOLDER, _COCO, _MAPS = "imagefolder:", "coco:", "masks:"
# full-scale sets by name, and where they lie under data_root
_FOLDERS = {"imagenet": f"{_IMAGE_FOLDER}imagenet", "coco": f"{_COCO}coco", "ade20k": f"{_MAPS}ADEChallengeData2016"}
# of ADE20K the class number that it ignores, and its 150 classes, by number
_ADE20K_IGNORES, _ADE20K = 0, tuple(map(str, range(150)))
# CamVid's 11 classes, and the class number that it ignores
_CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
_CAMVID_VOID = 11
_NAMES = ("fashion-mnist", "clothing", "camvid", *_FOLDERS, f"{_IMAGE_FOLDER}PATH", f"{_COCO}PATH", f"{_MAPS}PATH")


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

    def sha256(self, drawn: np.ndarray) -> str:
        """The hash of a sweep's real images: of the listing, and of all pixels of the test images and of those drawn.

        drawn: int (M,), of the training images. Both are decoded for it. Where the set lies, and when it was copied
        there, does not count.
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


def cache_root() -> Path:
    """Where decoded and downloaded data is kept: $XDG_CACHE_HOME/syn2real-sweeper, else ~/.cache/syn2real-sweeper."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "syn2real-sweeper"


def load_real(
    name: str,
    data_root: Path | str | None,
    resolution: int,
    *,
    kind: LabelKind = "class_index",
    ignore_label: int | None = None,
    fit: Fit | None = None,
    cache_dir: Path | None = None,
    verify: bool = False,
) -> RealData:
    """The data set `name` as square images of `resolution` pixels, listed and decoded into `cache_dir`, `cache_root()`.

    name: "fashion-mnist", "clothing", "imagenet" or "imagefolder:PATH" (PATH/{train,test}/CLASS/*) for class_index;
    "coco" or "coco:PATH" for boxes, instances, class_set and keypoints; "camvid", "ade20k" or "masks:PATH" for
    semantic, the last also for normals and depth. PATH is relative to data_root. kind: of the labels wanted.
    ignore_label: of "masks:PATH", the class number that does not count. fit: how images become squares
    (tasks/data/squares.py); without it class folders are cropped, all others letterboxed. data_root: a folder of the
    user's own data, looked into first; None = there is none. verify: whether to check what is kept of the listing.
    Raises FileNotFoundError saying what was looked for and where, and TaskError (a ValueError) naming a bad file.
    """
    asked = _asked(name, data_root, resolution, kind, ignore_label, fit, cache_dir or cache_root())
    if asked.reader is None:
        return _fashion_mnist(asked, resolution, verify=verify)
    folder, source = asked.locate()
    reader = asked.reader
    listing = list_set(folder, asked.cache, reader.settings, lambda: reader.find(folder), verify=verify)
    return _listed(listing, reader, asked.cache, source)


def pin(real: RealData, sha256: str, name: str, data_root: Path | str | None, cache_dir: Path | None = None) -> None:
    """Keep by name what a sweep's hash of its real images stands for here, so that `load_pinned` lists no file."""
    if real.listing is None:
        return
    file = _pin_file(cache_dir or cache_root(), sha256, name, data_root)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}-{os.getpid()}")
    part.write_text(json.dumps({"listing": real.listing.name, "source": real.source}))
    part.replace(file)


def load_pinned(
    sha256: str,
    drawn: Callable[[RealData], np.ndarray],
    name: str,
    data_root: Path | str | None,
    resolution: int,
    *,
    kind: LabelKind = "class_index",
    ignore_label: int | None = None,
    fit: Fit | None = None,
    cache_dir: Path | None = None,
) -> RealData:
    """The data set that has `sha256` with the training images drawn(set), as `load_real` would give it.

    Where the hash was pinned here, no file of the set is looked at. Else it is listed, decoded as far as drawn,
    compared and pinned, once, by the first of a machine's processes. Raises TaskError where it has another hash.
    """
    asked = _asked(name, data_root, resolution, kind, ignore_label, fit, cache_dir or cache_root())
    file = _pin_file(asked.cache, sha256, name, data_root)
    known = _known(file, asked)
    if known is not None:
        return known
    with locked(file.with_name(f".{file.name}.lock")):
        # whoever had the lock before may have done it
        known = _known(file, asked)
        if known is not None:
            return known
        options = {"kind": kind, "ignore_label": ignore_label, "fit": fit, "cache_dir": cache_dir}
        real = load_real(name, data_root, resolution, **options)  # type: ignore[arg-type]  # each as it came
        if real.sha256(drawn(real)) != sha256:
            raise TaskError(f"the images of {name} have changed since the sweep began; run it again")
        pin(real, sha256, name, data_root, cache_dir)
        return real


@dataclass(frozen=True, eq=False)
class _Asked:
    """A data set asked for: how its images are decoded (None for Fashion-MNIST), where it lies, and the cache."""

    reader: Reader | None
    locate: Callable[[], tuple[Path, str]]
    cache: Path


def _asked(
    name: str,
    data_root: Path | str | None,
    resolution: int,
    kind: LabelKind,
    ignore_label: int | None,
    fit: Fit | None,
    cache: Path,
) -> _Asked:
    if resolution < 8:
        raise TaskError(f"data set {name!r}: resolution must be at least 8 pixels, not {resolution}")
    root = None if data_root is None else Path(data_root).expanduser()
    if root is not None and not root.is_dir():
        raise FileNotFoundError(f"data_root {root} is not a folder; correct it, or leave it out of the config")
    if ignore_label is not None and not name.startswith(_MAPS):
        raise TaskError(f"data set {name!r}: only {_MAPS}PATH takes an ignore_label; leave it out")
    if kind not in _kinds_of(name):
        raise TaskError(f"data set {name!r} has {' or '.join(_kinds_of(name))} labels; the task needs {kind}")
    downloads = cache / "downloads"
    if name == "fashion-mnist":
        return _Asked(None, lambda: fashion_mnist.find(root, downloads), cache)
    if name == "clothing":
        return _Asked(image_folder.reader(resolution, fit or "crop"), lambda: clothing.find(root, downloads), cache)
    names: tuple[str, ...] = ()
    if name == "camvid":
        name, ignore_label, names = f"{_MAPS}camvid", _CAMVID_VOID, _CAMVID
    if name == "ade20k":
        ignore_label, names = _ADE20K_IGNORES, _ADE20K
    layout, _, path = _FOLDERS.get(name, name).partition(":")
    if f"{layout}:" == _IMAGE_FOLDER:
        reader = image_folder.reader(resolution, fit or "crop")
    elif f"{layout}:" == _COCO:
        reader = coco.reader(resolution, kind, fit or "letterbox")
    else:
        reader = map_folder.reader(resolution, kind, ignore_label, names, fit or "letterbox")
    return _Asked(reader, lambda: _folder(name, root, path), cache)


def _folder(name: str, root: Path | None, path: str) -> tuple[Path, str]:
    folder = (root or Path()) / Path(path).expanduser()
    if root is None and not (folder.is_absolute() or folder.is_dir()):
        raise FileNotFoundError(f"data set {name!r}: {folder} is no folder and no data_root was given; add it")
    return folder, str(folder)


def _fashion_mnist(asked: _Asked, resolution: int, *, verify: bool) -> RealData:
    folder, source = asked.locate()
    train, test, sha256 = fashion_mnist.load(folder, resolution, asked.cache, verify=verify)
    training, testing = (WholeSplit(each, asked.cache / "decoded") for each in (train, test))
    return RealData(training, testing, sha256, source)


def _listed(listing: Listing, reader: Reader, cache: Path, source: str) -> RealData:
    training, testing = (Split(split, reader, listing, cache) for split in SPLITS)
    return RealData(training, testing, listing.sha256, source, listing)


def _known(file: Path, asked: _Asked) -> RealData | None:
    """The set that a pin stands for, where it and what it names are there."""
    try:
        pinned = json.loads(file.read_text())
        if asked.reader is not None:
            listing = read_listing(asked.cache, pinned["listing"])
            return _listed(listing, asked.reader, asked.cache, pinned["source"])
    except FileNotFoundError:
        pass
    return None


def _pin_file(cache: Path, sha256: str, name: str, data_root: Path | str | None) -> Path:
    # one cache may serve several copies of a set
    where = hashlib.sha256(repr((name, None if data_root is None else str(data_root))).encode()).hexdigest()
    return cache / "pinned" / f"{sha256[:32]}-{where[:16]}.json"


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
        _MAPS: map_folder.KINDS if name != "ade20k" else ("semantic",),
    }
    if f"{reader}{colon}" not in kinds or not path:
        raise TaskError(f"unknown data set {name!r}; known data sets: {', '.join(_NAMES)}")
    return kinds[f"{reader}{colon}"]
