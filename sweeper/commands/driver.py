"""The driver's hold on its run folder: one driver alone writes there."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.storage.run_folder import locked_run_folder


@contextmanager
def exclusive_run_folder(config: SweepConfig) -> Iterator[Path]:
    """The run folder, for this driver alone: a second one on the same sweep would decide and pay twice.

    Raises BadInput where it cannot be written or another driver holds it.
    """
    with locked_run_folder(config.place):
        folder = open_run_folder(config)
        with (folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"run folder {folder}: another sweep is running on it; wait, or set output=FOLDER"
                raise BadInput(message) from None
            yield folder


def open_run_folder(config: SweepConfig) -> Path:
    """The run folder, made where it is missing; raises BadInput where it cannot be written."""
    folder = config.run_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(f"run folder {folder}: cannot be written ({error.strerror}); set output=FOLDER") from None
    return folder
