"""Objects that fell: physics may differ from machine to machine, so a scene's final poses are kept for every render.

With `placement: physics` the images are a function of (setting, seed, index) and of the poses in the artifact store.
"""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from render_actors.scene.sample import sample_scene
from render_actors.scene.spec import ObjectPlacement, SceneSpec
from render_actors.setting.setting import RenderSetting, render_version
from render_actors.silence import silence
from render_actors.sinks import ArtifactSink

POSES_FILE = "poses.json"


def settling_identity(setting: RenderSetting, seed: int, scene_index: int) -> dict[str, Any]:
    """What the final poses of a scene are kept under."""
    return {
        "stage": "settle",
        "version": render_version(blender=True),
        "setting": setting.scene_content(),
        "seed": seed,
        "scene": scene_index,
    }


def settled_scene(setting: RenderSetting, seed: int, scene_index: int, sink: ArtifactSink) -> SceneSpec:
    """The scene with its objects where they came to rest; they fall the first time it is asked for."""
    identity = settling_identity(setting, seed, scene_index)
    manifest = sink.find(identity)
    if manifest is None:
        # Bullet says when it was built as it is imported.
        with silence():
            from render_actors.scene.falling import fall
        fallen = fall(setting, sample_scene(setting, seed, scene_index))
        with tempfile.TemporaryDirectory(prefix="settle-") as folder:
            (Path(folder) / POSES_FILE).write_text(json.dumps([asdict(placed) for placed in fallen]))
            # Of two that settle the same scene at once the first is kept: what the other made is not used.
            manifest = sink.commit(identity, Path(folder))
    kept = json.loads(sink.path(manifest, POSES_FILE).read_text())
    return sample_scene(setting, seed, scene_index, tuple(_from_json(entry) for entry in kept))


def _from_json(entry: dict[str, Any]) -> ObjectPlacement:
    rotation = tuple(tuple(row) for row in entry["rotation"])
    x, y, z = entry["position"]
    red, green, blue = entry["tint"]
    return ObjectPlacement(entry["class_id"], (x, y, z), rotation, entry["radius"], (red, green, blue))
