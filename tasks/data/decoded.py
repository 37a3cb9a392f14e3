"""Decoded images on disk: a folder of uint8 memory maps, labels and checksums, made whole or not at all."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from tasks.base import ArraySet
from tasks.data.readers.whole_folder import CHECKSUMS, decoded_once
from tasks.label_forms import FORMS, LabelKind

SPLITS = ("train", "test")
# bumped when the pixels or labels that decoding gives change, so that no old cache is read
_VERSION = 3
# what a build writes beside the labels where objects have keypoints: the names of those
KEYPOINT_NAMES = "keypoints.json"

Build = Callable[[Path], dict[str, tuple[np.ndarray | None, tuple[str, ...]]]]
Item = TypeVar("Item")


def fingerprint(files: list[Path], *settings: object) -> str:
    """A name for the content that `files` decode to with `settings`: from paths, sizes and times.

    The time of the last change to a file's entry counts too: a copy or a renamed file can bring any modification time.
    """
    digest = hashlib.sha256(repr((_VERSION, settings)).encode())
    for file in files:
        facts = file.stat()
        times = facts.st_mtime_ns, facts.st_ctime_ns
        digest.update(repr((str(file.resolve()), facts.st_size, times)).encode())
    return digest.hexdigest()[:24]


def cached(
    folder: Path, build: Build, *, kind: LabelKind = "class_index", verify: bool = False
) -> tuple[ArraySet, ArraySet, str]:
    """(train, test, sha256 of their pixels, labels and class names) from `folder`.

    Where it does not exist yet, `build(temporary folder)` makes it first: it writes SPLIT.npy (uint8 (N, H, W, 1 or 3))
    for both splits and returns (labels, class names), None for labels where it wrote SPLIT-labels.npy itself; with
    keypoints it also writes KEYPOINT_NAMES. With `verify` a damaged folder is made anew (`decoded_once`).
    """

    def decode(partial: Path) -> None:
        for split, (labels, class_names) in build(partial).items():
            if labels is not None:
                np.save(partial / f"{split}-labels.npy", labels)
            (partial / f"{split}-classes.json").write_text(json.dumps(class_names))

    decoded_once(folder, decode, verify=verify)
    train, test = (_read(folder, split, kind) for split in SPLITS)
    return train, test, hashlib.sha256((folder / CHECKSUMS).read_bytes()).hexdigest()


def decode_all(
    items: Sequence[Item], decode: Callable[[Item], np.ndarray], target: Path, shape: tuple[int, ...], dtype: type
) -> None:
    """Write decode(item) of every item, each of `shape`, into the memory map `target`, several at a time."""
    out = np.lib.format.open_memmap(target, mode="w+", dtype=dtype, shape=(len(items), *shape))
    # Pillow decodes outside Python's lock, so threads do run side by side
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, decoded in enumerate(pool.map(decode, items)):
            out[index] = decoded
    out.flush()


def _read(folder: Path, split: str, kind: LabelKind) -> ArraySet:
    images = np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False)
    if images.shape[3] == 1:
        # grey stays one channel on disk; three views of it cost nothing
        images = np.broadcast_to(images, (*images.shape[:3], 3))
    # a map for every image is read as it is needed, too
    lazily: Literal["r"] | None = "r" if FORMS[kind].is_map else None
    labels = np.load(folder / f"{split}-labels.npy", mmap_mode=lazily, allow_pickle=False)
    names = tuple(json.loads((folder / f"{split}-classes.json").read_text()))
    keypoints = json.loads((folder / KEYPOINT_NAMES).read_text()) if FORMS[kind].keypoints else ()
    return ArraySet(images, labels, names, kind, tuple(keypoints))
