"""Which pictures of a set are learnt from and which are tested on: as its folders say, or parted by the program."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from tasks.base import TaskError
from tasks.data.readers.files import SplitName
from tasks.data.readers.pictures import look_at

# of a set that says nothing of a split
TEST_FRACTION = 0.2

log = logging.getLogger("sweeper")
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Parting:
    """How a set without a split is parted. fraction: of it that is tested on; None: TEST_FRACTION, where none is.

    seed: of the choice. cache: where facts of pictures are kept.
    """

    fraction: float | None
    seed: int
    cache: Path


@dataclass(frozen=True)
class Parts(Generic[Entry]):
    """What is learnt from and what is tested on, and lines to tell."""

    train: list[Entry]
    test: list[Entry]
    lines: tuple[str, ...] = ()


def two_parts(
    root: Path,
    of_split: Mapping[SplitName | None, list[Entry]],
    file_of: Callable[[Entry], str],
    parting: Parting,
    *,
    every: bool = False,
    class_of: Callable[[Entry], int] | None = None,
) -> Parts[Entry]:
    """The entries of a set below `root` for training and for testing.

    file_of: an entry's picture, below `root`. every: whether a set with test and val is tested on both, and not on test
    alone. class_of: of sets whose pictures have one class, so that each class is parted. Without a split, or with a
    fraction and nothing to test on, the program parts them. Raises TaskError for a fraction of a set that has a test
    split; KeyError naming the split that is missing.
    """
    tests = [of_split[split] for split in ("test", "val") if split in of_split]
    whole = of_split.get(None) if None in of_split else of_split["train"]
    if None not in of_split and tests:
        if parting.fraction is not None:
            raise TaskError(f"{root} has images for testing of its own; leave test_fraction out")
        return Parts(of_split["train"], [entry for each in tests[: None if every else 1] for entry in each])
    assert whole is not None
    if None not in of_split and parting.fraction is None:
        raise KeyError("test")
    fraction = TEST_FRACTION if parting.fraction is None else parting.fraction
    files = [file_of(entry) for entry in whole]
    facts = look_at(root, files, parting.cache, log.warning)
    classes = None if class_of is None else np.array([class_of(entry) for entry in whole])
    contents = [facts[file].content for file in files]
    tested = parted(contents, fraction, parting.seed, classes)
    by = "content" if len(set(contents)) > 1 else "places, as all are one picture byte by byte,"
    line = (
        f"{root} has no split: {int(tested.sum()):,} of its {len(whole):,} images are kept for testing, by their"
        f" {by} and seed {parting.seed} (finetune.test_fraction: {fraction:g})"
    )
    train, test = ([each for each, is_test in zip(whole, tested, strict=True) if is_test == part] for part in (0, 1))
    return Parts(train, test, (line,))


def parted(contents: Sequence[str], fraction: float, seed: int, classes: np.ndarray | None = None) -> np.ndarray:
    """Which of N pictures are tested on, bool (N,): about `fraction` of them, one at least and not all.

    contents: a hash of each picture's bytes; those of the same bytes stay together, and what a picture is decides with
    the seed where it goes, whatever it is called. Where all are the same, their places decide. classes: of each
    picture, int (N,), to take a part of each class. Raises TaskError for fewer than two pictures.
    """
    if len(contents) < 2:
        raise TaskError(f"{len(contents)} images cannot be parted into some to learn from and some to be tested on")
    if len(set(contents)) < 2:
        contents = [f"{content} {place}" for place, content in enumerate(contents)]
    parts = np.zeros(len(contents), np.int64) if classes is None else classes
    chosen: set[str] = set()
    for part in np.unique(parts):
        members = [contents[int(place)] for place in np.flatnonzero(parts == part)]
        chosen |= _drawn(members, fraction, seed)
    return np.array([content in chosen for content in contents])


def _drawn(contents: Sequence[str], fraction: float, seed: int) -> set[str]:
    """About a fraction of these, one at least where there are two and never all."""
    counts = Counter(contents)
    order = sorted(counts, key=lambda content: hashlib.sha256(f"{seed} {content}".encode()).digest())
    wanted, taken, chosen = max(1, round(fraction * len(contents))), 0, set[str]()
    for content in order[:-1]:
        if taken >= wanted:
            break
        chosen.add(content)
        taken += counts[content]
    return chosen
