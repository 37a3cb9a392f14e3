"""A scene as data: sampled from (setting, seed, scene index) with numpy alone, so that it can be named, hashed and
made again anywhere. Follows the paper's appendix B: a cube-shaped room, one point and one area light, objects on the
floor by on-surface sampling without intersections, ten camera poses looking at the objects. With `scenes: published`
a scene is drawn as the paper's published files draw it (`published.py`).
"""

import hashlib
import json
import math

import numpy as np
from scipy.spatial.transform import Rotation

from render_actors.scene.published import sample_published
from render_actors.scene.spec import (
    Light,
    Matrix,
    ObjectPlacement,
    SceneSpec,
    Surface,
    Vector,
    about_z,
    looking_along,
    matrix,
    turning_down,
    vector,
)
from render_actors.setting.classes import classes_of
from render_actors.setting.materials import SURFACES, surface_names
from render_actors.setting.object_class import unit_vertices
from render_actors.setting.setting import RenderSetting

ROOM_HALF_M = 4.0
FIELD_OF_VIEW = math.radians(50)
OBJECT_RADIUS_M = 0.45
# Objects' footprints keep this distance, so that touching bounding spheres never touch on screen by rounding.
CLEARANCE_M = 0.02


def scene_generator(setting: RenderSetting, seed: int, scene_index: int) -> np.random.Generator:
    """Random stream of one scene."""
    digest = hashlib.sha256(json.dumps(setting.scene_content(), sort_keys=True).encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, scene_index, *words]))


def sample_scene(
    setting: RenderSetting, seed: int, scene_index: int, settled: tuple[ObjectPlacement, ...] = ()
) -> SceneSpec:
    """The scene number `scene_index` of (setting, seed): a pure function of its arguments.

    Where the setting's placement is physics, objects hang in the air until `settled` says where they came to rest.
    Raises ValueError for a negative seed or index.
    """
    if seed < 0 or scene_index < 0:
        raise ValueError(f"scene {scene_index} of seed {seed}: both must be 0 or more")
    rng = scene_generator(setting, seed, scene_index)
    if setting.scenes == "published":
        return sample_published(rng, setting, scene_index)
    drawn = _sample_objects(rng, setting)
    objects = settled or drawn
    return SceneSpec(
        index=scene_index,
        objects=objects,
        lights=_sample_lights(rng, setting),
        walls=_sample_surface(rng, setting),
        floor=_sample_surface(rng, setting),
        cameras=tuple(_sample_camera(rng, objects) for _ in range(setting.poses_per_scene)),
        noise_seed=int(rng.integers(2**31 - 1)),
        covers=tuple(_sample_cover(rng) for _ in objects) if setting.material == "random" else (),
    )


def _sample_objects(rng: np.random.Generator, setting: RenderSetting) -> tuple[ObjectPlacement, ...]:
    pool = classes_of(setting)
    fewest, most = setting.min_objects, setting.max_objects
    count = 1 if setting.appearance == "single" else int(rng.integers(fewest, most + 1))
    class_ids = [int(rng.integers(len(pool))) for _ in range(count)]
    sizes = (0.85, 1.2) if setting.size_jitter else (1.0, 1.0)
    radii = [OBJECT_RADIUS_M * pool[k].size * float(rng.uniform(*sizes)) for k in class_ids]
    if setting.placement == "physics":
        return _hung(rng, class_ids, radii)
    placements = []
    for class_id, radius, (x, y) in zip(class_ids, radii, _sample_footprints(rng, radii), strict=True):
        down = np.array(pool[class_id].downs[int(rng.integers(len(pool[class_id].downs)))])
        rotation = about_z(rng.uniform(0, 2 * math.pi)) @ turning_down(down)
        lowest = float((unit_vertices(pool[class_id]) @ rotation[2]).min())
        tint = vector(rng.uniform(0.8, 1.15, 3))
        placements.append(ObjectPlacement(class_id, (x, y, -lowest * radius), matrix(rotation), radius, tint))
    return tuple(placements)


