"""What every picture of a set is, found by opening all of them once: sizes, which way up, content, class numbers.

Facts are kept by path, size and times of the file, so that a set of 100,000 is looked through once.
"""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.base import TaskError
from tasks.data.readers.images import (
    SIXTEEN_BITS,
    Colours,
    class_numbers,
    colours_of,
    is_whole_exif,
    orientation_of,
    reading,
    rgb,
)

# raised when other facts are kept
_VERSION = "3"
_BATCH = 256
_TELL_AFTER_S = 5.0
# by so many bytes nearly all pictures differ: what follows a JPEG's head
_BEGINNING_BYTES = 16384
# pictures of 16 bits that hold no more bits are black once scaled from 16, and with no more than the second are dark
_BLACK_BITS, _DARK_BITS = 12, 14

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Picture:
    """One picture.

    width and height in px as it is stored. orientation: as EXIF numbers it, None where that is malformed. content: the
    hash of the file's bytes. fault: why it is no use, empty where it is. numbers: of a map of class numbers, those that
    it shows. malformed: whether its EXIF is. highest: of 16 bits a channel, the highest number.
    """

    width: int = 0
    height: int = 0
    orientation: int | None = 1
    content: str = ""
    fault: str = ""
    numbers: tuple[int, ...] = ()
    malformed: bool = False
    highest: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px, as it is stored."""
        return self.width, self.height


def cache_root() -> Path:
    """Where decoded and downloaded data is kept: $XDG_CACHE_HOME/syn2real-sweeper, else ~/.cache/syn2real-sweeper."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "syn2real-sweeper"


def look_at(root: Path, files: Sequence[str], cache: Path, tell: Tell, *, numbers: bool = False) -> dict[str, Picture]:
    """The facts of these pictures below `root`, by their names. numbers: whether they are maps of class numbers.

    `tell` gets a line every few seconds. Raises TaskError naming the first that cannot be read, and how many cannot.
    """
    colours = colours_of(root) if numbers else None
    states = {file: _state(root / file, colours, numbers=numbers) for file in dict.fromkeys(files)}
    facts = _Facts(cache / "pictures.sqlite")
    found = facts.kept(root, states)
    left = [file for file in states if file not in found]
    began = told = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(left), _BATCH):
            part = left[start : start + _BATCH]
            looked = pool.map(lambda file: _looked(root / file, colours, numbers=numbers), part)
            new = dict(zip(part, looked, strict=True))
            facts.keep(root, states, new)
            found |= new
            if time.monotonic() - told > _TELL_AFTER_S:
                told = time.monotonic()
                tell(f"looked at {start + len(part):,} of {len(left):,} pictures in {told - began:.0f} s")
    wrong = [file for file in states if found[file].fault]
    if wrong:
        more = f"; so are {len(wrong) - 1:,} more of {len(states):,}" if len(wrong) > 1 else ""
        raise TaskError(found[wrong[0]].fault + more)
    return found


def files_by_content(root: Path, files: Sequence[str], cache: Path, tell: Tell) -> dict[str, str]:
    """These pictures below `root` by the hash of their bytes, the last of equal ones."""
    facts = look_at(root, files, cache, tell)
    return {facts[file].content: file for file in files}


