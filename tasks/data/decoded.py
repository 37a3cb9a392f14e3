"""Decoded images on disk: a folder of uint8 memory maps, labels and checksums, made whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from tasks.base import ArraySet, LabelKind

SPLITS = ("train", "test")
# bumped when the pixels that decoding gives change, so that no old cache is read
_VERSION = 2
_CHECKSUMS = "sha256.json"
# what a build writes beside the labels where objects have keypoints: the names of those
KEYPOINT_NAMES = "keypoints.json"
# decoding writes its files all the time: a folder that has been still for so long is nobody's
_ABANDONED_S = 86400.0

log = logging.getLogger("sweeper")

Build = Callable[[Path], dict[str, tuple[np.ndarray | None, tuple[str, ...]]]]


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
    keypoints it also writes KEYPOINT_NAMES. Two processes may race: the later one drops its own work.
    With `verify` every byte is compared with what was written, and a damaged folder is made anew, which is said.
    """
    if verify and folder.is_dir() and not _is_whole(folder):
        log.warning("decoded images %s are damaged; decoding them again", folder)
        shutil.rmtree(folder)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for split, (labels, class_names) in build(partial).items():
                if labels is not None:
                    np.save(partial / f"{split}-labels.npy", labels)
                (partial / f"{split}-classes.json").write_text(json.dumps(class_names))
            (partial / _CHECKSUMS).write_text(json.dumps(_checksums(partial), sort_keys=True))
            _publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    train, test = (_read(folder, split, kind) for split in SPLITS)
    return train, test, hashlib.sha256((folder / _CHECKSUMS).read_bytes()).hexdigest()


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the list of them itself."""
    sums = {}
    for file in sorted(folder.iterdir()):
        if file.name != _CHECKSUMS:
            with file.open("rb") as stream:
                sums[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return sums


def _is_whole(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / _CHECKSUMS).read_text()) == _checksums(folder))
    except (OSError, ValueError):
        return False


def _remove_abandoned(folder: Path) -> None:
    """What a killed process left of the same folder."""
    for partial in folder.parent.glob(f".{folder.name}-*"):
        if time.time() - partial.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, folder: Path) -> None:
    try:
        os.rename(partial, folder)
    except OSError:
        # another process was first; a rename onto a filled folder changes nothing
        if not folder.is_dir():
            raise


def _read(folder: Path, split: str, kind: LabelKind) -> ArraySet:
    images = np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False)
    if images.shape[3] == 1:
        # grey stays one channel on disk; three views of it cost nothing
        images = np.broadcast_to(images, (*images.shape[:3], 3))
    # a map for every image is read as it is needed, too
    lazily: Literal["r"] | None = "r" if kind in ("instances", "semantic", "normals", "depth") else None
    labels = np.load(folder / f"{split}-labels.npy", mmap_mode=lazily, allow_pickle=False)
    names = tuple(json.loads((folder / f"{split}-classes.json").read_text()))
    keypoints = json.loads((folder / KEYPOINT_NAMES).read_text()) if kind == "keypoints" else ()
    return ArraySet(images, labels, names, kind, tuple(keypoints))