def _hung(rng: np.random.Generator, class_ids: list[int], radii: list[float]) -> tuple[ObjectPlacement, ...]:
    """Turned at random in the air, close together and one above the other where they would meet: ready to fall."""
    reach = 1.2 * math.sqrt(sum(radius**2 for radius in radii))
    placements: list[ObjectPlacement] = []
    for class_id, radius in zip(class_ids, radii, strict=True):
        angle, distance = rng.uniform(0, 2 * math.pi), reach * math.sqrt(rng.uniform())
        x, y = distance * math.cos(angle), distance * math.sin(angle)
        below = [o for o in placements if math.hypot(x - o.position[0], y - o.position[1]) < radius + o.radius]
        z = radius + CLEARANCE_M + max((o.position[2] + o.radius for o in below), default=0.0)
        rotation = Rotation.from_quat(rng.normal(size=4)).as_matrix()
        tint = vector(rng.uniform(0.8, 1.15, 3))
        placements.append(ObjectPlacement(class_id, (x, y, z), matrix(rotation), radius, tint))
    return tuple(placements)


def _sample_footprints(rng: np.random.Generator, radii: list[float]) -> list[tuple[float, float]]:
    """Floor points whose bounding circles do not meet: uniform in a disc that widens when an object finds no room."""
    reach = 0.8 * math.sqrt(sum(radius**2 for radius in radii))
    placed: list[tuple[float, float]] = []
    for radius in radii:
        while True:
            angle, distance = rng.uniform(0, 2 * math.pi), reach * math.sqrt(rng.uniform())
            x, y = distance * math.cos(angle), distance * math.sin(angle)
            pairs = zip(placed, radii, strict=False)
            if all(math.hypot(x - px, y - py) > radius + other + CLEARANCE_M for (px, py), other in pairs):
                break
            reach *= 1.01
        placed.append((x, y))
    return placed


def _sample_lights(rng: np.random.Generator, setting: RenderSetting) -> tuple[Light, ...]:
    white = (1.0, 1.0, 1.0)
    if setting.light == "fix":
        return (Light("point", (1.5, -1.5, 5.0), white, 270.0, 0.1), Light("area", (0.0, 0.0, 7.0), white, 190.0, 2.0))
    point_at = (*rng.uniform(-3, 3, 2), rng.uniform(2.5, 7))
    area_at = (*rng.uniform(-2, 2, 2), rng.uniform(5, 7.5))
    point = Light("point", vector(point_at), _light_colour(rng), _power(rng, setting, point_at[2], 22.0), 0.1)
    area = Light("area", vector(area_at), _light_colour(rng), _power(rng, setting, area_at[2], 8.0), 2.0)
    return point, area


def _power(rng: np.random.Generator, setting: RenderSetting, height: float, watts_per_square_metre: float) -> float:
    # With height squared, low lights do not bleach the image.
    weakest, strongest = (math.log(strength) for strength in setting.light_strength)
    return float(watts_per_square_metre * height**2 * math.exp(rng.uniform(weakest, strongest)))


def _light_colour(rng: np.random.Generator) -> Vector:
    colour = rng.uniform(0.45, 1.0, 3)
    return vector(colour / colour.max())


def _sample_surface(rng: np.random.Generator, setting: RenderSetting) -> Surface:
    if setting.background == "fix":
        return Surface(-1, (1.0, 1.0, 1.0), 1.0)
    tint = vector(rng.uniform(0.55, 1.1, 3))
    return Surface(
        int(rng.integers(len(surface_names(setting.textures)))), tint, float(math.exp(rng.uniform(-0.5, 0.7)))
    )


def _sample_cover(rng: np.random.Generator) -> Surface:
    """An object's: of wider tints than the room's, and finer, an object being smaller than a wall."""
    tint = vector(rng.uniform(0.2, 1.1, 3))
    return Surface(int(rng.integers(len(SURFACES))), tint, float(math.exp(rng.uniform(0.0, 1.4))))


def _sample_camera(rng: np.random.Generator, objects: tuple[ObjectPlacement, ...]) -> Matrix:
    """A pose inside the room looking at the objects, from as far as they need to fill the image, more or less."""
    centres = np.array([placed.position for placed in objects])
    middle = centres.mean(axis=0)
    spread = max(float(np.linalg.norm(c - middle)) + placed.radius for c, placed in zip(centres, objects, strict=True))
    target = middle + np.array([*rng.uniform(-0.15, 0.15, 2) * spread, 0.0])
    distance = max(1.5, spread / math.sin(FIELD_OF_VIEW / 2) * rng.uniform(0.75, 1.1))
    azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(18, 65))
    ray = np.array(
        [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
    )
    inside = ROOM_HALF_M - 0.3
    room_left = [(inside - t * math.copysign(1, r)) / abs(r) for t, r in zip(target[:2], ray[:2], strict=True)]
    position = target + ray * min(distance, *room_left)
    return matrix(looking_along(position, -ray))
