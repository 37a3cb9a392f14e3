"""Objects that fell: physics may differ from machine to machine, so a scene's final poses are kept for every render.

With `placement: physics` the images are a function of (setting, seed, index) and of the poses in the artifact store.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from render_actors.scene.sample import sample_scene
from render_actors.scene.spec import Matrix, SceneSpec, Vector
from render_actors.setting.classes import classes_of
from render_actors.setting.setting import RenderSetting, render_version
from render_actors.silence import silence
from render_actors.sinks import ArtifactSink

POSES_FILE = "poses.json"


def settling_identity(hanging: SceneSpec, setting: RenderSetting) -> dict[str, Any]:
    """What the final poses of a scene are kept under: its meshes, and where they hang; no light, look or camera."""
    pool = classes_of(setting)
    return {
        "stage": "settle",
        "version": render_version(blender=True),
        "pool": setting.content().get("objects"),
        "objects": [
            [pool[placed.class_id].name, placed.radius, placed.position, placed.rotation] for placed in hanging.objects
        ],
    }


def settled_scene(setting: RenderSetting, seed: int, scene_index: int, sink: ArtifactSink) -> SceneSpec:
    """The scene with its objects where they came to rest; they fall the first time it is asked for."""
    hanging = sample_scene(setting, seed, scene_index)
    identity = settling_identity(hanging, setting)
    manifest = sink.find(identity)
    if manifest is None:
        # Bullet says when it was built as it is imported.
        with silence():
            from render_actors.scene.falling import fall
        fallen = fall(setting, hanging)
        with tempfile.TemporaryDirectory(prefix="settle-") as folder:
            places = [{"position": placed.position, "rotation": placed.rotation} for placed in fallen]
            (Path(folder) / POSES_FILE).write_text(json.dumps(places))
            # Of two that settle the same scene at once the first is kept: what the other made is not used.
            manifest = sink.commit(identity, Path(folder))
    kept = json.loads(sink.path(manifest, POSES_FILE).read_text())
    return sample_scene(setting, seed, scene_index, [_from_json(entry) for entry in kept])


def _from_json(entry: dict[str, Any]) -> tuple[Vector, Matrix]:
    x, y, z = entry["position"]
    return (x, y, z), tuple(tuple(row) for row in entry["rotation"])
