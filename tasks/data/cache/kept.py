"""A set that photographs were added to, with those in it that it had before."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasks.base import TaskError
from tasks.data.cache.listing import Found, FoundSet
from tasks.data.cache.whole import SPLITS
from tasks.label_forms import NO_BOX


@dataclass(frozen=True)
class Kept:
    """Which images a set had. train, test: the hashes of their items, in order. more: whether those that came since

    are learnt from as well, behind the others; none of them is tested on.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    more: bool = False


def item_hash(item: Any) -> str:
    """What tells an item from every other of its set."""
    return hashlib.sha256(json.dumps(item, separators=(",", ":")).encode()).hexdigest()[:32]


def as_kept(found: FoundSet, kept: Kept) -> FoundSet:
    """The set with the images that were kept, in the splits that they were in; TaskError where one is not there."""
    every = _joined([found.splits[split] for split in SPLITS])
    place = {item_hash(item): number for number, item in enumerate(every.items)}
    wanted = kept.train, kept.test
    missing = sum(each not in place for part in wanted for each in part)
    if missing:
        raise TaskError(f"{missing:,} of the images that the set had are not there, or have other labels")
    train, test = ([place[each] for each in part] for part in wanted)
    if kept.more:
        known = {*train, *test}
        train += [number for number in range(len(every.items)) if number not in known]
    return replace(found, splits={"train": _taken(every, train), "test": _taken(every, test)})


def _joined(parts: Sequence[Found]) -> Found:
    first = parts[0]
    items = [item for part in parts for item in part.items]
    files = [file for part in parts for file in part.files]
    labels = None if first.labels is None else _stacked([part.labels for part in parts if part.labels is not None])
    shown = None if first.shown is None else np.concatenate([part.shown for part in parts if part.shown is not None])
    return Found(items, files, labels, shown)


def _stacked(labels: Sequence[np.ndarray]) -> np.ndarray:
    """Labels of several parts, rows of objects padded to the most that an image has."""
    if labels[0].ndim == 3:
        most = max(each.shape[1] for each in labels)
        spare = [((0, 0), (0, most - each.shape[1]), (0, 0)) for each in labels]
        labels = [np.pad(each, room, constant_values=NO_BOX) for each, room in zip(labels, spare, strict=True)]
    return np.concatenate(labels)


def _taken(every: Found, numbers: Sequence[int]) -> Found:
    items, files = ([each[number] for number in numbers] for each in (every.items, every.files))
    labels, shown = (None if each is None else each[list(numbers)] for each in (every.labels, every.shown))
    if labels is not None and labels.ndim == 3:
        used = (labels[..., 0] != NO_BOX).any(axis=0)
        labels = labels[:, : int(used.sum())]
    return Found(items, files, labels, shown)
