"""Real images for fine-tuning, found by name and decoded once into a uint8 memory map."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks import camvid, clothing, coco, fashion_mnist, image_folder, map_folder
from tasks.base import IGNORED, NO_BOX, ArraySet, LabelKind, TaskError

_IMAGE_FOLDER, _COCO, _MAPS = "imagefolder:", "coco:", "masks:"
# full-scale sets by name: where they lie under data_root, and the class number that ADE20K ignores
_FOLDERS = {"imagenet": f"{_IMAGE_FOLDER}imagenet", "coco": f"{_COCO}coco", "ade20k": f"{_MAPS}ADEChallengeData2016"}
_ADE20K_IGNORES = 0
_NAMES = ("fashion-mnist", "clothing", "camvid", *_FOLDERS, f"{_IMAGE_FOLDER}PATH", f"{_COCO}PATH", f"{_MAPS}PATH")


@dataclass(frozen=True, eq=False)
class RealData:
    """A real data set: `sha256` of its pixels and labels; `source` says in words where its files were found."""

    train: ArraySet
    test: ArraySet
    sha256: str
    source: str


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
    cache_dir: Path | None = None,
    verify: bool = False,
) -> RealData:
    """The data set `name` as square images of `resolution` pixels, decoded once into `cache_dir` (`cache_root()`).

    name: "fashion-mnist", "clothing", "imagenet" or "imagefolder:PATH" (PATH/{train,test}/CLASS/*) for class_index;
    "coco" or "coco:PATH" for boxes, instances, class_set and keypoints; "camvid", "ade20k" or "masks:PATH" for
    semantic, the last also for normals and depth. PATH is relative to data_root. kind: of the labels wanted.
    ignore_label: of "masks:PATH", the class number that does not count. data_root: a folder of the user's own data,
    looked into first; None = there is none. verify: whether to check the decoded images' bytes, and decode damaged ones
    again.
    Raises FileNotFoundError saying what was looked for and where, and TaskError (a ValueError) naming a bad file.
    """
    if resolution < 8:
        raise TaskError(f"data set {name!r}: resolution must be at least 8 pixels, not {resolution}")
    root = None if data_root is None else Path(data_root).expanduser()
    if root is not None and not root.is_dir():
        raise FileNotFoundError(f"data_root {root} is not a folder; correct it, or leave it out of the config")
    if ignore_label is not None and not name.startswith(_MAPS):
        raise TaskError(f"data set {name!r}: only {_MAPS}PATH takes an ignore_label; leave it out")
    if kind not in _kinds_of(name):
        raise TaskError(f"data set {name!r} has {' or '.join(_kinds_of(name))} labels; the task needs {kind}")
    cache = cache_dir or cache_root()
    if name == "fashion-mnist":
        folder, source = fashion_mnist.find(root, cache / "downloads")
        return RealData(*fashion_mnist.load(folder, resolution, cache, verify=verify), source=source)
    if name == "clothing":
        folder, source = clothing.find(root, cache / "downloads")
        return RealData(*image_folder.load(folder, resolution, cache, verify=verify), source=source)
    names: tuple[str, ...] = ()
    if name == "camvid":
        name, ignore_label, names = f"{_MAPS}camvid", camvid.VOID, camvid.CLASS_NAMES
    if name == "ade20k":
        ignore_label = _ADE20K_IGNORES
    reader, _, path = _FOLDERS.get(name, name).partition(":")
    folder = (root or Path()) / Path(path).expanduser()
    if root is None and not (folder.is_absolute() or folder.is_dir()):
        raise FileNotFoundError(f"data set {name!r}: {folder} is no folder and no data_root was given; add it")
    if f"{reader}:" == _IMAGE_FOLDER:
        read = image_folder.load(folder, resolution, cache, verify=verify)
    elif f"{reader}:" == _COCO:
        read = coco.load(folder, resolution, cache, kind=kind, verify=verify)
    else:
        more = (kind, ignore_label, names)
        read = map_folder.load(folder, resolution, cache, *more, verify=verify)
    return RealData(*read, source=str(folder))


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


def shows_anything(data: ArraySet, indices: np.ndarray) -> bool:
    """Whether a label of any of these images counts: else there is nothing to learn, and no metric is defined."""
    nothing = {"boxes": NO_BOX, "keypoints": NO_BOX, "semantic": IGNORED}.get(data.label_kind, 0)
    labels = data.labels[..., 0] if data.label_kind in ("boxes", "keypoints", "instances") else data.labels
    return data.label_kind == "class_index" or any(bool((labels[i] != nothing).any()) for i in indices)


def subset(
    train: ArraySet,
    *,
    fraction: float | None = None,
    count: int | None = None,
    seed: int,
    balanced: bool | None = None,
) -> np.ndarray:
    """Indices (s,) of a draw by `count`, or by `fraction` in (0, 1] of the set; int64, in draw order.

    For one seed a smaller draw is the beginning of a larger one. balanced: class counts differ by one at most until
    a class has no image left, where an image with several classes counts for the rarest of them; otherwise every image
    is as likely as any. Left out, it is so where each image has one class. Raises TaskError for an impossible draw.
    """
    if (fraction is None) == (count is None):
        raise TaskError("subset: give either fraction or count")
    if fraction is not None:
        if not 0 < fraction <= 1:
            raise TaskError(f"subset: fraction must lie in (0, 1], not {fraction}")
        count = round(fraction * len(train))
    if count is None or not 1 <= count <= len(train):
        raise TaskError(f"subset: {count} images were asked for, the set has {len(train)}")
    rng = np.random.default_rng(seed)
    if balanced or (balanced is None and train.label_kind == "class_index"):
        return _round_robin(_rarest_classes(train), rng)[:count]
    return rng.permutation(len(train))[:count]


def _rarest_classes(data: ArraySet) -> np.ndarray:
    """One class (N,) for each image: the rarest of those that it shows, or a class of its own for those without any."""
    known, labels = len(data.class_names), data.labels
    if data.label_kind == "class_index":
        return labels
    if data.label_kind not in ("class_set", "boxes", "semantic", "keypoints"):
        raise TaskError(f"subset: {data.label_kind} labels have no classes to balance; set balanced to false")
    shows = np.zeros((len(data), known), bool)
    for place, label in zip(shows, labels, strict=True):
        if data.label_kind == "class_set":
            place[:] = label > 0
        else:
            numbers = np.unique(label[:, 0] if data.label_kind in ("boxes", "keypoints") else label).astype(int)
            place[numbers[(numbers >= 0) & (numbers < known)]] = True
    images_of = np.where(shows, shows.sum(axis=0), len(data) + 1)
    return np.where(shows.any(axis=1), images_of.argmin(axis=1), known)


def folds(indices: np.ndarray, labels: np.ndarray, k: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """k pairs (train, validation) of `indices`, each index in one validation part.

    labels: of the whole set, looked up by `indices`; where they are class indices (N,), the parts are class-balanced.
    Raises TaskError for k outside 2..len(indices).
    """
    if not 2 <= k <= len(indices):
        raise TaskError(f"folds: k must lie in 2..{len(indices)}, not {k}")
    one_class = labels if labels.ndim == 1 else np.zeros(len(labels), np.int64)
    dealt = _sorted_by_class(one_class[indices], np.random.default_rng(seed))
    parts = [indices[dealt[fold::k]] for fold in range(k)]
    return [(np.concatenate(parts[:fold] + parts[fold + 1 :]), parts[fold]) for fold in range(k)]


def _sorted_by_class(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions (N,) grouped by class, shuffled within each."""
    shuffled = rng.permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


def _round_robin(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All positions (N,) in rounds: one image of every class that has any left, the classes shuffled in each round."""
    grouped = _sorted_by_class(labels, rng)
    counts = np.bincount(labels)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    rounds = np.arange(len(labels)) - starts
    return grouped[np.lexsort((rng.random(len(labels)), rounds))]
