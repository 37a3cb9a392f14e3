"""Why work failed and whether it is tried again."""

from __future__ import annotations

import pytest
from ray.exceptions import ActorDiedError, OutOfMemoryError

from sweeper.cluster import failures
from sweeper.cluster.failures import Failure, Retries, failure_of

GONE = ActorDiedError()
GONE.error_msg = "The actor died because its node has died. Node Id: abc the actor's node was terminated unexpectedly."
WORKER = ActorDiedError()
WORKER.error_msg = (
    "The actor died unexpectedly before finishing this task. Worker unexpectedly exits with a connection error code "
    "2. End of file. Some common causes include: (1) the process was killed by the OOM killer due to high memory "
    "usage, (2) ray stop --force was called, or (3) the worker crashed unexpectedly due to SIGSEGV or another error."
)


class RayTaskError(Exception):
    """As Ray shows a worker's exception: its traceback in the text."""


def test_a_lost_node_is_told_from_a_worker_that_died() -> None:
    assert failure_of(GONE).lost_node
    assert failure_of(RuntimeError("The actor abc is unavailable: The actor is temporarily unavailable: ...")).lost_node
    assert not failure_of(WORKER).lost_node
    assert not failure_of(BlockingIOError("[Errno 11] Resource temporarily unavailable")).lost_node


def test_a_worker_killed_for_memory_is_a_failure_with_a_remedy() -> None:
    failure = failure_of(OutOfMemoryError("Task was killed due to the node running low on memory."))

    assert not failure.lost_node
    assert "ran out of memory" in failure.cause


def test_a_worker_that_died_without_a_word_is_not_said_to_have_run_out_of_memory() -> None:
    assert "ran out of memory" not in failure_of(WORKER).cause
    assert "died unexpectedly" in failure_of(WORKER).cause


def test_a_loss_that_is_not_finite_is_not_tried_again() -> None:
    failure = failure_of(
        RayTaskError("ray::f()\n  File x.py, line 3\nFloatingPointError: sinclass: the loss is nan at step 4")
    )

    assert failure.cause == "FloatingPointError: sinclass: the loss is nan at step 4"
    assert not Retries(5).again("work", failure)


def test_a_workers_exception_is_tried_again_unless_it_is_hopeless() -> None:
    passing = failure_of(RuntimeError("ray.exceptions.RayTaskError(OSError): ray::f()\nOSError: connection reset"))
    assert Retries(1).again("work", passing)

    hopeless = failure_of(RuntimeError("ray.exceptions.RayTaskError(TaskError): ray::f()\ntasks.base.TaskError: no"))
    assert not Retries(1).again("work", hopeless)


def test_a_node_that_ray_misses_only_later_is_lost_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([{"head", "a"}, {"head", "a"}, {"head"}])
    monkeypatch.setattr(failures, "nodes_alive", lambda: next(answers))
    monkeypatch.setattr(failures.time, "sleep", lambda seconds: None)
    assert failures.lost_a_node({"head", "a"})


def test_with_every_node_there_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "NOTICE_S", 0.0)
    monkeypatch.setattr(failures, "nodes_alive", lambda: {"head", "a", "new"})
    assert not failures.lost_a_node({"head", "a"})
    monkeypatch.setattr(failures, "nodes_alive", lambda: {"only"})
    assert not failures.lost_a_node({"only"})


def test_failures_are_capped_for_each_piece_of_work_and_lost_nodes_are_not_failures() -> None:
    retries, died, gone = Retries(2), Failure("it died"), Failure("its node is gone", lost_node=True)

    assert all(retries.again("a", gone) for _ in range(50))
    assert [retries.again("a", died) for _ in range(3)] == [True, True, False]
    assert retries.again("b", died)
    assert not all(retries.again("a", gone) for _ in range(51)), "a cluster that loses every node is no cluster"
