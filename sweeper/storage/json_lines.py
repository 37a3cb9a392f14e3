"""Files of JSON lines that are only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sweeper.storage.filesystem import full_disk_is_said
from sweeper.storage.run_folder import keep
from sweeper.storage.strict_json import dumps


def append_event(path: Path, event: dict[str, Any]) -> None:
    """Append one JSON line and force it to where the run folder is kept; a line cut short by a kill is ended first."""
    with full_disk_is_said(path), path.open("a+b") as stream:
        cut_short = False
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            cut_short = stream.read(1) != b"\n"
        stream.write(b"\n" * cut_short + dumps(event).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    keep(path)


def read_events(path: Path) -> Iterable[dict[str, Any]]:
    """The events of a JSON-lines file; a last line cut short by a kill is passed over."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
