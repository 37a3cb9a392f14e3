"""The digest of a folder of files that a setting names: its content's name on any machine."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def tree_digest(folder: Path, *parts: str) -> str:
    """Hex digest of the relative paths and sizes of the files in parts of a folder: patterns as Path.glob has them.

    Sizes, not bytes: pools and collections hold gigabytes. A file changed without changing its size needs a new name.
    """
    digest = hashlib.sha256()
    for path in _files(folder, parts):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\n".encode())
    return digest.hexdigest()[:32]


@cache
def bytes_digest(folder: Path, *parts: str) -> str:
    """Hex digest of the relative paths and the bytes of the files in parts of a folder."""
    digest = hashlib.sha256()
    for path in _files(folder, parts):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()[:32]


def file_digest(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def _files(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """Hidden files are other programs' own: they do not count."""
    found = {path for part in parts for path in folder.glob(part) if not path.name.startswith(".")}
    return (path for path in sorted(found) if path.is_file())
