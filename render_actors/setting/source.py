"""Where images come from that Blender does not make: a function or a labelled folder."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from render_actors.labels import MOST_NUMBERS
from render_actors.setting.digests import file_digest

Kind = Literal["function", "coco", "yolo", "imagefolder", "masks"]
Fit = Literal["letterbox", "crop", "stretch"]

_LABELS: dict[Kind, tuple[str, ...]] = {
    "function": ("classes", "boxes", "masks", "semantic", "normals", "depth"),
    "coco": ("classes", "boxes", "masks", "semantic"),
    "yolo": ("classes", "boxes", "masks", "semantic"),
    "imagefolder": ("classes",),
    "masks": ("classes", "boxes", "masks", "semantic"),
}

# Raise where the same files of a folder give other pixels or labels.
_READING = 3


@dataclass(frozen=True)
class Source:
    """Where images come from. `where`: "FILE.py:NAME" or "MODULE:NAME" of a function; a folder for the other kinds.

    fit: how images of a folder become squares (tasks/data/readers/squares.py). order: files of a folder that come
    first, in this order; what is not among them follows by a hash. Raises ValueError where it cannot be found, or names
    no class.
    """

    kind: Kind
    where: str
    class_names: tuple[str, ...]
    fit: Fit = "letterbox"
    order: tuple[str, ...] = field(default=(), hash=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.class_names) < MOST_NUMBERS or len(set(self.class_names)) < len(self.class_names):
            raise ValueError(
                f"{self.where}: has {len(self.class_names)} class names; give 1 to {MOST_NUMBERS - 1}, each once"
            )
        if self.kind == "function":
            _code_file(self.where)
        elif not Path(self.where).is_dir():
            raise ValueError(f"{self.where} is not a folder; give one of labelled images")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that this kind of source can give."""
        return _LABELS[self.kind]


def source_content(source: Source) -> dict[str, object]:
    """What determines a source's images: the bytes of a function's file, or how a folder is read.

    Which files of a folder they are stands in the identity of each shard (render_actors/actor.py), so that a folder may
    grow. What a function's file imports is not looked at: change the file, for example a version in it, when that
    changes.
    """
    content: dict[str, object] = {"kind": source.kind, "class_names": list(source.class_names)}
    if source.kind == "function":
        return content | {"name": source.where.rpartition(":")[2], "code": file_digest(_code_file(source.where))}
    return content | {"reading": _READING, "fit": source.fit}


def _code_file(where: str) -> Path:
    place, _, name = where.rpartition(":")
    if not place or not name.isidentifier():
        raise ValueError(f"{where!r} names no function; write FILE.py:NAME or MODULE:NAME")
    if place.endswith(".py"):
        path = Path(place)
    else:
        try:
            spec = importlib.util.find_spec(place)
        except ImportError:
            spec = None
        path = Path(spec.origin) if spec is not None and spec.origin is not None else Path(place)
    if not path.is_file():
        raise ValueError(f"{where!r}: {place} is not found; write FILE.py:NAME, or MODULE:NAME of an importable module")
    return path
