"""A Ray session from start to shutdown, and the signal that ends it."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray

from sweeper.cluster.capacity import CapacityWatch, await_capacity
from sweeper.cluster.ray_start import start_ray
from sweeper.config.schema import SweepConfig

log = logging.getLogger("sweeper")

# How long a process of this machine waits, with its imports, for the next pre-training or fine-tune.
KEEP_IDLE_S = 600


@contextmanager
def ray_session(config: SweepConfig, say: Callable[[str], None] = log.warning) -> Iterator[CapacityWatch]:
    """A Ray to run on: the cluster that this job was submitted to, or one of our own on this machine.

    `say` is called with a line when nodes are waited for. Raises BadInput where the nodes cannot run every stage, on a
    cluster after `cluster.wait_s` seconds.
    """
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    env = {"env_vars": {"OMP_WAIT_POLICY": "PASSIVE", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2"}}
    # Ray's default address could join a stale cluster of another user.
    address = os.environ.get("RAY_ADDRESS", "local")
    if address == "local":
        # Ray ends a process that had no task for a second; the next one would import torch again.
        # This machine is reclaimed by nobody; the watcher for that is a process more at every pre-training.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
        # Ray's dashboard takes 12 s of a core in six minutes, and nothing of ours looks at it.
        quiet["include_dashboard"] = False
        quiet["_system_config"] = {"idle_worker_killing_time_threshold_ms": KEEP_IDLE_S * 1000}
    start_ray(address, runtime_env=env, **quiet)
    # Ray sets a handler of its own on connecting, which would abort the driver at once.
    end_on_sigterm()
    try:
        # Local nodes are all there; a cluster's may still start.
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
    """From now on SIGTERM ends the sweep as Ctrl-C does: its spend is written down and its lease is released."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
