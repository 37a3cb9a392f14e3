"""The pool on real Ray with real Blender: only missing shards are rendered, lost actors are replaced."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import ray

from render_actors.actor import SHARD_FILE, shard_identity
from render_actors.kept_actors import KeptActors
from render_actors.labels import RenderedImage
from render_actors.pool import RenderJob, render_shards
from render_actors.setting.setting import RenderSetting
from render_actors.shards.format import read_shard
from tests.render_actors.sinks import FolderSink

pytestmark = pytest.mark.slow

SETTING = RenderSetting(resolution=16, samples=1, poses_per_scene=3, max_objects=2)
SCENES = 3


def shard(manifest: str) -> Path:
    return Path(manifest) / SHARD_FILE


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    # The workers unpickle this module's sink by name: they need the project's folder on their path.
    variables = {"PYTHONPATH": str(Path(__file__).parents[2]), "RENDER_POOL_TEST": str(os.getpid())}
    ray.init(address="local", num_cpus=2, logging_level="error", runtime_env={"env_vars": variables})
    yield
    ray.shutdown()


@dataclass
class Progress:
    """Counts images, and may kill the actors when the first scene is done and the second is being rendered."""

    kill: bool = False
    images: int = 0
    events: int = 0

    def __call__(self, images: int, seconds: float) -> None:
        self.images += images
        self.events += 1
        if self.kill:
            self.kill = False
            for process_id in render_processes():
                os.kill(process_id, signal.SIGKILL)


def render_processes() -> list[int]:
    """Process ids of this test's own render actors: other Rays may run on the machine."""
    mark = f"RENDER_POOL_TEST={os.getpid()}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_actor = b"RenderActor" in (process / "cmdline").read_bytes()
            if is_actor and mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def render(
    sink: FolderSink, shards: list[int], progress: Progress, retries: int = 1, timeout_s: float = 60
) -> list[str]:
    return render_shards(RenderJob(SETTING, 0, SCENES, sink, 1, 1.0, timeout_s, retries, progress), shards)


def test_a_killed_actor_is_replaced_and_growing_renders_only_what_is_missing(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path)
    # given an actor killed in mid-scene, when the shard is asked for, then it arrives whole all the same
    killed = Progress(kill=True)
    (first,) = render(sink, [0], killed)
    assert not killed.kill
    assert killed.images == 9, "the lost images are taken back"
    assert [image.index for image in read_shard(shard(first))] == list(range(9))
    before = shard(first).stat().st_mtime_ns

    # when it is asked for with another, then only the other is rendered
    grown = Progress()
    manifests = render(sink, [0, 1], grown)
    assert grown.images == 9
    assert shard(first).stat().st_mtime_ns == before
    assert manifests[0] == first
    assert [image.index for image in read_shard(shard(manifests[1]))] == list(range(9, 18))

    # and when all is there, then no actor starts; none is left over either
    idle = Progress()
    assert render(sink, [1, 0], idle) == manifests[::-1]
    assert idle.events == 0
    deadline = time.monotonic() + 20
    while render_processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert render_processes() == []


def test_actors_that_are_kept_take_up_the_next_job_and_hold_no_cores_between(tmp_path: Path) -> None:
    kept, other = KeptActors(), replace(SETTING, samples=2)

    def job(folder: str, setting: RenderSetting, seed: int, keeper: KeptActors | None) -> list[str]:
        sink = FolderSink(tmp_path / folder)
        return render_shards(RenderJob(setting, seed, 1, sink, 1, 1.0, 60, 1, Progress(), kept=keeper), [0])

    # given an actor that is left by a first job
    job("kept", SETTING, 0, kept)
    (process,) = render_processes()
    assert comes(lambda: ray.available_resources()["CPU"] == 2)

    # when there are others, of its setting and of another, then the same process makes what a new one makes
    for setting, seed in ((SETTING, 1), (other, 0)):
        (taken_up,), (anew,) = job("kept", setting, seed, kept), job("anew", setting, seed, None)
        assert process in render_processes()
        assert shard(taken_up).read_bytes() == shard(anew).read_bytes()

    # and when it has gone, then another takes its place and no shard has failed
    os.kill(process, signal.SIGKILL)
    assert len(job("later", SETTING, 2, kept)) == 1
    for left in render_processes():
        os.kill(left, signal.SIGKILL)


def test_a_job_takes_the_room_that_it_is_given_as_it_renders(tmp_path: Path) -> None:
    # given room for one actor until three scenes are done, and for two from then on
    seen: set[int] = set()

    class Counted(Progress):
        def __call__(self, images: int, seconds: float) -> None:
            super().__call__(images, seconds)
            seen.update(render_processes())
            if self.events == 3:
                assert len(seen) == 1

    progress = Counted()
    sink = FolderSink(tmp_path)
    job = RenderJob(SETTING, 0, 2, sink, 2, 1.0, 60, 1, progress, room=lambda wanted: 1 if progress.events < 3 else 2)

    # when it renders, then by one and later by both, each shard once
    assert len(render_shards(job, list(range(30)))) == 30
    assert len(seen) == 2
    assert progress.images == 30 * 2 * 3


def comes(moment: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not moment() and time.monotonic() < deadline:
        time.sleep(0.1)
    return moment()


def test_a_scene_that_never_ends_is_given_up_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeError, match=r"failed 1 times: shard 2 of seed 0 at scene 6: .*time limit; .*\"samples\": 1"
    ):
        render(FolderSink(tmp_path), [2], Progress(), retries=0, timeout_s=0.001)


def test_the_bytes_depend_neither_on_the_number_of_actors_nor_on_their_age(tmp_path: Path) -> None:
    # given three shards by one actor, by two, and by one that is replaced after each shard
    def shards(folder: str, actors: int, recycle_after: int) -> list[RenderedImage]:
        sink = FolderSink(tmp_path / folder)
        job = RenderJob(SETTING, 0, 1, sink, actors, 1.0, 60, 0, Progress(), recycle_after=recycle_after)
        made = render_shards(job, [0, 1, 2])
        return [image for manifest in made for image in read_shard(shard(manifest))]

    one = shards("one", 1, 1000)
    for others in (shards("two", 2, 1000), shards("recycled", 1, 1)):
        for first, second in zip(one, others, strict=True):
            assert first.objects == second.objects
            assert first.rgb.tobytes() == second.rgb.tobytes()
            assert first.instances.tobytes() == second.instances.tobytes()


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="render pool: actors = 1"):
        render(FolderSink(tmp_path), [0], Progress(), timeout_s=0)


def test_the_identity_holds_what_determines_a_shard() -> None:
    identity = shard_identity(SETTING, 4, 2, SCENES)
    assert json.loads(json.dumps(identity)) == identity
    others = [
        shard_identity(SETTING, 5, 2, SCENES),
        shard_identity(SETTING, 4, 3, SCENES),
        shard_identity(SETTING, 4, 2, SCENES + 1),
        shard_identity(RenderSetting(resolution=17), 4, 2, SCENES),
    ]
    assert all(other != identity for other in others)
