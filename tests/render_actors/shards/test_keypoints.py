"""Keypoints of rendered objects: exact where the geometry is written down, and beside the pixels Blender drew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from render_actors.setting.setting import RenderSetting
from render_actors.shards.arrays import RenderedArrays, load_arrays
from render_actors.shards.format import write_shard
from render_actors.shards.keypoints import HIDDEN, NAMES, OUTSIDE, VISIBLE, class_keypoints, projection, seen_keypoints
from tests.render_actors.blender.test_blender import render
from tests.render_actors.drawn import drawn_image

INTRINSICS = np.array([[100.0, 0, 32], [0, 100, 32], [0, 0, 1]])
CUBE = np.array([[(0, 0, 0), *((x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1))]], float)
UPRIGHT = np.eye(3)
# as a real sweep renders them, large enough that a pixel is little
SETTING = RenderSetting(resolution=96, samples=1, poses_per_scene=4, max_objects=3, labels=("boxes", "masks", "poses"))


def seen(
    places: list[tuple[float, float, float]], instances: np.ndarray, half_m: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Cubes of these centres (camera axes, metres) in one image; their visible boxes are of the pixels numbered so."""
    boxes, projections = [], []
    for number, place in enumerate(places, start=1):
        rows, columns = np.nonzero(instances == number)
        boxes.append((0, 0, columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        matrix = projection(np.column_stack([UPRIGHT, place]), half_m, INTRINSICS)
        projections.append((number, *matrix.ravel()))
    return seen_keypoints(CUBE, np.array(boxes, np.int32), np.array(projections), instances[None])


def test_a_cube_before_the_camera_has_its_corners_where_a_pinhole_puts_them() -> None:
    # given a cube of side 0.2 m whose centre is 1 m before the camera, on its axis
    instances = np.zeros((64, 64), np.uint8)
    instances[22:42, 22:42] = 1

    [points], [box] = seen([(0, 0, 1)], instances)

    # then the near face is 100 * 0.1 / 0.9 px off the middle, the far one 100 * 0.1 / 1.1
    found = dict(zip(NAMES, points.tolist(), strict=True))
    assert found["centre"] == [32, 32, VISIBLE]
    assert found["corner_xyz"] == pytest.approx([32 - 10 / 0.9, 32 - 10 / 0.9, VISIBLE])
    assert found["corner_XyZ"] == pytest.approx([32 + 10 / 1.1, 32 - 10 / 1.1, VISIBLE])
    assert box == pytest.approx([32 - 10 / 0.9] * 2 + [32 + 10 / 0.9] * 2)


def test_what_a_nearer_object_covers_is_hidden_and_what_is_outside_is_not_labelled() -> None:
    # given a near cube over the right half of a far one, and one that reaches out of the image
    instances = np.zeros((64, 64), np.uint8)
    instances[27:37, 27:37] = 1
    instances[20:44, 33:56] = 2
    instances[50:64, 50:64] = 3

    far, near, edge = seen([(0, 0, 2), (0.12, 0, 1), (0.5, 0.5, 1.8)], instances)[0]

    hidden = [name for name, point in zip(NAMES, far, strict=True) if point[2] == HIDDEN]
    assert hidden == ["corner_Xyz", "corner_XyZ", "corner_XYz", "corner_XYZ"]
    assert (near[:, 2] == VISIBLE).all(), "the far object hides nothing of the near one"
    assert {tuple(point) for point in edge[edge[:, 2] == OUTSIDE]} == {(0, 0, 0)}
    assert 0 < (edge[:, 2] == OUTSIDE).sum() < 9


def test_images_without_an_object_have_no_keypoints() -> None:
    nothing = np.zeros((0, 6), np.int32), np.zeros((0, 13)), np.zeros((3, 8, 8), np.uint8)

    points, boxes = seen_keypoints(CUBE, *nothing)

    assert (points.shape, boxes.shape) == ((0, 9, 3), (0, 4))


def test_a_corner_behind_the_camera_is_no_keypoint_and_the_box_stays_in_the_image() -> None:
    instances = np.ones((64, 64), np.uint8)

    [points], [box] = seen([(0, 0, 0.05)], instances)

    assert all(point[2] == OUTSIDE for name, point in zip(NAMES, points, strict=True) if name.endswith("z"))
    assert box.tolist() == [0, 0, 64, 64]


def test_shards_without_poses_are_refused_by_name(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard.parquet", [drawn_image(0)], 4)

    with pytest.raises(ValueError, match=r"shard\.parquet was rendered without poses; ask for that label"):
        load_arrays([tmp_path / "shard.parquet"], 1, tmp_path / "cache", "key", ("projections",))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> RenderedArrays:
    folder = tmp_path_factory.mktemp("keypoints")
    render(folder / "shards", [0, 1, 2, 3, 4, 5], SETTING)
    shards = [folder / "shards" / f"{number}.parquet" for number in range(6)]
    return load_arrays(shards, 24, folder / "cache", "key", ("boxes", "instances", "projections"))


def test_the_corners_of_a_rendered_object_enclose_its_pixels(rendered: RenderedArrays) -> None:
    checked = 0
    for points, _, mask, _ in objects_of(rendered):
        if (points[:, 2] == OUTSIDE).any():
            continue
        y, x = np.nonzero(mask)
        # equations of the hull's sides: unit normal outwards, offset
        sides = ConvexHull(points[1:, :2]).equations
        beyond = (np.column_stack([x, y]) + 0.5) @ sides[:, :2].T + sides[:, 2]
        assert beyond.max() < 1, "a pixel's centre lies more than a pixel outside the hull of the eight corners"
        checked += 1
    assert checked > 20


def test_the_centre_of_an_object_that_nothing_hides_lies_in_its_box_which_fills_the_corners(
    rendered: RenderedArrays,
) -> None:
    checked = 0
    for points, held, mask, alone in objects_of(rendered):
        if not alone or (points[:, 2] == OUTSIDE).any():
            continue
        rows, columns = np.nonzero(mask)
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        x, y, visibility = points[0]
        assert visibility == VISIBLE
        assert box[0] <= x <= box[2]
        assert box[1] <= y <= box[3]
        # corners stick out of an object, but a box of twice its size would be another object's
        visible, whole = (np.array([b[2] - b[0], b[3] - b[1]]) for b in (box, held))
        assert (visible <= whole + 1).all()
        assert (visible > 0.5 * whole).all()
        checked += 1
    assert checked > 8


def objects_of(rendered: RenderedArrays) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]:
    """Of every listed object its keypoints, the box that holds them, its mask, and whether that box shows no other."""
    assert rendered.boxes is not None
    assert rendered.projections is not None
    assert rendered.instances is not None
    found = seen_keypoints(class_keypoints(SETTING), rendered.boxes, rendered.projections, rendered.instances)
    for row, projected, points, held in zip(rendered.boxes, rendered.projections, *found, strict=True):
        instances = rendered.instances[row[0]]
        x0, y0, x1, y1 = held.round().astype(int)
        alone = set(np.unique(instances[y0:y1, x0:x1])) <= {0, int(projected[0])}
        yield points, held, instances == projected[0], alone
