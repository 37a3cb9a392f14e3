"""Things of no class: they stand on the floor beside the objects or hang in the air, and hide what is behind them.

No label speaks of them: their pixels are background. Each mesh has one of the packaged surfaces' covers.
"""

import math

import numpy as np
from scipy.spatial.transform import Rotation

from render_actors.scene.spec import OBJECT_RADIUS_M, Distractor, ObjectPlacement, about_z, matrix, vector
from render_actors.scene.streams import Streams
from render_actors.setting.distractors import distractor_classes, distractor_vertices
from render_actors.setting.setting import RenderSetting

# Radii by the objects' common one, and how many of them hang in the air.
SIZES, HANGING = (0.3, 0.9), 0.5
TRIES = 50
CLEARANCE_M = 0.02


def sample_distractors(
    streams: Streams, setting: RenderSetting, objects: tuple[ObjectPlacement, ...]
) -> tuple[Distractor, ...]:
    """None to `setting.distractors` of them near the objects; one that finds no room is left out."""
    if not setting.distractors:
        return ()
    placed: list[Distractor] = []
    # As if there were the most of them: of two settings the one with fewer has the first of the other's.
    wanted = [k for k in range(setting.distractors) if streams.of("distractor", k).uniform() < 0.5]
    for k in wanted:
        found = _place(streams.of("distractor place", k), objects, placed)
        if found is not None:
            placed.append(found)
    return tuple(placed)


def _place(
    rng: np.random.Generator, objects: tuple[ObjectPlacement, ...], placed: list[Distractor]
) -> Distractor | None:
    mesh = int(rng.integers(len(distractor_classes())))
    radius = OBJECT_RADIUS_M * float(rng.uniform(*SIZES))
    hangs = rng.uniform() < HANGING
    turned = Rotation.from_quat(rng.normal(size=4)).as_matrix() if hangs else about_z(rng.uniform(0, 2 * math.pi))
    tint, scale = vector(rng.uniform(0.3, 1.1, 3)), float(math.exp(rng.uniform(0.0, 1.4)))
    lowest = float((distractor_vertices(mesh) @ turned[2]).min()) * radius
    middle, reach = _surroundings(objects)
    for _ in range(TRIES):
        angle, distance = rng.uniform(0, 2 * math.pi), (reach - radius) * math.sqrt(rng.uniform())
        height = rng.uniform(radius, max(radius, reach - radius)) if hangs else -lowest
        at = np.array([middle[0] + distance * math.cos(angle), middle[1] + distance * math.sin(angle), height])
        if math.dist(at, middle) + radius > reach:
            continue
        others = [(other.position, other.radius) for other in objects] + [(o.position, o.radius) for o in placed]
        if all(math.dist(at, there) > radius + other + CLEARANCE_M for there, other in others):
            return Distractor(mesh, vector(at), matrix(turned), radius, tint, scale)
    return None


def _surroundings(objects: tuple[ObjectPlacement, ...]) -> tuple[np.ndarray, float]:
    """The objects' middle (3,), and the metres around it in which no camera of a scene is: they look from beyond."""
    centres = np.array([placed.position for placed in objects])
    middle = centres.mean(axis=0)
    spread = max(math.dist(at, middle) + placed.radius for at, placed in zip(centres, objects, strict=True))
    return middle, min(max(1.2, 1.4 * spread), 1.9)
