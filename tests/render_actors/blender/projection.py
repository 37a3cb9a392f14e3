"""Where a camera and the poses say that objects lie in an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render_actors.labels import RenderedImage, VisibleObject
from render_actors.setting.object_class import ObjectClass, unit_vertices


def projected(image: RenderedImage, seen: VisibleObject, pool: tuple[ObjectClass, ...]) -> tuple[NDArray, NDArray]:
    """An object's vertices: in the camera's frame (V, 3) in m, and in the image (V, 2) in px."""
    assert image.poses is not None
    assert image.camera is not None
    pose = image.poses[seen.instance_id - 1]
    matrix = np.array(pose.matrix).reshape(3, 4)
    points = unit_vertices(pool[pose.class_id]) * pose.scale @ matrix[:, :3].T + matrix[:, 3]
    flat = points @ np.array(image.camera.intrinsics).reshape(3, 3).T
    return points, flat[:, :2] / flat[:, 2:]
