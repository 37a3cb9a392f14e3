"""`progress.json` in a run folder: what the sweep is at, for whoever looks from outside.

It is written by a thread of its own: a slow storage keeps no stage waiting.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweeper.events.reporter import EventCallback
from sweeper.storage.filesystem import StorageError
from sweeper.storage.lease import LeaseLostError
from sweeper.storage.run_folder import sync
from sweeper.storage.strict_json import dumps

PROGRESS = "progress.json"
BEAT_S = 2.0
# Between two uploads, where the run folder is on storage.
UPLOAD_S = 10.0
# A sweep that says nothing for so long is not running: six uploads, and what the clocks of two machines may differ by.
SILENT_S = 120.0


@contextmanager
def telling(folder: Path) -> Iterator[EventCallback]:
    """Keep `progress.json` up to date until the end; yields the callback for the reporter's events."""
    under_way: dict[str, dict[str, Any]] = {}
    lock, ended = threading.Lock(), threading.Event()

    def on_event(event: str, fields: dict[str, Any]) -> None:
        key = f"{fields.get('stage')} {fields.get('what')}"
        with lock:
            if event == "progress":
                under_way[key] = fields | {"at": time.time()}
            else:
                under_way.pop(key, None)

    def tell(*, upload: bool) -> None:
        with lock:
            stages = list(under_way.values())
        _write(folder / PROGRESS, {"at": time.time(), "ended": ended.is_set(), "stages": stages}, upload)

    def keep_telling() -> None:
        uploaded = time.monotonic()
        while not ended.wait(BEAT_S):
            due = time.monotonic() - uploaded > UPLOAD_S
            tell(upload=due)
            uploaded = time.monotonic() if due else uploaded

    tell(upload=True)
    teller = threading.Thread(target=keep_telling, daemon=True)
    teller.start()
    try:
        yield on_event
    finally:
        ended.set()
        teller.join()
        tell(upload=True)


def read_progress(folder: Path) -> dict[str, Any] | None:
    """What the sweep last said: `at` (seconds of the epoch), `ended`, `stages` (fields of `Reporter.progress`, and
    their own `at`); None where it never said anything that can be read.
    """
    try:
        told = json.loads((folder / PROGRESS).read_text())
        return {"at": float(told["at"]), "ended": bool(told["ended"]), "stages": list(told["stages"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, told: dict[str, Any], upload: bool) -> None:
    # A full disk or a lost lease ends the sweep at its next result, with a message; not here.
    with contextlib.suppress(OSError, StorageError, LeaseLostError):
        part = path.with_name(f".{path.name}-{os.getpid()}")
        part.write_text(dumps(told))
        part.replace(path)
        if upload:
            sync(path)
