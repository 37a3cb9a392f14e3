"""Everything that can be wrong with the pictures of a listed set, and what is told of them: all are opened, once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.base import TaskError
from tasks.data.cache.split import Split
from tasks.data.readers.class_levels import counts_in_words, first_of
from tasks.data.readers.images import turned_size
from tasks.data.readers.pictures import (
    Picture,
    Tell,
    bits_in_words,
    copies_in_words,
    files_by_content,
    look_at,
    twins_in_words,
)
from tasks.data.readers.sizes import Sizes, views_in_words
from tasks.label_forms import FORMS, IGNORED

# of a larger split so many pictures are opened, evenly spread: it takes minutes as it is
_MOST_OPENED = 200_000
_TEST = {"train": "training", "test": "test"}


def overview(splits: dict[str, Split], cache: Path, tell: Tell) -> tuple[list[str], Sizes]:
    """Lines to tell of a set, and how large its training pictures and their objects are.

    Raises TaskError naming the first picture that is no use, or a set that is no task.
    """
    lines: list[str] = []
    contents, shown, sizes, seen = {}, {}, {}, _Classes()
    for name, split in splits.items():
        places = opened_of(len(split))
        if len(places) < len(split):
            lines.append(
                f"{name}: {len(places):,} of {len(split):,} pictures were opened; the others when they are drawn"
            )
        files = [split.files(index) for index in places]
        facts = look_at(split.root, [each[0] for each in files], cache, tell)
        labelled = split.labelled_sizes(places)
        if FORMS[split.label_kind].is_map and labelled is None:
            maps = look_at(split.root, [each[1] for each in files], cache, tell, numbers=split.label_kind == "semantic")
            labelled = [maps[each[1]].size for each in files]
            lines += _numbers_in_words(name, split, [maps[each[1]] for each in files])
        pictures = [facts[each[0]] for each in files]
        lines += bits_in_words(split.root, pictures)
        seen.add(split, places, pictures)
        lines += views_in_words(split.root, [each[0] for each in files], pictures, labelled)
        contents[name] = [picture.content for picture in pictures]
        lines += copies_in_words(name, [each[0] for each in files], contents[name])
        shown[name] = split.classes_there()
        whole = labelled or [turned_size(picture.size, picture.orientation) for picture in pictures]
        sizes[name] = Sizes(np.array(whole, float).reshape(-1, 2), *split.boxes(places))
    lines += seen.twins()
    lines += _shared(contents) + _classes_in_words(splits["train"].class_names, shown)
    return list(dict.fromkeys(lines)), sizes["train"]


def split_by_content(split: Split, cache: Path, tell: Tell) -> dict[str, str]:
    """The pictures of a split that were opened, by the hash of their bytes."""
    return files_by_content(split.root, [split.files(index)[0] for index in opened_of(len(split))], cache, tell)


class _Classes:
    """The class of each picture of a set where it has one."""

    def __init__(self) -> None:
        self._root, self._files, self._pictures, self._names = Path(), list[str](), list[Picture](), list[str]()

    def add(self, split: Split, places: Sequence[int], pictures: Sequence[Picture]) -> None:
        """The pictures of a split."""
        if split.label_kind != "class_index":
            return
        self._root = split.root
        self._files += [split.files(index)[0] for index in places]
        self._pictures += pictures
        self._names += [split.class_names[int(split.labels[index])] for index in places]

    def twins(self) -> list[str]:
        """A line on pictures in several classes."""
        return twins_in_words(self._root, self._files, self._pictures, self._names)


def classes_counted(split: Split) -> str:
    """The classes of a split by name with their pictures; empty where a picture has no one class."""
    if split.label_kind != "class_index":
        return ""
    counts = np.bincount(np.asarray(split.labels, int), minlength=len(split.class_names))
    return counts_in_words(dict(zip(split.class_names, counts.tolist(), strict=True)))


def opened_of(count: int) -> list[int]:
    """Which of so many pictures are opened: all, or an even part of very many."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_OPENED)).astype(int)).tolist() if count else []


def _shared(contents: dict[str, list[str]]) -> list[str]:
    train = set(contents["train"])
    shared = sum(content in train for content in contents["test"])
    if not shared:
        return []
    return [
        f"{shared:,} of the {len(contents['test']):,} test pictures are training pictures too, byte by byte; their"
        " error is that of pictures learnt by heart"
    ]


def _classes_in_words(names: Sequence[str], shown: dict[str, np.ndarray | None]) -> list[str]:
    lines = []
    for one, other in (("train", "test"), ("test", "train")):
        here, there = shown[one], shown[other]
        if here is None or there is None:
            continue
        only = [name for name, a, b in zip(names, here, there, strict=False) if a and not b]
        if only:
            lines.append(f"{len(only):,} of {len(names):,} classes are in no {_TEST[other]} picture: {first_of(only)}")
    return lines


def _numbers_in_words(name: str, split: Split, maps: list[Picture]) -> list[str]:
    """What class numbers the maps show; TaskError where they leave one class, of which nothing can be learnt."""
    if split.label_kind != "semantic":
        return []
    there = {number for each in maps for number in each.numbers}
    classes = split.classes_there()
    known = 0 if classes is None else int(classes.sum())
    if known < 2:
        shown = ", ".join(str(number) for number in sorted(there))
        void = f" {IGNORED} does not count; write 1 in its place, or another number below {IGNORED}." * (
            IGNORED in there
        )
        raise TaskError(
            f"{split.root}: the {_TEST[name]} maps show one class at most, by the numbers {shown}.{void} Two classes"
            " are needed to be told apart"
        )
    lines = []
    numbers = [number for number in sorted(there) if number != IGNORED]
    if len(split.class_names) > len(numbers) + 1 and numbers[-1] == len(split.class_names) - 1 and known <= 3:
        lines.append(
            f"{name}: maps show the numbers {', '.join(map(str, numbers))} alone, which make {len(split.class_names):,}"
            " classes; number classes 0, 1, 2, ... where these are grey levels"
        )
    return lines
