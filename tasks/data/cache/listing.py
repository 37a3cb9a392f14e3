"""What a data set holds, listed once and kept by name: its files, labels and class names, and no pixels.

A folder of arrays that are mapped into memory: a set of a million photographs is opened in milliseconds.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import TaskError
from tasks.data.cache.whole import SPLITS, VERSION
from tasks.data.readers.whole_folder import decoded_once

_META = "set.json"


@dataclass(frozen=True)
class Found:
    """One split of a set as its reader found it, an entry an image.

    items: JSON-ready, what the reader decodes an image from. files: those of each image, below the set's folder.
    labels: an array with a row an image; None where the label is a map, which is decoded with its image. shown: which
    classes the map of an image shows, bool (N, 256), where that was looked up.
    """

    items: Sequence[Any]
    files: Sequence[tuple[str, ...]]
    labels: np.ndarray | None = None
    shown: np.ndarray | None = None


@dataclass(frozen=True)
class FoundSet:
    """A whole set as its reader found it.

    lists: files besides those of single images that say what is in it. lines: what a user is told of it.
    """

    splits: dict[str, Found]
    class_names: tuple[str, ...]
    keypoint_names: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


class Items:
    """The items of one split, each read when it is asked for."""

    def __init__(self, ends: np.ndarray, text: np.ndarray) -> None:
        self._ends, self._text = ends, text

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Any:
        start = int(self._ends[index - 1]) if index else 0
        return json.loads(self._text[start : int(self._ends[index])].tobytes())


@dataclass(frozen=True, eq=False)
class ListedSplit:
    """One split of a listing; `states` says of each image what its files' sizes and times were, uint64 (N,)."""

    items: Items
    states: np.ndarray
    labels: np.ndarray | None
    shown: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Listing:
    """A listed set. name: of its folder in the cache. root: the folder that its files lie in. sha256: of the files'

    names below that folder and sizes, of the labels and names, and of how they are decoded: not of any pixels, times or
    of where the folder lies. lines: what a user is told of the set, where it was looked through just now.
    """

    name: str
    root: Path
    sha256: str
    class_names: tuple[str, ...]
    keypoint_names: tuple[str, ...]
    splits: dict[str, ListedSplit]
    lines: tuple[str, ...] = ()


def state_of(root: Path, files: Iterable[str]) -> int:
    """A number for the sizes and times of an image's files, which changes with them; TaskError for a missing one."""
    return _state(_facts(root, files))


def _facts(root: Path, files: Iterable[str]) -> list[tuple[int, int, int]]:
    facts = []
    for file in files:
        try:
            found = os.stat(f"{root}/{file}")
        except FileNotFoundError:
            raise TaskError(f"image {root / file} is not there; add it, or take out its line or link") from None
        # a copy or a renamed file can bring any modification time
        facts.append((found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return facts


def _state(facts: list[tuple[int, int, int]]) -> int:
    return int.from_bytes(hashlib.blake2b(repr(facts).encode(), digest_size=8).digest(), "little")


def list_set(
    root: Path, cache: Path, settings: tuple[Any, ...], find: Callable[[], FoundSet], *, verify: bool = False
) -> Listing:
    """List the set in the folder `root`, with every file's size and time looked at, and keep that under `cache`.

    settings: JSON-ready, all that its labels and squares depend on besides its files. A set that did not change keeps
    the name that it had. With `verify` a damaged listing is made anew. Raises TaskError for a missing file.
    """
    root = root.resolve()
    found = find()
    # what the set is wherever it lies, and by which files it is known here
    content, here = hashlib.sha256(), hashlib.sha256(repr(str(root)).encode())
    content.update(repr((VERSION, settings, found.class_names, found.keypoint_names)).encode())
    here.update(repr(_facts(root, found.lists)).encode())
    rows: dict[str, tuple[list[bytes], np.ndarray]] = {}
    for split in SPLITS:
        each = found.splits[split]
        texts = [json.dumps(item, separators=(",", ":")).encode() for item in each.items]
        facts = [_facts(root, files) for files in each.files]
        states = np.array([_state(of_image) for of_image in facts], np.uint64)
        rows[split] = texts, states
        here.update(states.tobytes())
        for text, of_image in zip(texts, facts, strict=True):
            content.update(text + repr([size for size, *_ in of_image]).encode())
        if each.labels is not None:
            content.update(repr(each.labels.shape).encode() + np.ascontiguousarray(each.labels).tobytes())
    here.update(content.digest())
    name = f"{root.name}-{here.hexdigest()[:24]}"

    def write(partial: Path) -> None:
        for split, (texts, states) in rows.items():
            np.save(partial / f"{split}-text.npy", np.frombuffer(b"".join(texts), np.uint8))
            np.save(partial / f"{split}-ends.npy", np.cumsum([len(text) for text in texts], dtype=np.int64))
            np.save(partial / f"{split}-states.npy", states)
            each = found.splits[split]
            for kind, array in (("labels", each.labels), ("shown", each.shown)):
                if array is not None:
                    np.save(partial / f"{split}-{kind}.npy", array)
        names = {"class_names": found.class_names, "keypoint_names": found.keypoint_names}
        meta = {"root": str(root), "sha256": content.hexdigest()} | names
        (partial / _META).write_text(json.dumps(meta))

    decoded_once(cache / "listed" / name, write, verify=verify)
    return replace(read_listing(cache, name), lines=found.lines)


def read_listing(cache: Path, name: str) -> Listing:
    """A listing that was kept; none of the set's files is looked at. FileNotFoundError where it is not there."""
    folder = cache / "listed" / name
    meta = json.loads((folder / _META).read_text())
    splits = {
        split: ListedSplit(
            Items(_mapped(folder / f"{split}-ends.npy"), _mapped(folder / f"{split}-text.npy")),
            _mapped(folder / f"{split}-states.npy"),
            _there(folder / f"{split}-labels.npy"),
            _there(folder / f"{split}-shown.npy"),
        )
        for split in SPLITS
    }
    names = tuple(meta["class_names"]), tuple(meta["keypoint_names"])
    return Listing(name, Path(meta["root"]), meta["sha256"], *names, splits)


def _mapped(file: Path) -> np.ndarray:
    return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))


def _there(file: Path) -> np.ndarray | None:
    return _mapped(file) if file.is_file() else None
