"""A pure function over many arguments, on all cores through Ray."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import Any, TypeVar

import ray

from sweeper.cluster.ray_start import start_ray

Result = TypeVar("Result")


def in_parallel(function: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], what: str) -> list[Result]:
    """`function(*job)` for every job, in their order; a line on stderr for every tenth of them, naming `what`.

    Runs on the cluster this process was submitted to (RAY_ADDRESS), or on this machine's cores.
    """
    # What Ray prints of dead workers would stand amid a command's answer.
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
