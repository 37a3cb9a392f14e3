"""Objects that are dropped: they come to rest in the room, and where they did is kept."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from render_actors.scene.sample import sample_scene
from render_actors.scene.settling import POSES_FILE, settled_scene, settling_identity
from render_actors.scene.spec import ROOM_HALF_M, ObjectPlacement
from render_actors.setting.classes import classes_of
from render_actors.setting.object_class import unit_vertices
from render_actors.setting.setting import RenderSetting
from tests.render_actors.sinks import FolderSink

DROPPED = RenderSetting(placement="physics", min_objects=4, max_objects=4)


def corners(placed: ObjectPlacement) -> np.ndarray:
    """The mesh's vertices in the world, (V, 3) in metres."""
    mesh = unit_vertices(classes_of(DROPPED)[placed.class_id])
    return placed.radius * mesh @ np.array(placed.rotation).T + np.array(placed.position)


@pytest.mark.parametrize("index", range(3))
def test_dropped_objects_lie_in_the_room_on_the_floor_or_on_each_other(tmp_path: Path, index: int) -> None:
    # given objects in the air
    hanging = sample_scene(DROPPED, 0, index)
    assert min(corners(placed)[:, 2].min() for placed in hanging.objects) > 0

    # when they have fallen
    scene = settled_scene(DROPPED, 0, index, FolderSink(tmp_path))

    # then the same objects lie inside the room, none of them under the floor, and at least one of them on it
    assert [o.class_id for o in scene.objects] == [o.class_id for o in hanging.objects]
    lowest = [corners(placed)[:, 2].min() for placed in scene.objects]
    assert min(lowest) > -0.01
    assert min(lowest) < 0.01
    assert all(np.abs(corners(placed)[:, :2]).max() < ROOM_HALF_M + 0.01 for placed in scene.objects)
    # and what the fall does not touch is as it was; the cameras have turned to where the objects are
    assert (scene.lights, scene.walls, scene.noise_seed) == (hanging.lights, hanging.walls, hanging.noise_seed)
    assert scene.cameras != hanging.cameras


def test_where_objects_came_to_rest_is_kept_and_not_found_out_again(tmp_path: Path) -> None:
    # given a scene that has settled, and a physics that would now answer otherwise: its kept poses are changed
    sink = FolderSink(tmp_path)
    first = settled_scene(DROPPED, 0, 0, sink)
    file = sink.path(str(sink.place(settling_identity(sample_scene(DROPPED, 0, 0), DROPPED))), POSES_FILE)
    kept = json.loads(file.read_text())
    kept[0]["position"][0] += 0.125
    file.write_text(json.dumps(kept))

    # when it is asked for again, also with other labels, lights and looks, then the kept poses are what comes
    others: list[dict[str, Any]] = [{"labels": ("masks",)}, {"light": "fix"}, {"look": "random"}, {"resolution": 128}]
    for setting in (DROPPED, *(dataclasses.replace(DROPPED, **other) for other in others)):
        again = settled_scene(setting, 0, 0, sink)
        assert again.objects[0].position[0] == first.objects[0].position[0] + 0.125
        assert [o.rotation for o in again.objects] == [o.rotation for o in first.objects]


def test_placement_leaves_the_scenes_of_surface_settings_as_they_were() -> None:
    assert "placement" not in RenderSetting().content()
    with pytest.raises(ValueError, match="placement = 'thrown'; choose surface or physics"):
        RenderSetting(placement="thrown")  # type: ignore[arg-type]


def test_bullet_is_imported_where_objects_fall_and_says_nothing(tmp_path: Path) -> None:
    # given a new process that has all that the command line and an actor import
    code = (
        "import sys, sweeper.__main__, sweeper.commands.render, render_actors.actor\n"
        "assert 'pybullet' not in sys.modules\n"
        "from pathlib import Path\n"
        "from render_actors.setting.setting import RenderSetting\n"
        "from render_actors.scene.settling import settled_scene\n"
        "from tests.render_actors.sinks import FolderSink\n"
        f"settled_scene(RenderSetting(placement='physics', max_objects=1), 0, 0, FolderSink(Path({str(tmp_path)!r})))\n"
        "assert 'pybullet' in sys.modules\n"
    )
    project = Path(__file__).parents[3]
    # when objects fall in it, then Bullet was imported, and its greeting is not heard
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={"PYTHONPATH": str(project), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]
