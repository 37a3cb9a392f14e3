"""The pool when things go wrong: killed and hanging scenes, worn actors, missing GPUs. Functions draw, not Blender."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import ray

from render_actors.actor import SHARD_FILE
from render_actors.pool import RenderFailedError, RenderJob, render_shards
from render_actors.setting.setting import RenderSetting
from render_actors.setting.source import Source
from render_actors.shards.format import read_shard
from tests.render_actors.sinks import FolderSink

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Every scene notes its process; some scenes do worse things, the first time or always.
DRAWING = """
import os, signal, time
from pathlib import Path
import numpy as np
from render_actors.sources import Picture

NOTES = Path({notes!r})

def once(what, scene):
    try:
        (NOTES / f"{{what}}-{{scene}}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

def render(setting, seed, scene):
    with (NOTES / "processes").open("a") as notes:
        notes.write(f"{{scene}} {{os.getpid()}}\\n")
    {fault}
    rng = np.random.default_rng([seed, scene])
    rgb = rng.integers(0, 256, (setting.resolution, setting.resolution, 3), dtype=np.uint8)
    return [Picture(rgb, np.ones(rgb.shape[:2], np.uint8), [0])] * setting.poses_per_scene
"""


@dataclass
class Drawing:
    """A drawing function in a file of its own, and what it noted."""

    folder: Path
    setting: RenderSetting = field(init=False)

    def __post_init__(self) -> None:
        self.write("pass")

    def write(self, fault: str) -> Drawing:
        path = self.folder / "drawing.py"
        path.write_text(DRAWING.format(notes=str(self.folder), fault=fault))
        source = Source("function", f"{path}:render", ("noise",))
        self.setting = RenderSetting(resolution=16, poses_per_scene=2, source=source)
        return self

    def processes(self) -> list[tuple[int, int]]:
        """(scene, process id) of every scene begun, in order."""
        lines = (self.folder / "processes").read_text().split("\n")[:-1]
        return [(int(scene), int(process)) for scene, process in map(str.split, lines)]

    def render(self, shards: int, **options: Any) -> list[str]:
        values = {"actors": 1, "scene_timeout_s": 30.0, "retries": 1, "recycle_after": 1000} | options
        sink = FolderSink(self.folder / f"store-{options.get('actors', 1)}-{options.get('recycle_after', 0)}")
        job = RenderJob(self.setting, 5, 2, sink, cpus_per_actor=0.5, on_progress=lambda *_: None, **values)
        return render_shards(job, range(shards))


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    variables = {"PYTHONPATH": str(Path(__file__).parents[2])}
    ray.init(address="local", num_cpus=2, logging_level="error", runtime_env={"env_vars": variables})
    yield
    ray.shutdown()


@pytest.fixture
def drawing(tmp_path: Path) -> Drawing:
    return Drawing(tmp_path)


def is_running(process_id: int) -> bool:
    with contextlib.suppress(OSError):
        return "Z" not in Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    return False


def test_an_actor_killed_in_mid_scene_is_replaced(drawing: Drawing) -> None:
    # given an actor whose process is killed in the middle of scene 1, the first time
    drawing.write("if scene == 1 and once('kill', scene): os.kill(os.getpid(), signal.SIGKILL)")
    # when two shards are asked for, then both come whole, and the first was begun again by another process
    shards = drawing.render(2)
    assert [image.index for shard in shards for image in read_shard(Path(shard) / SHARD_FILE)] == list(range(8))
    begun = drawing.processes()
    assert [scene for scene, _ in begun] == [0, 1, 0, 1, 2, 3]
    assert len({process for _, process in begun}) == 2


def test_a_hanging_scene_is_ended_and_tried_again(drawing: Drawing) -> None:
    # given scene 1 that hangs the first time, deaf to signals
    drawing.write(
        "if scene == 1 and once('hang', scene): signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(10000)"
    )
    # when it is rendered with a limit of 3 seconds, then it comes, and the process that hung is gone
    (shard,) = drawing.render(1, scene_timeout_s=3.0)
    assert len(read_shard(Path(shard) / SHARD_FILE)) == 4
    hung = drawing.processes()[1][1]
    deadline = time.monotonic() + 20
    while is_running(hung) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(hung)


def test_a_scene_that_always_hangs_is_given_up_with_setting_and_seed(drawing: Drawing) -> None:
    drawing.write("if scene == 1: time.sleep(10000)")
    message = r"failed 2 times: shard 0 of seed 5 at scene 1: .*time limit; setting .*\"resolution\": 16"
    with pytest.raises(RenderFailedError, match=message):
        drawing.render(1, scene_timeout_s=2.0, retries=1)
    assert [scene for scene, _ in drawing.processes()] == [0, 1, 0, 1]


def test_a_worn_actor_is_replaced_and_the_bytes_stay_the_same(drawing: Drawing) -> None:
    # given six shards of two scenes by one actor, and by actors that are replaced after two scenes
    plain = drawing.render(6)
    assert len({process for _, process in drawing.processes()}) == 1
    (drawing.folder / "processes").unlink()
    recycled = drawing.render(6, recycle_after=2)
    assert len({process for _, process in drawing.processes()}) == 6
    # and by two actors at once, then every shard has the same bytes
    parallel = drawing.render(6, actors=2)
    contents = [[(Path(shard) / SHARD_FILE).read_bytes() for shard in shards] for shards in (plain, recycled, parallel)]
    assert contents[0] == contents[1] == contents[2]


def test_a_gpu_that_no_node_has_is_refused_at_once(drawing: Drawing) -> None:
    if ray.cluster_resources().get("GPU"):
        pytest.skip("this machine has a GPU")
    setting = RenderSetting(device="cuda")
    job = RenderJob(setting, 0, 1, FolderSink(drawing.folder), 1, 1.0, 60, 0, lambda *_: None, gpus_per_actor=1)
    with pytest.raises(ValueError, match=r"device = 'cuda' with 1 GPUs an actor, but the nodes of this Ray have 0"):
        render_shards(job, [0])


def test_a_wrong_function_is_the_users_mistake_and_not_tried_again(drawing: Drawing) -> None:
    drawing.write("return []")
    with pytest.raises(ValueError, match="scene 0 has 0 images"):
        drawing.render(1)
    assert len(drawing.processes()) == 1
    assert os.getpid() not in {process for _, process in drawing.processes()}
