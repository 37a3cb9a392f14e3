"""The splits that a YOLO folder declares: train, val and test of its YAML file, or train and valid of Darknet's .data.

Each names a folder, a text with a picture a line, or several of these. Paths are meant from anywhere, such as
`../train/images` or `/content/set/images/day1`: what counts is the longest end of one that lies in the folder.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tasks.base import TaskError
from tasks.data.readers.files import SplitName, photographs_among, suffix_of

_SAYS = (".yaml", ".yml", ".data")
_KEYS: dict[str, SplitName] = {"train": "train", "val": "val", "valid": "val", "test": "test"}


def read_text(file: Path) -> str:
    """What a text of the set holds; TaskError where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise TaskError(f"{file} cannot be read ({error}); mend it") from error


def read_yaml(file: Path) -> Any:
    """What a YAML file holds; TaskError where it cannot be read."""
    try:
        return yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise TaskError(f"{file} cannot be read ({' '.join(str(error).split())}); mend it") from error


def declared_splits(root: Path, files: Sequence[str]) -> tuple[dict[str, SplitName], list[str]]:
    """The split of each picture that the set's own file gives one, and lines to tell; none where no file says any.

    files: those below `root`. Where training and testing name the same pictures nothing is declared, and it is told.
    """
    pictures = photographs_among(files)
    # of the folder itself, or of data/ where CVAT's names may lie: deeper ones are other programs'
    for file in [each for each in files if suffix_of(each) in _SAYS and each.removeprefix("data/").count("/") == 0]:
        told = _told(root / file)
        if not any(split == "train" for split, _ in told):
            continue
        of_split: dict[SplitName, set[str]] = {}
        lines: list[str] = []
        for split, place in told:
            found = _named(root, pictures, place)
            of_split.setdefault(split, set()).update(found)
            if not found:
                lines.append(f"{root / file}: {split} is {place}, where no picture of the folder lies")
        return _apart(root / file, of_split, lines)
    return {}, []


def _apart(
    file: Path, of_split: Mapping[SplitName, set[str]], lines: list[str]
) -> tuple[dict[str, SplitName], list[str]]:
    train, tested = of_split["train"], of_split.get("val", set()) | of_split.get("test", set())
    if not train or not tested:
        return {}, lines
    if train & tested:
        both = f"{len(train & tested):,} pictures are of training and of testing in it; its splits are not followed"
        return {}, [*lines, f"{file}: {both}"]
    return {name: split for split, names in of_split.items() for name in names}, lines


def _told(file: Path) -> list[tuple[SplitName, str]]:
    """The places that a file names for each split."""
    if suffix_of(file.name) == ".data":
        pairs = [line.split("=", 1) for line in _lines(file) if "=" in line]
        content: Any = {key.strip(): value.strip() for key, value in pairs}
    else:
        content = read_yaml(file)
    if not isinstance(content, dict):
        return []
    given = [(split, content[key]) for key, split in _KEYS.items() if content.get(key)]
    return [
        (split, str(place)) for split, places in given for place in (places if isinstance(places, list) else [places])
    ]


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in read_text(file).splitlines() if line.strip()]


def _named(root: Path, pictures: Sequence[str], place: str) -> set[str]:
    """Those of the pictures below `root` that a place names."""
    if suffix_of(place) == ".txt":
        listed = next((tail for tail in _tails(place) if (root / tail).is_file()), None)
        there = set(pictures)
        lines = [] if listed is None else _lines(root / listed)
        ends = (next((tail for tail in _tails(line) if tail in there), None) for line in lines)
        return {end for end in ends if end is not None}
    if not _parts(place):
        return set(pictures)
    folder = next((tail for tail in _tails(place) if (root / tail).is_dir()), None)
    return set() if folder is None else {file for file in pictures if file.startswith(f"{folder}/")}


def _parts(place: str) -> list[str]:
    return [part for part in PurePosixPath(place.replace("\\", "/")).parts if part not in ("/", "..", ".")]


def _tails(place: str) -> Iterable[str]:
    """The ends of a path, the longest first."""
    parts = _parts(place)
    return ("/".join(parts[start:]) for start in range(len(parts)))
