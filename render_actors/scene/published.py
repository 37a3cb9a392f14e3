"""Scenes as the paper's published rendering files draw them (pfnet-research/cg-transfer, BlenderProc's vocabulary).

A room of five planes and no ceiling under one material, a plane that shines high above it, a point light, objects as
large as life that stand apart on the middle of the floor, cameras close by. Metres and linear RGB; what each number is
beside the paper: docs/reference/renderings.md.
"""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from render_actors.scene.sensor import sample_sensors
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
    on_ray,
    turning_down,
    vector,
)
from render_actors.scene.streams import Streams
from render_actors.setting.bop_objects import COMMON_RADIUS_M
from render_actors.setting.classes import classes_of
from render_actors.setting.materials import surface_names
from render_actors.setting.object_class import ObjectClass, unit_vertices
from render_actors.setting.setting import RenderSetting

ROOM_HALF_M = 2.0
# Objects' middles lie above this part of the floor, from 0.4 to 0.6 of its sides.
REACH_M = 0.1 * 2 * ROOM_HALF_M
# From an object's middle to the next one's, centre to centre.
APART_M = (0.01, 0.20)
# After so many tries the limits widen: the published code leaves the object out.
TRIES = 100
LAMP_HEIGHT_M, LAMP_SIDE_M, LAMP_STRENGTH = 10.0, 6.0, (3.0, 6.0)
FIXED_LAMP_STRENGTH = 4.0
# No size: sharp shadows, as a lamp that nobody gave one has in Blender.
POINT_POWER_W, POINT_RADIUS_M = 200.0, 0.0
POINT_SHELL_M, CAMERA_SHELL_M, ELEVATION_DEG = (1.0, 1.5), (0.61, 1.24), (5.0, 89.0)
FIXED_POINT_AT = (0.0, 0.0, 3.0)
ROLL = math.pi / 4
NEAREST_M = 0.3
GREY, LIGHT_COLOUR = (0.25, 1.0), (0.5, 1.0)
# YCB-V's camera, the last that the published files load: width, height, fx, fy, cx, cy, px from the middle of the first
# pixel.
YCBV_CAMERA = (640, 480, 1066.778, 1067.487, 312.9869, 241.3109)

_WHITE = (1.0, 1.0, 1.0)


def intrinsics(side: int) -> tuple[float, ...]:
    """The nine numbers of K in px of a square image, (0, 0) its corner: the 640 x 480 of YCB-V's camera, stretched."""
    width, height, fx, fy, cx, cy = YCBV_CAMERA
    across, down = side / width, side / height
    return (fx * across, 0.0, (cx + 0.5) * across, 0.0, fy * down, (cy + 0.5) * down, 0.0, 0.0, 1.0)


def sample_published(streams: Streams, setting: RenderSetting) -> SceneSpec:
    """The scene of a setting that these streams draw."""
    objects = _sample_objects(streams, setting)
    surface = _sample_surface(streams.of("floor"), setting)
    poses = range(setting.poses_per_scene)
    return SceneSpec(
        index=streams.index,
        objects=objects,
        lights=_sample_lights(streams, setting),
        walls=surface,
        floor=surface,
        cameras=tuple(_sample_camera(streams.of("camera", pose), setting, objects) for pose in poses),
        noise_seed=int(streams.of("noise").integers(2**31 - 1)),
        sensors=sample_sensors(streams, setting),
        targets=(0,) * len(poses) if setting.appearance == "single" else (),
    )


def _sample_objects(streams: Streams, setting: RenderSetting) -> tuple[ObjectPlacement, ...]:
    """A multinomial over data sets by their numbers of classes, then a class of each: every class is as likely.

    A setting with one object has the first of them.
    """
    pool = classes_of(setting)
    count = int(streams.of("count").integers(setting.min_objects, setting.max_objects + 1))
    count = 1 if setting.appearance == "single" else count
    sizes = (0.85, 1.2) if setting.size_jitter else (1.0, 1.0)
    placed: list[ObjectPlacement] = []
    footprints: list[NDArray[np.float64]] = []
    for k in range(count):
        class_id = int(streams.of("class", k).integers(len(pool)))
        entry = pool[class_id]
        radius = COMMON_RADIUS_M * entry.size * float(streams.of("size", k).uniform(*sizes))
        at, rotation, footprint = _place(streams.of("place", k), entry, radius, placed, footprints)
        grey = float(streams.of("tint", k).uniform(*GREY)) if entry.is_textureless else 1.0
        specular, roughness = streams.of("gloss", k).uniform(0, 1, 2).tolist()
        placed.append(
            ObjectPlacement(class_id, at, matrix(rotation), radius, (grey, grey, grey), (specular, roughness))
        )
        footprints.append(footprint)
    return tuple(placed)


