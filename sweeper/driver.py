"""The one driver of a run folder: it alone writes there, on Ray nodes of its own or on a cluster's, until it is told
to end.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from sweeper.capacity import CapacityWatch, await_capacity
from sweeper.config import SweepConfig
from sweeper.errors import BadInput
from sweeper.ray_start import start_ray
from sweeper.run_folder import held

log = logging.getLogger("sweeper")


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


@contextmanager
def ray_session(config: SweepConfig, say: Callable[[str], None] = log.warning) -> Iterator[CapacityWatch]:
    """A Ray to run on: the cluster this job was submitted to, or one of our own on this machine.

    `say` is told when nodes are waited for. Raises BadInput where the nodes cannot run every stage, on a cluster after
    cluster.wait_s.
    """
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    env = {"env_vars": {"OMP_WAIT_POLICY": "PASSIVE", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2"}}
    # A plain address could pick up a stale cluster of somebody else's.
    address = os.environ.get("RAY_ADDRESS", "local")
    start_ray(address, runtime_env=env, **quiet)
    # Ray's own handler, which it sets on connecting, would abort the driver on the spot.
    end_on_sigterm()
    try:
        # Nodes of our own are all there; a cluster's may be on their way.
        wait_s = 0.0 if address == "local" else config.cluster.wait_s
        await_capacity(config, wait_s, say)
        watch = CapacityWatch(config, wait_s, say)
        try:
            yield watch
        finally:
            watch.began()
    finally:
        ray.shutdown()


def end_on_sigterm() -> None:
    """From now on SIGTERM ends the sweep as an interruption does: its spend written down, its lease given back."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))


def cpu_count() -> int:
    """The CPU cores this process may use."""
    return len(os.sched_getaffinity(0))
