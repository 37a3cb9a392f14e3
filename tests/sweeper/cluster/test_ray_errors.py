"""A damaged artifact is known by its exception's type, however often Ray has wrapped it; on real Ray."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from sweeper.cluster.failures import failure_of, is_caused_by
from sweeper.storage.artifacts import ArtifactStore, CorruptArtifactError, Manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    variables = {"PYTHONPATH": str(Path(__file__).parents[3])}
    ray.init(
        address="local", num_cpus=2, log_to_driver=False, logging_level="ERROR", runtime_env={"env_vars": variables}
    )
    yield
    ray.shutdown()


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[ArtifactStore, Manifest]:
    """A store with an artifact of which a byte was changed."""
    store, folder = ArtifactStore(str(tmp_path / "store")), tmp_path / "made"
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    manifest = store.commit({"stage": "render"}, folder)
    store.path(manifest, "file").write_bytes(b"Content")
    return ArtifactStore(store.uri), manifest


def read(store: ArtifactStore, manifest: Manifest) -> bytes:
    return store.path(manifest, "file").read_bytes()


def in_a_task(store: ArtifactStore, manifest: Manifest) -> Any:
    return ray.get(ray.remote(read).remote(store, manifest))


def in_a_task_of_a_task(store: ArtifactStore, manifest: Manifest) -> Any:
    return ray.get(ray.remote(num_cpus=0.5)(in_a_task).remote(store, manifest))


def in_an_actor(store: ArtifactStore, manifest: Manifest) -> Any:
    class Reader:
        def read(self) -> bytes:
            return read(store, manifest)

    return ray.get(ray.remote(Reader).remote().read.remote())


def while_an_actor_is_made(store: ArtifactStore, manifest: Manifest) -> Any:
    class Reader:
        def __init__(self) -> None:
            self.content = read(store, manifest)

        def read(self) -> bytes:
            return self.content

    return ray.get(ray.remote(Reader).remote().read.remote())


def in_ray_train(store: ArtifactStore, manifest: Manifest) -> Any:
    def worker() -> None:
        read(store, manifest)

    run = RunConfig(storage_path=f"{store.uri}-train", failure_config=FailureConfig(max_failures=0))
    DataParallelTrainer(worker, scaling_config=ScalingConfig(num_workers=2), run_config=run).fit()


@pytest.mark.parametrize("work", [in_a_task, in_a_task_of_a_task, in_an_actor, while_an_actor_is_made, in_ray_train])
def test_a_damaged_artifact_is_known_by_its_type(
    work: Callable[..., Any], damaged: tuple[ArtifactStore, Manifest]
) -> None:
    with pytest.raises(Exception, match="does not match its checksum") as raised:
        work(*damaged)

    assert is_caused_by(raised.value, CorruptArtifactError)
    assert failure_of(raised.value).hopeless


def test_an_exception_that_only_says_so_is_none() -> None:
    def fail() -> None:
        raise RuntimeError("it does not match its manifest")

    with pytest.raises(RuntimeError) as raised:
        ray.get(ray.remote(fail).remote())

    assert not is_caused_by(raised.value, CorruptArtifactError)
    assert not failure_of(raised.value).hopeless