def _place(
    rng: np.random.Generator,
    entry: ObjectClass,
    radius: float,
    placed: list[ObjectPlacement],
    footprints: list[NDArray[np.float64]],
) -> tuple[Vector, NDArray[np.float64], NDArray[np.float64]]:
    """Position, rotation (3, 3) and footprint (V, 2) of an object that stands where it cuts none of those placed."""
    outline, standing, lowest = _standing(entry)
    widened, tries = 1.0, 0
    while True:
        turn = about_z(rng.uniform(0, 2 * math.pi))
        at = vector((*(rng.uniform(-REACH_M, REACH_M, 2) * widened), -lowest * radius))
        footprint = outline @ turn[:2, :2].T * radius + at[:2]
        nearest = min((math.dist(at, other.position) for other in placed), default=None)
        spaced = nearest is None or APART_M[0] <= nearest <= APART_M[1] * widened
        if spaced and not any(_overlap(footprint, other) for other in footprints):
            return at, turn @ standing, footprint
        tries += 1
        if tries >= TRIES:
            widened *= 1.01


@cache
def _standing(entry: ObjectClass) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Outline (V, 2) on the floor, rotation and lowest point of a class in the unit sphere, on its first side."""
    standing = turning_down(np.array(entry.downs[0]))
    points = unit_vertices(entry) @ standing.T
    hull = ConvexHull(points[:, :2])
    return points[hull.vertices, :2], standing, float(points[:, 2].min())


def _overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether two convex polygons (V, 2) meet: no side of either has the other one wholly beyond it."""
    for polygon in (first, second):
        sides = np.roll(polygon, -1, axis=0) - polygon
        normals = np.stack([sides[:, 1], -sides[:, 0]])
        mine, others = first @ normals, second @ normals
        if ((mine.max(axis=0) < others.min(axis=0)) | (others.max(axis=0) < mine.min(axis=0))).any():
            return False
    return True


def _sample_surface(rng: np.random.Generator, setting: RenderSetting) -> Surface:
    """One material for floor and walls, as it is."""
    if setting.background == "fix":
        return Surface(-1, _WHITE, 1.0)
    return Surface(int(rng.integers(len(surface_names(setting.textures)))), _WHITE, 1.0)


def _sample_lights(streams: Streams, setting: RenderSetting) -> tuple[Light, ...]:
    lamp_at = (0.0, 0.0, LAMP_HEIGHT_M)
    if setting.light == "fix":
        point = Light("point", FIXED_POINT_AT, _WHITE, POINT_POWER_W, POINT_RADIUS_M)
        return point, Light("plane", lamp_at, _WHITE, FIXED_LAMP_STRENGTH, LAMP_SIDE_M)
    rng, lamp = streams.of("point light"), streams.of("area light")
    at = vector(_on_shell(rng, *POINT_SHELL_M))
    point = Light("point", at, vector(rng.uniform(*LIGHT_COLOUR, 3)), POINT_POWER_W, POINT_RADIUS_M)
    strength = float(lamp.uniform(*LAMP_STRENGTH))
    return point, Light("plane", lamp_at, vector(lamp.uniform(*LIGHT_COLOUR, 3)), strength, LAMP_SIDE_M)


def _on_shell(rng: np.random.Generator, nearest: float, farthest: float) -> NDArray[np.float64]:
    """A point (3,) about the middle of the floor: distance, azimuth and elevation uniform."""
    azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(*ELEVATION_DEG))
    return on_ray(azimuth, elevation) * float(rng.uniform(nearest, farthest))


def _sample_camera(rng: np.random.Generator, setting: RenderSetting, objects: tuple[ObjectPlacement, ...]) -> Matrix:
    """On a shell, looking at the object next to the objects' middle, rolled, with nothing too near."""
    pool, centres = classes_of(setting), np.array([placed.position for placed in objects])
    target = centres[np.linalg.norm(centres - centres.mean(axis=0), axis=1).argmin()]
    roll = rng.uniform(-ROLL, ROLL)
    while True:
        position = _on_shell(rng, *CAMERA_SHELL_M)
        if all(distance_to(position, placed, pool[placed.class_id]) >= NEAREST_M for placed in objects):
            break
    direction = target - position
    pose = looking_along(position, direction / np.linalg.norm(direction))
    pose[:3, :3] = pose[:3, :3] @ about_z(roll)
    return matrix(pose)


def distance_to(point: NDArray[np.float64], placed: ObjectPlacement, entry: ObjectClass) -> float:
    """Metres from a point (3,) to the box around a placed object's mesh: no more than to the mesh itself."""
    low, high = _extent(entry)
    inside = (point - placed.position) @ np.array(placed.rotation) / placed.radius
    return float(np.linalg.norm(np.maximum(np.maximum(low - inside, inside - high), 0)) * placed.radius)


@cache
def _extent(entry: ObjectClass) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = unit_vertices(entry)
    return points.min(axis=0), points.max(axis=0)
