"""What a lost node looks like: rendering, pre-training and fine-tuning take it for the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, NodeDiedError, RayActorError, WorkerCrashedError
from ray.train.v2.api.exceptions import WorkerGroupError

from render_actors import pool
from render_actors.pool import RenderFailedError, RenderJob, render_shards
from render_actors.setting.setting import RenderSetting
from sweeper.cluster.failures import failure_of
from tests.render_actors.sinks import FolderSink


def died(message: str) -> ActorDiedError:
    error = ActorDiedError()
    error.error_msg = message
    return error


LOST = {
    "node died": died("The actor died because its node has died. Node Id: abc"),
    "unreachable": ActorUnavailableError("The actor is temporarily unavailable: RpcError", None),
    # The pool did not know these.
    "node's death": NodeDiedError("Task failed because the node was dead or unavailable"),
    "dead node": died("The actor is dead because the node it was running on is dead"),
    "drained": died("The actor died because its node was preempted"),
    "flagged": RayActorError(preempted=True),
}
NOT_LOST = {"worker died": died("The actor died unexpectedly: a connection error"), "crash": WorkerCrashedError()}


class Call:
    """A method of an actor: its name and arguments stand for what it returns."""

    def __init__(self, name: str) -> None:
        self._name = name

    def remote(self, *arguments: Any) -> tuple[str, tuple[Any, ...]]:
        return self._name, arguments


class Actor:
    def __getattr__(self, name: str) -> Call:
        return Call(name)


class OneFailure:
    """A Ray whose first scene fails with an error, and all else goes well."""

    exceptions = ray.exceptions

    def __init__(self, error: Exception) -> None:
        self._errors = [error]

    def remote(self, _: type) -> OneFailure:
        return self

    def options(self, **_: Any) -> Any:
        class Started:
            def remote(self, *_: Any) -> Actor:
                actor = Actor()
                actor.__dict__["__ray_ready__"] = Call("ready")
                return actor

        return Started()

    def wait(self, pending: Sequence[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return [pending[0]], []

    def get(self, call: Any, **_: Any) -> Any:
        if call[0] == "render_scene" and self._errors:
            raise self._errors.pop()
        return (1, 0.1) if call[0] == "render_scene" else "manifest"

    def kill(self, _: Any) -> None:
        """Nothing to end."""


def rendered_with(error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One shard, without retries, by an actor whose first scene fails."""
    monkeypatch.setattr(pool, "ray", OneFailure(error))
    job = RenderJob(RenderSetting(), 0, 1, FolderSink(folder), 1, 1.0, 60.0, 0, lambda *_: None)
    return render_shards(job, [0])


@pytest.mark.parametrize("error", LOST.values(), ids=LOST)
def test_work_that_went_with_its_node_has_not_failed_whoever_did_it(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failure_of(error).lost_node
    assert rendered_with(error, tmp_path, monkeypatch) == ["manifest"]


def test_a_lost_node_is_found_among_the_workers_that_train_together() -> None:
    failed = {0: RuntimeError("Connection closed by peer"), 1: NodeDiedError("dead or unavailable")}
    assert failure_of(WorkerGroupError("of two workers", failed)).lost_node
    assert not failure_of(WorkerGroupError("of one worker", {0: failed[0]})).lost_node


@pytest.mark.parametrize("error", NOT_LOST.values(), ids=NOT_LOST)
def test_work_that_failed_on_a_node_that_lives_has_failed_whoever_did_it(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not failure_of(error).lost_node
    with pytest.raises(RenderFailedError, match="failed 1 times") as failed:
        rendered_with(error, tmp_path, monkeypatch)
    assert failed.value.__cause__ is error
