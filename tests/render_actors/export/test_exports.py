"""COCO read back by pycocotools and by our own reader, BOP by BlenderProc's loader: the same boxes, masks and poses."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render_actors.export.bop import export_bop
from render_actors.export.coco import export_coco, run_lengths
from render_actors.labels import RenderedImage, camera_of, image_of_maps, pose_in_camera
from render_actors.scene.sample import sample_scene
from render_actors.scene.spec import FIELD_OF_VIEW
from render_actors.setting.object_class import unit_vertices
from render_actors.setting.objects import CLASSES
from render_actors.setting.setting import RenderSetting
from render_actors.shards.keypoints import NAMES, class_keypoints
from tests.render_actors.drawn import drawn_image

SETTING = RenderSetting(
    resolution=32, classes=3, max_objects=3, poses_per_scene=3, size_jitter=False, labels=("depth", "poses")
)


def pretended(index: int) -> RenderedImage:
    """What Blender would know of an image, with a disc for each object instead of its mask."""
    scene, view = sample_scene(SETTING, 0, index // 3), index % 3
    camera = np.array(scene.cameras[view])
    poses = tuple(pose_in_camera(o.class_id, o.position, o.rotation, o.radius, camera) for o in scene.objects)
    instances = np.zeros((32, 32), np.uint8)
    for number in range(1, len(poses) + 1):
        instances[4 * number : 4 * number + 3, 2:9] = number
    image = image_of_maps(index, np.zeros((32, 32, 3), np.uint8), instances, [pose.class_id for pose in poses], 1)
    depth = np.full((32, 32), 3.21, np.float32)
    return dataclasses.replace(image, depth=depth, poses=poses, camera=camera_of(32, FIELD_OF_VIEW, camera))


def test_run_lengths_go_down_the_columns_and_begin_with_background() -> None:
    assert run_lengths(np.array([[0, 1], [0, 1], [1, 0]], bool)) == [2, 3, 1]
    assert run_lengths(np.array([[1, 1]], bool)) == [0, 2]
    assert run_lengths(np.zeros((2, 2), bool)) == [4]


def test_coco_is_read_back_by_pycocotools(tmp_path: Path) -> None:
    coco_api = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    images = [drawn_image(k) for k in range(4)]
    coco = coco_api.COCO(str(export_coco(images, "abcde", tmp_path / "coco")))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list("abcde")
    assert coco.getImgIds() == [0, 1, 2, 3]
    for image in images:
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[image.index]))
        assert len(annotations) == len(image.objects)
        for annotation, seen in zip(annotations, image.objects, strict=True):
            np.testing.assert_array_equal(coco.annToMask(annotation), image.instances == seen.instance_id)
            x, y, width, height = annotation["bbox"]
            assert (x, y, x + width, y + height) == seen.box
            assert annotation["category_id"] == seen.class_id + 1
        [entry] = coco.loadImgs([image.index])
        np.testing.assert_array_equal(
            np.array(Image.open(tmp_path / "coco" / "images" / entry["file_name"])), image.rgb
        )


def test_coco_has_the_keypoints_of_images_with_poses_and_their_names(tmp_path: Path) -> None:
    images = [pretended(k) for k in range(6)]

    path = export_coco(images, "abc", tmp_path / "coco", class_keypoints(SETTING))

    content = json.loads(path.read_text())
    assert all(category["keypoints"] == list(NAMES) for category in content["categories"])
    wanted = [(image, seen) for image in images for seen in image.objects]
    checked = 0
    for annotation, (image, seen) in zip(content["annotations"], wanted, strict=True):
        assert len(annotation["keypoints"]) == 27
        assert annotation["num_keypoints"] == sum(v > 0 for v in annotation["keypoints"][2::3])
        # the centre, in pixels counted from 0, is where the scene's camera sees the object's position
        scene = sample_scene(SETTING, 0, image.index // 3)
        x, y, z, _ = np.linalg.inv(np.array(scene.cameras[image.index % 3])) @ (
            *scene.objects[seen.instance_id - 1].position,
            1.0,
        )
        focal = 16 / np.tan(FIELD_OF_VIEW / 2)
        if annotation["keypoints"][2]:
            expected = [16 + focal * x / -z - 0.5, 16 - focal * y / -z - 0.5]
            assert annotation["keypoints"][:2] == pytest.approx(expected, abs=1e-6)
            checked += 1
    assert checked > 3


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty"):
        export_coco([drawn_image(0)], "abcde", tmp_path)
    with pytest.raises(FileExistsError, match="is not empty"):
        export_bop([pretended(0)], SETTING, tmp_path)


def test_bop_is_in_millimetres_and_complete(tmp_path: Path) -> None:
    folder = export_bop([pretended(k) for k in range(6)], SETTING, tmp_path / "ours")
    image, scene = pretended(4), folder / "train_pbr" / "000001"
    assert image.poses is not None
    camera = json.loads((scene / "scene_camera.json").read_text())["1"]
    # depth is kept to a tenth of a millimetre
    depth = np.array(Image.open(scene / "depth" / "000001.png")) * camera["depth_scale"]
    np.testing.assert_allclose(depth, 3210, atol=0.1)
    for k, entry in enumerate(json.loads((scene / "scene_gt_info.json").read_text())["1"]):
        mask = np.array(Image.open(scene / "mask_visib" / f"000001_{k:06d}.png")) == 255
        np.testing.assert_array_equal(mask, image.instances == k + 1)
        assert entry["px_count_visib"] == mask.sum()
        assert entry["bbox_visib"] == [2, 4 * (k + 1), 7, 3]
    # a model's vertices, moved as the ground truth says and seen by the camera, fall into the whole object's box
    for truth, entry in zip(
        json.loads((scene / "scene_gt.json").read_text())["1"],
        json.loads((scene / "scene_gt_info.json").read_text())["1"],
        strict=True,
    ):
        points = unit_vertices(CLASSES[truth["obj_id"] - 1]) * 1000 * image.poses[0].scale
        seen = points @ np.array(truth["cam_R_m2c"]).reshape(3, 3).T + truth["cam_t_m2c"]
        flat = seen @ np.array(camera["cam_K"]).reshape(3, 3).T
        flat = flat[:, :2] / flat[:, 2:]
        x, y, width, height = entry["bbox_obj"]
        assert ((flat >= [x, y]) & (flat <= [x + width, y + height])).all()
    models = json.loads((folder / "models" / "models_info.json").read_text())
    assert {int(key) for key in models} == {pose.class_id + 1 for k in range(6) for pose in pretended(k).poses or ()}
    assert all(500 < model["diameter"] <= 900.1 for model in models.values())


def test_an_object_behind_a_camera_that_aims_at_another_one_has_no_box(tmp_path: Path) -> None:
    # given the same image with its first object two metres behind the camera
    image = pretended(0)
    assert image.poses is not None
    behind = np.array(image.poses[0].matrix).reshape(3, 4)
    behind[:, 3] = 0, 0, -2
    poses = (dataclasses.replace(image.poses[0], matrix=tuple(behind.ravel().tolist())), *image.poses[1:])

    folder = export_bop([dataclasses.replace(image, poses=poses)], SETTING, tmp_path / "ours")

    first, *others = json.loads((folder / "train_pbr" / "000000" / "scene_gt_info.json").read_text())["0"]
    assert first["bbox_obj"] == [-1, -1, -1, -1]
    assert all(other["bbox_obj"][2] > 0 for other in others)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size_jitter": True}, r"set render\.size_jitter to false"),
        ({"labels": ("classes", "depth")}, "no depth or poses"),
    ],
)
def test_what_bop_cannot_hold_is_refused_before_anything_is_written(
    tmp_path: Path, changed: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        export_bop([pretended(0)], dataclasses.replace(SETTING, **changed), tmp_path / "bop")
    assert not (tmp_path / "bop").exists()


def test_bop_is_read_back_by_blenderprocs_loader(tmp_path: Path) -> None:
    # given two scenes of three views exported, when BlenderProc loads the second, then it sees what we saw
    folder = export_bop([pretended(k) for k in range(6)], SETTING, tmp_path / "ours")
    script, project = Path(__file__).with_name("bop_reader.py"), Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(script), str(folder), "1"],
        cwd=project,
        env={"PYTHONPATH": str(project), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip(), done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    images = [pretended(3 + view) for view in range(3)]
    assert images[0].poses is not None
    assert found["objects"] == [pose.class_id + 1 for pose in images[0].poses]
    for image, camera in zip(images, found["cameras"], strict=True):
        assert image.poses is not None
        # BlenderProc's world is the first view; its cameras look along -z
        to_camera = np.linalg.inv(np.array(camera) @ np.diag([1.0, -1.0, -1.0, 1.0]))
        for pose, placed in zip(image.poses, found["poses"], strict=True):
            wanted = np.array(pose.matrix).reshape(3, 4)
            seen = to_camera @ np.array(placed)
            np.testing.assert_allclose(seen[:3, 3], wanted[:, 3], atol=1e-4)
            # the model is in millimetres
            np.testing.assert_allclose(1000 * seen[:3, :3], wanted[:, :3], atol=1e-4)
