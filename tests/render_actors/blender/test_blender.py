"""Rendered images: the same bytes in every process and after any other scene; labels that agree with each other."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from render_actors.labels import RenderedImage
from render_actors.scene.sample import sample_scene
from render_actors.scene.spec import ROOM_HALF_M
from render_actors.setting.object_class import unit_vertices
from render_actors.setting.objects import CLASSES
from render_actors.setting.setting import RenderSetting
from render_actors.shards.format import read_shard

SETTING = RenderSetting(
    resolution=32,
    samples=2,
    poses_per_scene=4,
    max_objects=4,
    labels=("classes", "boxes", "masks", "semantic", "normals", "depth", "poses"),
)


def render(out: Path, scenes: list[int], setting: RenderSetting = SETTING) -> None:
    """Render in a new process. Its exit code says nothing: Blender may crash when the interpreter ends."""
    out.mkdir()
    script = Path(__file__).with_name("render_scenes.py")
    command = [sys.executable, str(script), str(out), json.dumps(dataclasses.asdict(setting)), *map(str, scenes)]
    project = Path(__file__).parents[3]
    done = subprocess.run(
        command, cwd=project, env={"PYTHONPATH": str(project)}, capture_output=True, text=True, timeout=300, check=False
    )
    missing = [number for number in scenes if not (out / f"{number}.parquet").is_file()]
    assert not missing, done.stderr[-2000:]
    assert done.stdout == "", "Blender's chatter reached stdout"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("renders") / "alone"
    render(folder, [3])
    return folder


@pytest.fixture(scope="module")
def after_others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("renders") / "after"
    render(folder, [0, 1, 2, 3, 4, 5, 6, 7])
    return folder


@pytest.fixture(scope="module")
def images(after_others: Path) -> list[RenderedImage]:
    return [image for number in range(8) for image in read_shard(after_others / f"{number}.parquet")]


def test_a_scene_has_the_same_bytes_in_another_process_and_after_others(alone: Path, after_others: Path) -> None:
    for first, second in zip(read_shard(alone / "3.parquet"), read_shard(after_others / "3.parquet"), strict=True):
        assert first.objects == second.objects
        assert first.rgb.tobytes() == second.rgb.tobytes()
        assert first.instances.tobytes() == second.instances.tobytes()
        assert first.depth is not None
        assert second.depth is not None
        assert first.depth.tobytes() == second.depth.tobytes()
        # Cycles averages normals over samples: the last bit of a float may differ (FACTS: 3e-5), of a half 1e-3.
        assert first.normals is not None
        assert second.normals is not None
        np.testing.assert_allclose(first.normals, second.normals, atol=1e-3)


def test_images_are_numbered_through_and_lit(images: list[RenderedImage]) -> None:
    assert [image.index for image in images] == list(range(32))
    for image in images:
        assert image.rgb.shape == (32, 32, 3)
        assert 15 < image.rgb.mean() < 250, f"image {image.index} is black or bleached"
        assert image.rgb.std() > 5, f"image {image.index} is empty"


def test_boxes_and_areas_agree_with_the_masks(images: list[RenderedImage]) -> None:
    for image in images:
        for seen in image.objects:
            x0, y0, x1, y1 = seen.box
            mask = image.instances == seen.instance_id
            assert mask.sum() == seen.visible_px
            assert mask[y0:y1, x0:x1].sum() == seen.visible_px
            assert mask[y0, x0:x1].any()
            assert mask[y1 - 1, x0:x1].any()
            assert mask[y0:y1, x0].any()
            assert mask[y0:y1, x1 - 1].any()


def test_class_sets_agree_with_the_masks_and_the_scene(images: list[RenderedImage]) -> None:
    for image in images:
        scene = sample_scene(SETTING, 0, image.index // 4)
        pixels = {number: int((image.instances == number).sum()) for number in np.unique(image.instances) if number}
        assert max(pixels, default=0) <= len(scene.objects)
        wanted = {scene.objects[number - 1].class_id for number, count in pixels.items() if count >= 0.004 * 32**2}
        assert {seen.class_id for seen in image.objects} == wanted
    assert np.mean([len(image.objects) > 0 for image in images]) > 0.95


def test_the_mask_is_where_the_camera_sees_the_object(images: list[RenderedImage]) -> None:
    # given an object seen alone and whole, then its mask's centre is where its position projects to
    checked = 0
    for image in images:
        scene = sample_scene(SETTING, 0, image.index // 4)
        if len(scene.objects) > 1:
            continue
        camera = np.linalg.inv(np.array(scene.cameras[image.index % 4]))
        x, y, z, _ = camera @ (*scene.objects[0].position, 1.0)
        focal = 16 / np.tan(np.radians(25))
        expected = np.array([16 + focal * x / -z, 16 - focal * y / -z])
        rows, columns = np.nonzero(image.instances == 1)
        assert np.abs(np.array([columns.mean(), rows.mean()]) + 0.5 - expected).max() < 5
        checked += 1
    assert checked > 0


def test_depth_and_normals_of_the_floor_are_the_planes(images: list[RenderedImage]) -> None:
    focal = 16 / np.tan(np.radians(25))
    rows, columns = np.mgrid[:32, :32] + 0.5
    rays = np.stack([(columns - 16) / focal, -(rows - 16) / focal, -np.ones_like(rows)], axis=-1)
    checked = 0
    for image in images:
        camera = np.array(sample_scene(SETTING, 0, image.index // 4).cameras[image.index % 4])
        assert image.depth is not None
        assert image.normals is not None
        directions = rays @ camera[:3, :3].T
        distance = -camera[2, 3] / directions[..., 2]
        hits = camera[:3, 3] + directions * distance[..., None]
        # rows next to an object or a wall may belong to it in part
        floor = (image.instances == 0) & (distance > 0) & (np.abs(hits[..., :2]) < ROOM_HALF_M - 0.5).all(axis=-1)
        up = np.array([0.0, 0.0, 1.0]) @ camera[:3, :3]
        error = np.abs(image.normals.astype(float) - up).max(axis=-1)
        checked += int(floor.sum())
        # the pass is read in the middle of the pixel, whatever the filter that smooths the image: half a pixel is 1 %
        assert np.quantile(np.abs(image.depth / distance - 1)[floor], 0.9) < 1e-3
        assert np.median(error[floor]) < 2e-3
    assert checked > 1000


def test_the_semantic_map_is_the_masks_with_their_classes(images: list[RenderedImage]) -> None:
    for image in images:
        scene = sample_scene(SETTING, 0, image.index // 4)
        assert image.semantic is not None
        for number in range(1, len(scene.objects) + 1):
            assert set(image.semantic[image.instances == number]) <= {scene.objects[number - 1].class_id + 1}
        np.testing.assert_array_equal(image.semantic == 0, image.instances == 0)


def test_normals_are_unit_where_they_are_valid(images: list[RenderedImage]) -> None:
    for image in images:
        assert image.normals is not None
        valid = image.normals.any(axis=-1)
        np.testing.assert_allclose(np.linalg.norm(image.normals[valid].astype(float), axis=-1), 1, atol=2e-3)
        # edges alone have none, and what is seen faces the viewer
        assert valid.mean() > 0.7
        assert (image.normals[valid][:, 2] > -0.6).all()


def test_poses_put_every_object_where_its_mask_and_depth_are(images: list[RenderedImage]) -> None:
    for image in images:
        assert image.poses is not None
        assert image.camera is not None
        assert image.depth is not None
        intrinsics = np.array(image.camera.intrinsics).reshape(3, 3)
        for seen in image.objects:
            pose = image.poses[seen.instance_id - 1]
            assert pose.class_id == seen.class_id
            matrix = np.array(pose.matrix).reshape(3, 4)
            points = unit_vertices(CLASSES[pose.class_id]) * pose.scale @ matrix[:, :3].T + matrix[:, 3]
            flat = points @ intrinsics.T
            flat = flat[:, :2] / flat[:, 2:]
            # no visible pixel lies outside the projected vertices' box, none is nearer or farther than the object
            x0, y0, x1, y1 = seen.box
            assert (flat.min(axis=0) < (x0 + 1, y0 + 1)).all()
            assert (flat.max(axis=0) > (x1 - 1, y1 - 1)).all()
            inside = image.instances == seen.instance_id
            depths = image.depth[inside]
            assert points[:, 2].min() - 0.1 < np.median(depths) < points[:, 2].max() + 0.1


def test_a_gpu_that_is_not_there_is_refused_and_not_replaced_by_the_cpu(tmp_path: Path) -> None:
    # given a machine without a GPU, when a setting asks for one, then nothing is rendered and the message says why
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    script = Path(__file__).with_name("render_scenes.py")
    setting = json.dumps(SETTING.content() | {"device": "optix"})
    project = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), setting, "0"],
        cwd=project,
        env={"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (
        "MissingDeviceError: rendering setting: device = 'optix', but Blender finds no such device here" in done.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_with_random_materials_an_object_looks_otherwise_in_each_scene_and_the_same_in_each_process(
    tmp_path: Path,
) -> None:
    # given scenes of one class alone, its objects covered at random
    one = dataclasses.replace(SETTING, classes=1, max_objects=1, material="random", background="fix", light="fix")
    render(tmp_path / "some", [0, 1, 2, 3], one)
    render(tmp_path / "again", [3], one)

    # when its colour is taken from its own pixels
    colours = []
    for number in range(4):
        images = read_shard(tmp_path / "some" / f"{number}.parquet")
        colours.append(np.mean([image.rgb[image.instances == 1].mean(axis=0) for image in images], axis=0))

    # then no two scenes share it, which a tint of 0.8 to 1.15 would leave close together
    apart = [np.abs(a - b).max() for i, a in enumerate(colours) for b in colours[i + 1 :]]
    assert max(apart) > 60
    assert min(apart) > 3
    # and another process draws the same
    first, second = (read_shard(tmp_path / name / "3.parquet") for name in ("some", "again"))
    assert [image.rgb.tobytes() for image in first] == [image.rgb.tobytes() for image in second]
