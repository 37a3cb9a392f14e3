"""The one driver of a run folder: it alone writes there, on Ray nodes of its own or on a cluster's, until it is told
to end.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.storage.run_folder import held


@contextmanager
def driven(config: SweepConfig) -> Iterator[Path]:
    """The run folder, ours alone to write; raises BadInput where it cannot be written or another driver holds it."""
    with held(config.place):
        folder = open_run_folder(config)
        with only_driver(folder):
            yield folder


def open_run_folder(config: SweepConfig) -> Path:
    """The run folder, made when missing; raises BadInput where it cannot be written."""
    folder = config.run_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(f"run folder {folder}: cannot be written ({error.strerror}); set output=FOLDER") from None
    return folder


@contextmanager
def only_driver(folder: Path) -> Iterator[None]:
    """Hold the run folder: a second driver on the same sweep would decide and pay twice."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"run folder {folder}: another sweep is running on it; wait, or set output=FOLDER") from None
        yield
