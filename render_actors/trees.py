"""The digest of a folder of files that a setting names: its content's name on any machine."""

import hashlib
from functools import cache
from pathlib import Path


@cache
def tree_digest(folder: Path) -> str:
    """Hex digest of the relative paths and sizes of all files below a folder.

    Sizes, not bytes: pools and collections hold gigabytes. A file changed without changing its size needs a new name.
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\n".encode())
    return digest.hexdigest()[:32]


def file_digest(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]
