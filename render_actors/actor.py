"""A process that holds Blender, or what stands in for it, and makes shards; run as a Ray actor by `pool.py`."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render_actors.labels import RenderedImage
from render_actors.scene.sample import sample_scene
from render_actors.scene.settling import settled_scene
from render_actors.setting.classes import class_names
from render_actors.setting.setting import RenderSetting, render_version
from render_actors.shards.format import write_shard
from render_actors.sinks import ArtifactSink
from render_actors.sources.function import load_function, scene_of_function
from render_actors.sources.labelled_folder import images_digest, scene_of_folder

SHARD_FILE = "shard.parquet"


def shard_identity(setting: RenderSetting, seed: int, shard: int, scenes_per_shard: int) -> dict[str, Any]:
    """Everything that determines a shard's content, as JSON-ready values: the artifact store hashes it.

    Of a labelled folder also which images it holds.
    """
    identity: dict[str, Any] = {
        "stage": "render",
        "version": render_version(blender=setting.source is None),
        "setting": setting.content(),
        "seed": seed,
        "shard": shard,
        "scenes_per_shard": scenes_per_shard,
    }
    if setting.source is not None and setting.source.kind != "function":
        images = setting.poses_per_scene * scenes_per_shard
        identity["images"] = images_digest(setting, seed, range(shard * images, (shard + 1) * images))
    return identity


@dataclass(frozen=True)
class Drawing:
    """Whatever makes a setting's images: `scene(seed, index)` gives those of one scene, `close` ends it."""

    scene: Callable[[int, int], list[RenderedImage]]
    close: Callable[[], None]


def drawing_of(setting: RenderSetting, sink: ArtifactSink) -> Drawing:
    """Blender with the setting's pools loaded (about 10 s), or the setting's own source of images."""
    source = setting.source
    if source is None:
        from render_actors.blender.renderer import Renderer

        renderer = Renderer(setting)

        def scene(seed: int, index: int) -> list[RenderedImage]:
            if setting.placement == "surface":
                return renderer.render(sample_scene(setting, seed, index))
            return renderer.render(settled_scene(setting, seed, index, sink))

        return Drawing(scene, renderer.close)
    if source.kind == "function":
        function = load_function(source.where)
        return Drawing(lambda seed, index: scene_of_function(function, setting, seed, index), lambda: None)
    return Drawing(lambda seed, index: scene_of_folder(setting, seed, index), lambda: None)


class RenderActor:
    """Renders scenes one by one, keeps them until their shard is whole, commits it, returns the manifest."""

    def __init__(self, setting: RenderSetting, seed: int, scenes_per_shard: int, sink: ArtifactSink) -> None:
        self._setting, self._seed = setting, seed
        self._scenes_per_shard, self._sink = scenes_per_shard, sink
        self._drawing: Drawing | None = None
        self._rendered: dict[int, list[RenderedImage]] = {}

    def start(self) -> int:
        """Load what draws; returns the process id."""
        # One thread an actor: the pool scales by actors, and a second thread does not help small images.
        os.environ["OMP_NUM_THREADS"] = "1"
        self._drawing = drawing_of(self._setting, self._sink)
        return os.getpid()

    def take_up(self, setting: RenderSetting, seed: int, scenes_per_shard: int, sink: ArtifactSink) -> int:
        """Go on to another job, with what is loaded where the setting is the same; returns the process id."""
        same = setting == self._setting
        self._setting, self._seed, self._scenes_per_shard, self._sink = setting, seed, scenes_per_shard, sink
        self._rendered.clear()
        if same:
            return os.getpid()
        self.close()
        return self.start()

    def render_scene(self, scene_index: int) -> tuple[int, float]:
        """Render one scene; returns the number of images and the seconds it took."""
        if self._drawing is None:
            raise RuntimeError("start() must come before render_scene()")
        began = time.perf_counter()
        images = self._drawing.scene(self._seed, scene_index)
        self._rendered[scene_index] = images
        return len(images), time.perf_counter() - began

    def commit_shard(self, shard: int) -> Any:
        """Write the shard of the scenes rendered, hand it to the sink and forget the images; returns the manifest."""
        first = shard * self._scenes_per_shard
        wanted = range(first, first + self._scenes_per_shard)
        images = [image for scene_index in wanted for image in self._rendered[scene_index]]
        with tempfile.TemporaryDirectory(prefix="shard-") as folder:
            write_shard(Path(folder) / SHARD_FILE, images, len(class_names(self._setting)))
            identity = shard_identity(self._setting, self._seed, shard, self._scenes_per_shard)
            manifest = self._sink.commit(identity, Path(folder))
        self._rendered.clear()
        return manifest

    def close(self) -> None:
        """Leave nothing behind."""
        if self._drawing is not None:
            self._drawing.close()
