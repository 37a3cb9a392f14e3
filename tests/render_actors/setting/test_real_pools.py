"""BOP objects and CC0 textures through BlenderProc's loaders, and labels against geometry that can be worked out."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from render_actors.labels import RenderedImage
from render_actors.scene.spec import ROOM_HALF_M
from render_actors.setting.classes import class_names
from render_actors.setting.setting import RenderSetting
from render_actors.shards.format import read_shard
from tests.render_actors.setting.bop_folders import write_bop, write_textures

LABELS = ("classes", "boxes", "masks", "semantic", "normals", "depth", "poses")
SIDE = 48


def render(out: Path, setting: RenderSetting, scenes: int, renderers: int = 1) -> list[RenderedImage]:
    """Render the first scenes in a new process, by each of so many renderers, one after the other."""
    out.mkdir()
    values = dataclasses.asdict(setting)
    script, project = Path(__file__).parents[1] / "blender" / "render_scenes.py", Path(__file__).parents[3]
    command = [sys.executable, str(script), str(out), json.dumps(values), *map(str, [*range(scenes)] * renderers)]
    environment = {"PYTHONPATH": str(project), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    shards = [out / f"{number}.parquet" for number in range(scenes)]
    assert all(path.is_file() for path in shards), done.stderr[-2000:]
    return [image for path in shards for image in read_shard(path)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    write_bop(folder / "bop")
    write_textures(folder / "cc0")
    return folder


def setting(folder: Path, **more: object) -> RenderSetting:
    values: dict = {"resolution": SIDE, "samples": 4, "classes": 2, "poses_per_scene": 4, "labels": LABELS} | more
    return RenderSetting(objects=str(folder / "bop"), textures=str(folder / "cc0"), **values)


@pytest.fixture(scope="module")
def spheres(folder: Path) -> list[RenderedImage]:
    # the texture-less classes are T-LESS's: the sphere alone
    return render(folder / "spheres", setting(folder, appearance="single", texture="without", light="fix"), 5)


@pytest.fixture(scope="module")
def boxes(folder: Path) -> list[RenderedImage]:
    return render(folder / "boxes", setting(folder, appearance="single", classes=1, light="fix"), 1)


def rays(image: RenderedImage) -> NDArray[np.float64]:
    """Directions (H, W, 3) through the pixels' centres in OpenCV's axes, of depth 1."""
    assert image.camera is not None
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    points = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    return points @ np.linalg.inv(np.array(image.camera.intrinsics).reshape(3, 3)).T


def inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose eight neighbours are in the mask too."""
    result = mask.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            result &= np.roll(mask, (down, right), axis=(0, 1))
    return result


def test_the_classes_are_the_models_of_the_data_sets(folder: Path) -> None:
    assert class_names(setting(folder)) == ("lm-000001", "tless-000001")
    assert class_names(setting(folder, texture="without")) == ("tless-000001",)
    with pytest.raises(ValueError, match="classes = 3; give a whole number from 1 to 2"):
        setting(folder, classes=3)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no NAME/models/models_info\.json"):
        RenderSetting(objects=str(tmp_path))


def test_the_identity_has_no_path_and_changes_with_the_files(folder: Path, tmp_path: Path) -> None:
    there = setting(folder).content()
    assert str(folder) not in json.dumps(there)
    write_bop(tmp_path / "bop")
    write_textures(tmp_path / "cc0")
    assert setting(tmp_path).content() == there
    # and what is not rendered from does not count: photographs beside the models, what a file manager leaves
    photograph = tmp_path / "more" / "bop" / "lm" / "test" / "000001" / "rgb" / "000000.png"
    write_bop(tmp_path / "more" / "bop")
    write_textures(tmp_path / "more" / "cc0")
    photograph.parent.mkdir(parents=True)
    for file in (photograph, tmp_path / "more" / "bop" / ".DS_Store"):
        file.write_bytes(b"1")
    assert setting(tmp_path / "more").content() == there
    other = write_bop(tmp_path / "other" / "bop")
    write_textures(tmp_path / "other" / "cc0")
    (other / "lm" / "models" / "obj_000001.ply").write_bytes(b"ply")
    assert setting(tmp_path / "other").content() != there


def test_a_spheres_normals_and_depth_are_the_analytic_ones(spheres: list[RenderedImage]) -> None:
    checked = 0
    for image in spheres:
        assert image.poses is not None
        assert image.normals is not None
        assert image.depth is not None
        matrix, radius = np.array(image.poses[0].matrix).reshape(3, 4), image.poses[0].scale
        centre, directions = matrix[:, 3], rays(image)
        # the nearer root of |t d - c| = r
        a, b = (directions**2).sum(axis=-1), directions @ centre
        root = b**2 - a * (centre @ centre - radius**2)
        hit = (b - np.sqrt(np.maximum(root, 0))) / a
        normals = (directions * hit[..., None] - centre) / radius * [1, -1, -1]
        inside = inner((image.instances == 1) & (root > 0)) & image.normals.any(axis=-1)
        checked += int(inside.sum())
        angles = np.degrees(np.arccos(np.clip((normals * image.normals.astype(float)).sum(axis=-1), -1, 1)))[inside]
        assert np.median(angles) < 4
        np.testing.assert_allclose(image.depth[inside], hit[inside], atol=0.15 * radius)
        assert np.median(np.abs(image.depth - hit)[inside]) < 0.02 * radius + 0.01
    assert checked > 500


def test_walls_and_floor_are_as_far_as_the_room_is_large(spheres: list[RenderedImage]) -> None:
    checked = 0
    for image in spheres:
        assert image.camera is not None
        assert image.depth is not None
        pose = np.array(image.camera.to_world).reshape(4, 4)
        directions, eye = (rays(image) * [1, -1, -1]) @ pose[:3, :3].T, pose[:3, 3]
        walls = np.where(directions > 0, [ROOM_HALF_M, ROOM_HALF_M, 2 * ROOM_HALF_M], [-ROOM_HALF_M, -ROOM_HALF_M, 0])
        each = (walls - eye) / directions
        distance, surface = each.min(axis=-1), each.argmin(axis=-1)
        # next to an edge of the room a pixel shows two of its sides
        plain = inner(image.instances == 0) & np.all(
            [np.roll(surface, shift, axis=axis) == surface for shift in (-1, 1) for axis in (0, 1)], axis=0
        )
        wall = plain & (surface < 2)
        checked += int(wall.sum())
        assert np.median(np.abs(image.depth / distance - 1)[plain]) < 0.02
        if wall.sum() > 50:
            assert np.median(np.abs(image.depth / distance - 1)[wall]) < 0.02
    assert checked > 100


def test_a_models_own_colours_and_the_textures_are_seen(boxes: list[RenderedImage]) -> None:
    for image in boxes:
        thing, room = image.rgb[image.instances == 1].mean(axis=0), image.rgb[image.instances == 0].mean(axis=0)
        assert thing[0] > 1.5 * thing[1], "the box's vertices are red"
        assert room[1] > 1.5 * room[0], "the bricks are green"


def test_a_second_renderer_in_a_process_has_the_same_objects(folder: Path, boxes: list[RenderedImage]) -> None:
    # given a process whose first renderer drew scene 0, when a second one of the same data sets draws it again
    again = render(folder / "again", setting(folder, appearance="single", classes=1, light="fix"), 1, renderers=2)
    # then it draws what the first of another process did
    for first, second in zip(boxes, again, strict=True):
        assert first.rgb.tobytes() == second.rgb.tobytes()
        assert first.objects == second.objects
