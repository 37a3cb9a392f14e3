"""Labels that follow from maps and poses, on cases worked out by hand."""

import math

import numpy as np

from render_actors.labels import camera_of, image_of_maps, pose_in_camera, semantic_map, target_class, unit_normals


def test_the_semantic_map_has_a_background_and_every_instances_class() -> None:
    instances = np.array([[0, 1, 2], [3, 3, 0]], dtype=np.uint8)
    assert semantic_map(instances, [4, 0, 4]).tolist() == [[0, 5, 1], [5, 5, 0]]


def test_normals_are_unit_or_not_valid() -> None:
    # given the mean of a pixel on one surface, and of one across an edge of 90 degrees
    means = np.array([[[0.0, 0.0, 0.97], [0.5, 0.5, 0.0]]], dtype=np.float32)
    normals = unit_normals(means)
    assert normals[0, 0].tolist() == [0, 0, 1]
    assert normals.any(axis=-1).tolist() == [[True, False]]


def test_an_object_is_seen_where_it_stands() -> None:
    # given a camera 5 m above the origin looking down, and an object 1 m to its right on the floor
    camera = np.eye(4)
    camera[2, 3] = 5.0
    pose = pose_in_camera(7, (1.0, 0.0, 0.0), np.eye(3).tolist(), 0.4, camera)
    # then in OpenCV's axes it is 1 m to the right, 5 m ahead, and its up points at the camera
    matrix = np.array(pose.matrix).reshape(3, 4)
    np.testing.assert_allclose(matrix[:, 3], [1, 0, 5])
    np.testing.assert_allclose(matrix[:, :3] @ [0, 0, 1], [0, 0, -1])
    # and a field of view of 90 degrees sees it a fifth of half the image right of the middle
    focal, _, middle, *_ = camera_of(100, math.pi / 2, camera).intrinsics
    np.testing.assert_allclose(middle + focal * matrix[0, 3] / matrix[2, 3], 60)


def test_the_label_of_an_image_is_the_object_that_its_camera_aims_at() -> None:
    # given three objects: a large one in a corner, a small one near the middle, and a speck right in it
    instances = np.zeros((32, 32), np.uint8)
    instances[:12, :12] = 1
    instances[12:15, 18:21] = 2
    instances[16, 16] = 3
    image = image_of_maps(0, np.zeros((32, 32, 3), np.uint8), instances, [7, 5, 9], smallest_px=5)

    # then one that is listed is the label, whichever the camera aims at
    assert [target_class(image, aimed, [7, 5, 9]) for aimed in (0, 1)] == [7, 5]
    # and where it aims at the speck, which no label lists, the seen object nearest to the middle is
    assert target_class(image, 2, [7, 5, 9]) == 5
    # and where nothing is listed, what it aims at is all that there is
    empty = image_of_maps(0, image.rgb, np.where(instances == 3, instances, 0), [7, 5, 9], smallest_px=5)
    assert target_class(empty, 2, [7, 5, 9]) == 9
