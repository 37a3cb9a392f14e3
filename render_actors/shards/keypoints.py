"""Keypoints of rendered objects: the centre and the eight corners of each one's 3D box, as the camera sees them.

They need no annotation and mean the same in every class (as in Rad and Lepetit 2017, BB8; Tekin et al. 2018). They
follow from the poses that shards have and from the meshes, so that no image is rendered anew for them.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from render_actors.labels import MOST_NUMBERS, RenderedImage
from render_actors.setting.classes import classes_of
from render_actors.setting.object_class import unit_vertices

if TYPE_CHECKING:
    from render_actors.setting.setting import RenderSetting

# a corner is named by its axes in the mesh's frame, the high sides in capitals: x before y before z, low before high
NAMES = ("centre", *(f"corner_{x}{y}{z}" for x, y, z in product("xX", "yY", "zZ")))
# COCO's
OUTSIDE, HIDDEN, VISIBLE = 0, 1, 2
# what is nearer to the camera than this, in metres, is beside or behind it
_NEAREST_M = 0.01
_NUMBERS = MOST_NUMBERS + 1


def class_keypoints(setting: RenderSetting) -> NDArray[np.float64]:
    """Keypoints (classes, 9, 3) of each class in its mesh's frame: the unit sphere, as the scene places it."""
    sides = np.array([(0, 0, 0), *product((-1, 1), repeat=3)], float)
    # the mesh is centred by its box
    return np.stack([sides * np.abs(unit_vertices(entry)).max(axis=0) for entry in classes_of(setting)])


def projection(matrix: NDArray[np.float64], scale: float, intrinsics: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 4): from a point of a mesh in the unit sphere to (x, y, 1) px times its depth in metres.

    matrix (3, 4), scale: of an ObjectPose; intrinsics (3, 3): of its Camera.
    """
    scaled = np.column_stack([scale * matrix[:, :3], matrix[:, 3]])
    return np.asarray(intrinsics @ scaled)


def seen_keypoints(
    points: NDArray[np.float64],
    boxes: NDArray[np.int32],
    projections: NDArray[np.float64],
    instances: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keypoints (M, 9, 3) of every listed object as x, y in px and visibility, and the boxes (M, 4) that hold them.

    points (classes, 9, 3): of `class_keypoints`. boxes (M, 6), projections (M, 13) and instances (n, H, W): of
    RenderedArrays. Visibility: 0 outside the image; 1 where the pixel shows another listed object whose centre is
    nearer to the camera; else 2, also for a corner in the air and for a centre behind the object's own surface. A box
    is that of the projected 3D box and the visible pixels, as far as the image goes: a region that left corners out
    could not find them.
    """
    height, width = instances.shape[1:]
    images, numbers = boxes[:, 0].astype(np.int64), projections[:, 0].astype(np.int64)
    matrices = projections[:, 1:].reshape(-1, 3, 4)
    homogeneous = np.insert(points[boxes[:, 1]], 3, 1.0, axis=-1) @ matrices.transpose(0, 2, 1)
    in_front = homogeneous[..., 2] > _NEAREST_M
    flat = homogeneous[..., :2] / np.where(in_front, homogeneous[..., 2], 1.0)[..., None]
    inside = in_front & (flat >= 0).all(axis=-1) & (flat < (width, height)).all(axis=-1)

    columns, rows = np.where(inside[..., None], flat, 0).astype(np.int64).transpose(2, 0, 1)
    shown = instances[images[:, None], rows, columns]
    # objects are listed image by image and by their numbers, so what a pixel shows can be looked up
    listed, wanted = images * _NUMBERS + numbers, images[:, None] * _NUMBERS + shown
    place = np.searchsorted(listed, wanted).clip(max=len(listed) - 1)
    centre_m = matrices[:, 2, 3]
    hidden = (listed[place] == wanted) & (centre_m[place] < centre_m[:, None])
    visibility = np.where(hidden, HIDDEN, VISIBLE) * inside

    corners = boxes[:, 2:].astype(np.float64)
    low = np.minimum(np.where(in_front[..., None], flat, np.inf).min(axis=1), corners[:, :2])
    high = np.maximum(np.where(in_front[..., None], flat, -np.inf).max(axis=1), corners[:, 2:])
    held = np.clip(np.column_stack([low, high]), 0, (width, height, width, height))
    return np.concatenate([flat * inside[..., None], visibility[..., None]], axis=-1), held


def image_keypoints(image: RenderedImage, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keypoints (M, 9, 3) of an image's visible objects, as `seen_keypoints` gives them; the image has its poses."""
    assert image.poses is not None
    assert image.camera is not None
    intrinsics = np.array(image.camera.intrinsics).reshape(3, 3)
    boxes, projections = [], []
    for seen in image.objects:
        pose = image.poses[seen.instance_id - 1]
        matrix = projection(np.array(pose.matrix).reshape(3, 4), pose.scale, intrinsics)
        boxes.append((0, seen.class_id, *seen.box))
        projections.append((seen.instance_id, *matrix.ravel()))
    rows = np.array(boxes, np.int32).reshape(-1, 6), np.array(projections).reshape(-1, 13)
    return seen_keypoints(points, *rows, image.instances[None])[0]
