"""Files of JSON lines that are only appended to: a line is one event, on disk and on storage before it counts."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sweeper.storage.filesystem import full_disk_as_storage_error
from sweeper.storage.run_folder import sync
from sweeper.storage.strict_json import dumps


def append_event(path: Path, event: dict[str, Any]) -> None:
    """Append one line, force it to disk and upload the file; a line that a kill cut short is ended first.

    Raises StorageError where the disk is full or the upload fails; LeaseLostError as `sync` does.
    """
    with full_disk_as_storage_error(path), path.open("a+b") as stream:
        cut_short = False
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            cut_short = stream.read(1) != b"\n"
        stream.write(b"\n" * cut_short + dumps(event).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    sync(path)


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a file, none where it is missing; damaged lines, as a kill leaves one, are skipped."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
