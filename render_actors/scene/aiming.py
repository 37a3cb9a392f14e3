"""Cameras that aim at one object and let it fill the frame (`framing: object`).

Each pose draws its own object. Azimuth and elevation are drawn again until that object is well in sight of the camera;
where no view of it is, the next one is aimed at.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from render_actors.scene.spec import (
    Distractor,
    Matrix,
    ObjectPlacement,
    about_z,
    looking_along,
    matrix,
    on_ray,
    steps_in_room,
)
from render_actors.scene.streams import Streams
from render_actors.setting.classes import classes_of
from render_actors.setting.object_class import ObjectClass, unit_vertices
from render_actors.setting.setting import RenderSetting

# Directions that are tried of each object.
TRIES = 40
# The object covers at least this share of the frame, and no more than half of its outline is hidden.
SMALLEST_SHARE, MOST_HIDDEN = 0.04, 0.5
# A camera is no nearer to any object than this many radii of its bounding sphere.
NEAREST_RADII = 1.05
# How many vertices stand for an object's outline.
_OUTLINE = 64


@dataclass(frozen=True)
class AimedView:
    """A camera-to-world pose, its field of view in radians, and the number of the object that it aims at."""

    camera: Matrix
    field_of_view: float
    target: int


def aimed_view(
    streams: Streams,
    pose: int,
    setting: RenderSetting,
    objects: tuple[ObjectPlacement, ...],
    distractors: tuple[Distractor, ...] = (),
) -> AimedView:
    """The view of one pose, of one of the scene's objects past the others and past distractors.

    Fill, field of view and roll are drawn once, directions until the object is in sight.
    """
    rng, tries = streams.of("camera", pose), streams.of("direction", pose)
    fill, angle, roll = (float(rng.uniform(*of)) for of in (setting.fill, setting.field_of_view, setting.roll))
    field_of_view = math.radians(angle)
    best: tuple[float, AimedView] | None = None
    for target in streams.of("aim", pose).permutation(len(objects)).tolist():
        beside = [each for each in objects if each is not objects[target]]
        for _ in range(TRIES):
            ray = on_ray(tries.uniform(0, 2 * math.pi), math.radians(tries.uniform(*setting.elevation)))
            camera = _framing(objects[target], ray, fill, field_of_view)
            camera[:3, :3] = camera[:3, :3] @ about_z(math.radians(roll))
            seen = share_seen(setting, objects[target], [*beside, *distractors], camera, field_of_view)
            if best is None or seen > best[0]:
                best = seen, AimedView(matrix(camera), field_of_view, target)
            if seen >= SMALLEST_SHARE:
                return best[1]
    assert best is not None
    return best[1]


def _framing(placed: ObjectPlacement, ray: NDArray[np.float64], fill: float, field_of_view: float) -> NDArray:
    """The pose (4, 4) in the direction `ray` from which the bounding sphere's diameter is `fill` of the frame."""
    distance = max(placed.radius / (fill * math.tan(field_of_view / 2)), NEAREST_RADII * placed.radius)
    centre = np.array(placed.position)
    return looking_along(centre + ray * min(distance, steps_in_room(centre, ray)), -ray)


def share_seen(
    setting: RenderSetting,
    placed: ObjectPlacement,
    others: Sequence[ObjectPlacement | Distractor],
    camera: NDArray[np.float64],
    field_of_view: float,
) -> float:
    """About what share of the frame an object covers; 0 where others hide it or are too near to the camera.

    What hides is taken for its whole bounding sphere, so that an object that is seen here is seen.
    """
    eye = camera[:3, 3]
    if any(math.dist(eye, each.position) < NEAREST_RADII * each.radius for each in others):
        return 0.0
    points = _outline(classes_of(setting)[placed.class_id]) @ np.array(placed.rotation).T * placed.radius
    points = points + placed.position
    clear = ~np.any([_crosses(eye, points, each) for each in others], axis=0) if others else np.ones(len(points), bool)
    if clear.mean() < MOST_HIDDEN:
        return 0.0
    inside = (points[clear] - eye) @ camera[:3, :3]
    flat = inside[:, :2] / np.maximum(-inside[:, 2:], 1e-6) / math.tan(field_of_view / 2)
    try:
        return float(ConvexHull(np.clip(flat, -1, 1)).volume) / 4
    except QhullError:
        # a line or a point
        return 0.0


def _crosses(
    eye: NDArray[np.float64], points: NDArray[np.float64], other: ObjectPlacement | Distractor
) -> NDArray[np.bool_]:
    """Whether the line from the eye to each of the points (N, 3) goes through an object's bounding sphere."""
    along = points - eye
    share = ((np.array(other.position) - eye) @ along.T / (along**2).sum(axis=1)).clip(0, 1)
    nearest = eye + along * share[:, None]
    return np.asarray(np.linalg.norm(nearest - other.position, axis=1) < other.radius)


@cache
def _outline(entry: ObjectClass) -> NDArray[np.float64]:
    """The vertices of a class in the unit sphere that lie the farthest out in directions all around; (N, 3)."""
    points, numbers = unit_vertices(entry), np.arange(_OUTLINE) + 0.5
    # directions that are spread evenly: a spiral of golden angles
    height, turn = 1 - 2 * numbers / _OUTLINE, math.pi * (1 + math.sqrt(5)) * numbers
    level = np.sqrt(1 - height**2)
    directions = np.stack([level * np.cos(turn), level * np.sin(turn), height])
    return points[np.unique((points @ directions).argmax(axis=0))]
