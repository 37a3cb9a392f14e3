"""Decoded images on disk: a folder with a uint8 memory map and labels a split, made whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tasks.base import ArraySet

SPLITS = ("train", "test")
# bumped when the pixels that decoding gives change, so that no old cache is read
_VERSION = 1

Build = Callable[[Path], dict[str, tuple[np.ndarray, tuple[str, ...]]]]


def fingerprint(files: list[Path], *settings: object) -> str:
    """A name for the content that `files` decode to with `settings`: from paths, sizes and modification times."""
    digest = hashlib.sha256(repr((_VERSION, settings)).encode())
    for file in files:
        facts = file.stat()
        digest.update(repr((str(file.resolve()), facts.st_size, facts.st_mtime_ns)).encode())
    return digest.hexdigest()[:24]


def cached(folder: Path, build: Build) -> tuple[ArraySet, ArraySet]:
    """(train, test) from `folder`; where it does not exist yet, `build(temporary folder)` makes it first.

    build writes SPLIT.npy (uint8 (N, H, W, 1 or 3)) for both splits and returns their labels and class names. Two
    processes may race: the later one drops its own work.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for split, (labels, class_names) in build(partial).items():
                np.save(partial / f"{split}-labels.npy", labels)
                (partial / f"{split}-classes.json").write_text(json.dumps(class_names))
            _publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    train, test = (_read(folder, split) for split in SPLITS)
    return train, test


def _publish(partial: Path, folder: Path) -> None:
    try:
        os.rename(partial, folder)
    except OSError:
        # another process was first; a rename onto a filled folder changes nothing
        if not folder.is_dir():
            raise


def _read(folder: Path, split: str) -> ArraySet:
    images = np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False)
    if images.shape[3] == 1:
        # grey stays one channel on disk; three views of it cost nothing
        images = np.broadcast_to(images, (*images.shape[:3], 3))
    labels = np.load(folder / f"{split}-labels.npy", allow_pickle=False)
    return ArraySet(images, labels, tuple(json.loads((folder / f"{split}-classes.json").read_text())))
