"""A parallel map of a pure function, on all cores or on a cluster, through Ray; without Ray in processes of its own."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any, TypeVar

Result = TypeVar("Result")
# A job as something whose answer can be waited for.
Submit = Callable[..., Callable[[], Any]]


def in_parallel(function: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], what: str) -> list[Result]:
    """`function(*job)` for every job, in order; its start and every tenth part done are said on stderr.

    Runs on the cluster that this process was submitted to (RAY_ADDRESS), or on this machine's cores.
    """
    print(f"{what}: starting {len(jobs)} jobs", file=sys.stderr, flush=True)
    with (_ray if find_spec("ray") else _processes)(function) as submit:
        waiting = [submit(*job) for job in jobs]
        results: list[Result] = []
        for done, answer in enumerate(waiting, start=1):
            results.append(answer())
            if done * 10 // len(jobs) > (done - 1) * 10 // len(jobs):
                print(f"{what}: {done} of {len(jobs)}", file=sys.stderr, flush=True)
        return results


@contextmanager
def _ray(function: Callable[..., Any]) -> Iterator[Submit]:
    import ray

    from sweeper.cluster.ray_start import start_ray

    # Ray prints messages about dead workers, which must not mix with a command's answer.
    with redirect_stdout(sys.stderr):
        start_ray(os.environ.get("RAY_ADDRESS", "local"), logging_level="ERROR", log_to_driver=False)
        try:
            remote = ray.remote(function)

            def submit(*job: Any) -> Callable[[], Any]:
                reference = remote.remote(*job)
                return lambda: ray.get(reference)

            yield submit
        finally:
            ray.shutdown()


@contextmanager
def _processes(function: Callable[..., Any]) -> Iterator[Submit]:
    # Not forked: numpy's threads may hold locks.
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        yield lambda *job: pool.submit(function, *job).result
