"""Where images come from that Blender does not make: a function or a labelled folder."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from render_actors.labels import MOST_NUMBERS
from render_actors.setting.digests import bytes_digest, file_digest, tree_digest

Kind = Literal["function", "coco", "imagefolder", "masks"]

_LABELS: dict[Kind, tuple[str, ...]] = {
    "function": ("classes", "boxes", "masks", "semantic", "normals", "depth"),
    "coco": ("classes", "boxes", "masks", "semantic"),
    "imagefolder": ("classes",),
    "masks": ("classes", "boxes", "masks", "semantic"),
}

# Files of a folder: images, which count by name and size, and labels, which count by their bytes.
_IMAGE_FILES: dict[Kind, str] = {"coco": "images/**/*", "imagefolder": "*/*", "masks": "images/*"}
_LABEL_FILES: dict[Kind, tuple[str, ...]] = {"coco": ("annotations.json",), "imagefolder": (), "masks": ("masks/*",)}

# Raise where the same files of a folder give other pixels or labels; a kind without one is in its first version.
_READING: dict[Kind, int] = {"coco": 2, "masks": 2}


@dataclass(frozen=True)
class Source:
    """Where images come from. `where`: "FILE.py:NAME" or "MODULE:NAME" of a function; a folder for the other kinds.

    Raises ValueError where it cannot be found, or names no class.
    """

    kind: Kind
    where: str
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.class_names) < MOST_NUMBERS or len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"{self.where}: give 1 to {MOST_NUMBERS - 1} class names, each once")
        if self.kind == "function":
            _code_file(self.where)
        elif not Path(self.where).is_dir():
            raise ValueError(f"{self.where} is not a folder; give one of labelled images")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that this kind of source can give."""
        return _LABELS[self.kind]


def source_content(source: Source) -> dict[str, object]:
    """What determines a source's images: the bytes of a function's file or of a folder's labels, and a folder's images.

    What a function's file imports is not looked at: change the file, for example a version in it, when that changes.
    """
    content: dict[str, object] = {"kind": source.kind, "class_names": list(source.class_names)}
    if source.kind == "function":
        return content | {"name": source.where.rpartition(":")[2], "code": file_digest(_code_file(source.where))}
    if source.kind in _READING:
        content["reading"] = _READING[source.kind]
    folder = Path(source.where)
    images = tree_digest(folder, _IMAGE_FILES[source.kind])
    return content | {"images": images, "annotations": bytes_digest(folder, *_LABEL_FILES[source.kind])}


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
