"""Real images for fine-tuning, found by name and decoded once into a uint8 memory map."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks import clothing, fashion_mnist, image_folder
from tasks.base import ArraySet, TaskError

_FOLDER_PREFIX = "imagefolder:"
_NAMES = ("fashion-mnist", "clothing", f"{_FOLDER_PREFIX}PATH")


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
    name: str, data_root: Path | str | None, resolution: int, *, cache_dir: Path | None = None, verify: bool = False
) -> RealData:
    """The data set `name` as square images of `resolution` pixels, decoded once into `cache_dir` (`cache_root()`).

    name: "fashion-mnist", "clothing" or "imagefolder:PATH" (PATH/{train,test}/CLASS/*, relative to data_root).
    data_root: a folder of the user's own data, looked into first; None = there is none.
    verify: whether to check the decoded images' bytes, and decode damaged ones again.
    Raises FileNotFoundError saying what was looked for and where, and TaskError (a ValueError) naming a bad file.
    """
    if resolution < 8:
        raise TaskError(f"data set {name!r}: resolution must be at least 8 pixels, not {resolution}")
    root = None if data_root is None else Path(data_root).expanduser()
    if root is not None and not root.is_dir():
        raise FileNotFoundError(f"data_root {root} is not a folder; correct it, or leave it out of the config")
    cache = cache_dir or cache_root()
    if name == "fashion-mnist":
        folder, source = fashion_mnist.find(root, cache / "downloads")
        return RealData(*fashion_mnist.load(folder, resolution, cache, verify=verify), source=source)
    if name == "clothing":
        folder, source = clothing.find(root, cache / "downloads")
        return RealData(*image_folder.load(folder, resolution, cache, verify=verify), source=source)
    if name.startswith(_FOLDER_PREFIX) and len(name) > len(_FOLDER_PREFIX):
        folder = (root or Path()) / Path(name.removeprefix(_FOLDER_PREFIX)).expanduser()
        return RealData(*image_folder.load(folder, resolution, cache, verify=verify), source=str(folder))
    raise TaskError(f"unknown data set {name!r}; known data sets: {', '.join(_NAMES)}")


def subset(train: ArraySet, *, fraction: float | None = None, count: int | None = None, seed: int) -> np.ndarray:
    """Indices (s,) of a class-balanced draw by `count`, or by `fraction` in (0, 1] of the set; int64, in draw order.

    For one seed a smaller draw is the beginning of a larger one. Class counts differ by one at most until a class
    has no image left. Raises TaskError where the draw is not possible.
    """
    if (fraction is None) == (count is None):
        raise TaskError("subset: give either fraction or count")
    if fraction is not None:
        if not 0 < fraction <= 1:
            raise TaskError(f"subset: fraction must lie in (0, 1], not {fraction}")
        count = round(fraction * len(train))
    if count is None or not 1 <= count <= len(train):
        raise TaskError(f"subset: {count} images were asked for, the set has {len(train)}")
    if train.label_kind != "class_index":
        raise TaskError(f"subset: needs class_index labels, the data set has {train.label_kind}")
    return _round_robin(train.labels, np.random.default_rng(seed))[:count]


def folds(indices: np.ndarray, labels: np.ndarray, k: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """k pairs (train, validation) of `indices`, class-balanced, each index in one validation part.

    labels: class indices (N,) of the whole set, looked up by `indices`. Raises TaskError for k outside 2..len(indices).
    """
    if not 2 <= k <= len(indices):
        raise TaskError(f"folds: k must lie in 2..{len(indices)}, not {k}")
    dealt = _sorted_by_class(labels[indices], np.random.default_rng(seed))
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