def content_groups(facts: dict[str, Picture], files: Sequence[str]) -> np.ndarray:
    """A number for each file, the same for those of the same bytes, int64 (N,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(facts[file].content, len(numbers)) for file in files], np.int64)


def same_bytes(root: Path, files: Sequence[str]) -> list[list[str]]:
    """Those of these files below `root` that are of the same bytes, in groups of two or more.

    Only files of one size are read, and whole only those that begin alike.
    """
    groups = [list(files)]
    for key in (_bytes_of_size, _beginning, _whole):
        found: list[list[str]] = []
        for group in groups:
            alike: dict[object, list[str]] = {}
            for file in group:
                alike.setdefault(key(root / file), []).append(file)
            found += [each for each in alike.values() if len(each) > 1]
        groups = found
    return groups


def _bytes_of_size(file: Path) -> int:
    return file.stat().st_size


def _beginning(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.blake2b(stream.read(_BEGINNING_BYTES), digest_size=16).digest()


def _whole(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def bits_in_words(root: Path, pictures: Sequence[Picture]) -> list[str]:
    """A line where the upper bits of all pictures of 16 bits are empty; TaskError where they would be black."""
    highest = [picture.highest for picture in pictures if picture.highest is not None]
    bits = max(highest, default=0).bit_length()
    if not 0 < bits <= _DARK_BITS:
        return []
    factor = 2 ** (16 - bits)
    line = (
        f"{root}: {len(highest):,} pictures of 16 bits go up to {max(highest):,} of 65,535, which is {bits} bits, and"
        f" are scaled from 16: they become {'black' if bits <= _BLACK_BITS else 'dark'}; multiply their numbers by"
        f" {factor:,}, or write 8 bits"
    )
    if bits <= _BLACK_BITS:
        raise TaskError(line)
    return [line]


def twins_in_words(root: Path, files: Sequence[str], pictures: Sequence[Picture], classes: Sequence[str]) -> list[str]:
    """A line where pictures of the same bytes lie in several classes; `classes`: of each picture."""
    of_content: dict[str, dict[str, str]] = {}
    for file, picture, name in zip(files, pictures, classes, strict=True):
        of_content.setdefault(picture.content, {}).setdefault(name, file)
    twins = [of_class for of_class in of_content.values() if len(of_class) > 1]
    if not twins:
        return []
    one, other, *_ = twins[0].values()
    return [
        f"{root}: {len(twins):,} pictures lie in several classes, byte by byte ({one} is {other}); keep each in one, as"
        " nothing tells those apart"
    ]


def copies_in_words(what: str, files: Sequence[str], contents: Sequence[str]) -> list[str]:
    """A line where pictures are copies of others by their bytes, which make n or s look larger than it is."""
    first: dict[str, str] = {}
    copies = [
        (file, first[key]) for file, key in zip(files, contents, strict=True) if first.setdefault(key, file) != file
    ]
    if not copies:
        return []
    one, other = copies[0]
    return [
        f"{what}: {len(copies):,} of {len(files):,} pictures are copies of others, byte by byte ({one} is {other}), and"
        " count as pictures of their own"
    ]


def _looked(file: Path, colours: Colours | None, *, numbers: bool) -> Picture:
    try:
        with reading(file):
            content = hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
        if numbers:
            values = class_numbers(file, colours)
            shown = tuple(int(each) for each in np.unique(values))
            return Picture(values.shape[1], values.shape[0], 1, content, numbers=shown)
        with reading(file), Image.open(file) as image:
            width, height = image.size
            orientation, malformed = orientation_of(image), not is_whole_exif(image)
            # all of the file is decoded, at an eighth of the size where the format can
            image.draft("RGB", (max(1, width // 8), max(1, height // 8)))
            image.load()
            rgb(file, image.crop((0, 0, 1, 1)))
            highest = int(np.asarray(image).max()) if image.mode in SIXTEEN_BITS else None
        return Picture(width, height, orientation, content, malformed=malformed, highest=highest)
    except TaskError as error:
        return Picture(fault=str(error))


def _state(file: Path, colours: Colours | None, *, numbers: bool) -> str:
    """What changes with a file, and with what its colours are; TaskError for a missing one."""
    try:
        facts = file.stat()
    except FileNotFoundError:
        raise TaskError(f"image {file} is not there; add it, or take out its line or link") from None
    own = [] if colours is None else [colours.numbers]
    return json.dumps([_VERSION, numbers, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, *own])


class _Facts:
    """Facts on disk. Without a disk to write on, or with a damaged file on it, everything is looked at anew."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def kept(self, root: Path, states: Mapping[str, str]) -> dict[str, Picture]:
        """Of these files those that have not changed since they were looked at."""
        start = f"{root.resolve()}/"
        try:
            with closing(self._connected()) as base:
                query = "SELECT path, state, facts FROM pictures WHERE path >= ? AND path < ?"
                rows = base.execute(query, (start, f"{start[:-1]}0")).fetchall()
        except (sqlite3.Error, OSError):
            return {}
        names = ((path.removeprefix(start), state, facts) for path, state, facts in rows)
        return {
            name: Picture(**{**json.loads(facts), "numbers": tuple(json.loads(facts)["numbers"])})
            for name, state, facts in names
            if states.get(name) == state
        }

    def keep(self, root: Path, states: Mapping[str, str], found: Mapping[str, Picture]) -> None:
        """Add what is no fault: a file may be mended without another time."""
        start = f"{root.resolve()}/"
        rows = [
            (start + name, states[name], json.dumps(asdict(facts))) for name, facts in found.items() if not facts.fault
        ]
        try:
            with closing(self._connected()) as base, base:
                base.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)", rows)
        except (sqlite3.Error, OSError):
            return

    def _connected(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        base = sqlite3.connect(self._file, timeout=30)
        try:
            base.execute("CREATE TABLE IF NOT EXISTS pictures (path TEXT PRIMARY KEY, state TEXT, facts TEXT)")
        except sqlite3.OperationalError:
            base.close()
            raise
        except sqlite3.DatabaseError:
            # no database any more: only a cache is lost
            base.close()
            self._file.unlink(missing_ok=True)
            raise
        return base
