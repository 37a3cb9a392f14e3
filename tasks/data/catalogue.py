"""Real images for fine-tuning, found by name and decoded once into a uint8 memory map."""

import os
from dataclasses import dataclass
from pathlib import Path

from tasks.base import ArraySet, TaskError
from tasks.data import clothing, coco, fashion_mnist, image_folder, map_folder
from tasks.label_forms import LabelKind

_IMAGE_FOLDER, _COCO, _MAPS = "imagefolder:", "coco:", "masks:"
# full-scale sets by name: where they lie under data_root, and the class number that ADE20K ignores
_FOLDERS = {"imagenet": f"{_IMAGE_FOLDER}imagenet", "coco": f"{_COCO}coco", "ade20k": f"{_MAPS}ADEChallengeData2016"}
_ADE20K_IGNORES = 0
# CamVid's 11 classes, and the class number that it ignores
_CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
_CAMVID_VOID = 11
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
        name, ignore_label, names = f"{_MAPS}camvid", _CAMVID_VOID, _CAMVID
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
