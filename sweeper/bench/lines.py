"""The CSV file of a measurement, refused before anything is measured where it cannot be written."""

from collections.abc import Sequence
from pathlib import Path

from sweeper.errors import BadInput


def check_writable(path: Path | None, head: str) -> None:
    """BadInput where the file holds something else than a table under this `head`, or cannot be written.

    Nothing where no path was named.
    """
    if path is None:
        return
    try:
        with path.open("a+", encoding="utf-8") as file:
            file.seek(0)
            found = file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be written ({error}); name another file") from None
    if found not in ("", head):
        raise BadInput(f"{path} has other columns than this bench writes; name a new file")


def write(path: Path | None, head: str, lines: Sequence[str]) -> None:
    """Write the head and all lines; nothing where no path was named. Raises BadInput where that cannot be."""
    if path is None:
        return
    try:
        path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}); name another file") from None
