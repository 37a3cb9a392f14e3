"""Sets that are decoded whole, because one file holds all of their images: uint8 memory maps, made once."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tasks.base import ArraySet
from tasks.data.readers.whole_folder import CHECKSUMS, decoded_once

SPLITS = ("train", "test")
# bumped when the pixels or labels that decoding gives change, so that no old cache is read
VERSION = 3

Build = Callable[[Path], dict[str, tuple[np.ndarray, tuple[str, ...]]]]


def fingerprint(files: list[Path], *settings: object) -> str:
    """A name for the content that `files` decode to with `settings`: from paths, sizes and times.

    The time of the last change to a file's entry counts too: a copy or a renamed file can bring any modification time.
    """
    digest = hashlib.sha256(repr((VERSION, settings)).encode())
    for file in files:
        facts = file.stat()
        times = facts.st_mtime_ns, facts.st_ctime_ns
        digest.update(repr((str(file.resolve()), facts.st_size, times)).encode())
    return digest.hexdigest()[:24]


def cached(folder: Path, build: Build, *, verify: bool = False) -> tuple[ArraySet, ArraySet, str]:
    """(train, test, sha256 of their pixels, labels and class names) from `folder`.

    Where it does not exist yet, `build(temporary folder)` makes it first: it writes SPLIT.npy (uint8 (N, H, W, 1 or 3))
    for both splits and returns (class indices (N,), class names). With `verify` a damaged folder is made anew
    (`decoded_once`).
    """

    def decode(partial: Path) -> None:
        for split, (labels, class_names) in build(partial).items():
            np.save(partial / f"{split}-labels.npy", labels)
            (partial / f"{split}-classes.json").write_text(json.dumps(class_names))

    decoded_once(folder, decode, verify=verify)
    train, test = (_read(folder, split) for split in SPLITS)
    return train, test, hashlib.sha256((folder / CHECKSUMS).read_bytes()).hexdigest()


def _read(folder: Path, split: str) -> ArraySet:
    images = np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False)
    if images.shape[3] == 1:
        # grey stays one channel on disk; three views of it cost nothing
        images = np.broadcast_to(images, (*images.shape[:3], 3))
    labels = np.load(folder / f"{split}-labels.npy", allow_pickle=False)
    names = tuple(json.loads((folder / f"{split}-classes.json").read_text()))
    return ArraySet(images, labels, names, "class_index")
