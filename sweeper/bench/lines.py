"""The CSV file of a long measurement: written line by line, so that the same command goes on where it was stopped."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from sweeper.errors import BadInput


def begun(path: Path | None, head: str) -> list[str]:
    """The lines that the file has below its head; none where there is no file yet, or no path was named.

    Raises BadInput where the file holds something else or cannot be written, before anything is measured.
    """
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({error}); name a CSV file") from None
    found, *lines = text.splitlines() or [head]
    if found != head:
        raise BadInput(f"{path} has other columns than this bench writes; name a new file")
    for number, row in enumerate(csv.reader(lines), start=2):
        if len(row) != len(head.split(",")) or not all(_is_number(cell) for cell in row[2:] if cell):
            raise BadInput(f"{path}, line {number}: this bench wrote no such line; remove it or name a new file")
    write(path, head, lines)
    return lines


def write(path: Path | None, head: str, lines: Sequence[str]) -> None:
    """Write the head and all lines anew; nothing where no path was named. Raises BadInput where that cannot be."""
    if path is None:
        return
    # Whoever is stopped while writing still has the lines before.
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}); name another file") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
