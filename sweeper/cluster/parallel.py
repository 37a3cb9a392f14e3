"""A parallel map of a pure function, on all cores or on a cluster, through Ray."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import Any, TypeVar

import ray

from sweeper.cluster.ray_start import start_ray

Result = TypeVar("Result")


def in_parallel(function: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], what: str) -> list[Result]:
    """`function(*job)` for every job, in order; every tenth part done prints a line on stderr that names `what`.

    Runs on the cluster that this process was submitted to (RAY_ADDRESS), or on this machine's cores.
    """
    # Ray prints messages about dead workers, which must not mix with a command's answer.
    with redirect_stdout(sys.stderr):
        start_ray(os.environ.get("RAY_ADDRESS", "local"), logging_level="ERROR", log_to_driver=False)
        try:
            remote = ray.remote(function)
            waiting = [remote.remote(*job) for job in jobs]
            results: list[Result] = []
            for done, reference in enumerate(waiting, start=1):
                results.append(ray.get(reference))
                if done * 10 // len(jobs) > (done - 1) * 10 // len(jobs):
                    print(f"{what}: {done} of {len(jobs)}", file=sys.stderr, flush=True)
            return results
        finally:
            ray.shutdown()
