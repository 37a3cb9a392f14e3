"""A process that holds Blender and makes shards; run as a Ray actor by `pool.py`."""

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from render_actors.scene import RENDER_VERSION, RenderSetting, sample_scene
from render_actors.shards import RenderedImage, write_shard

if TYPE_CHECKING:
    from render_actors.blender import Renderer

SHARD_FILE = "shard.parquet"


class ShardSink(Protocol):
    """Where shards go: the artifact store. It is pickled to the actors."""

    def find(self, identity: dict[str, Any]) -> Any | None:
        """The manifest of a committed artifact, or None."""

    def commit(self, identity: dict[str, Any], folder: Path) -> Any:
        """Store the folder's files under the identity, manifest last; returns the manifest."""


def shard_identity(setting: RenderSetting, seed: int, shard: int, scenes_per_shard: int) -> dict[str, Any]:
    """Everything that determines a shard's content, as JSON-ready values: the artifact store hashes it."""
    return {
        "stage": "render",
        "version": RENDER_VERSION,
        "setting": setting.content(),
        "seed": seed,
        "shard": shard,
        "scenes_per_shard": scenes_per_shard,
    }


class RenderActor:
    """Renders scenes one by one, keeps them until their shard is whole, commits it, returns the manifest."""

    def __init__(self, setting: RenderSetting, seed: int, scenes_per_shard: int, sink: ShardSink) -> None:
        self._setting, self._seed = setting, seed
        self._scenes_per_shard, self._sink = scenes_per_shard, sink
        self._renderer: Renderer | None = None
        self._rendered: dict[int, list[RenderedImage]] = {}

    def start(self) -> int:
        """Load Blender and the setting's pools (about 10 s); returns the process id."""
        # One thread an actor: the pool scales by actors, and a second thread does not help small images.
        os.environ["OMP_NUM_THREADS"] = "1"
        from render_actors.blender import Renderer

        self._renderer = Renderer(self._setting)
        return os.getpid()

    def render_scene(self, scene_index: int) -> tuple[int, float]:
        """Render one scene; returns the number of images and the seconds it took."""
        if self._renderer is None:
            raise RuntimeError("start() must come before render_scene()")
        began = time.perf_counter()
        images = self._renderer.render(sample_scene(self._setting, self._seed, scene_index))
        self._rendered[scene_index] = images
        return len(images), time.perf_counter() - began

    def commit_shard(self, shard: int) -> Any:
        """Write the shard of the scenes rendered, hand it to the sink and forget the images; returns the manifest."""
        first = shard * self._scenes_per_shard
        wanted = range(first, first + self._scenes_per_shard)
        images = [image for scene_index in wanted for image in self._rendered[scene_index]]
        with tempfile.TemporaryDirectory(prefix="shard-") as folder:
            write_shard(Path(folder) / SHARD_FILE, images, self._setting.classes)
            identity = shard_identity(self._setting, self._seed, shard, self._scenes_per_shard)
            manifest = self._sink.commit(identity, Path(folder))
        self._rendered.clear()
        return manifest

    def close(self) -> None:
        """Remove the renderer's temporary folder."""
        if self._renderer is not None:
            self._renderer.close()
