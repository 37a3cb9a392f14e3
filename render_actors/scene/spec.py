"""A scene as data, and the small geometry that every kind of scene is sampled with."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]
Matrix = tuple[tuple[float, ...], ...]

# Of our own scenes: the room's half side and, unless a setting says otherwise, what a camera sees, in radians.
ROOM_HALF_M = 4.0
FIELD_OF_VIEW = math.radians(50)
# Radius of an object's bounding sphere, before its size varies.
OBJECT_RADIUS_M = 0.45
# A camera's distance from a wall.
WALL_M = 0.3


@dataclass(frozen=True)
class ObjectPlacement:
    """An object on the floor: pose in metres and world axes (z up, floor at 0), `radius` of its bounding sphere.

    `tint` multiplies its material's colour. `gloss`: specular and roughness in 0 to 1, in place of those of its class.
    """

    class_id: int
    position: Vector
    rotation: Matrix
    radius: float
    tint: Vector
    gloss: tuple[float, float] | None = None


@dataclass(frozen=True)
class Light:
    """A light: power in watts, colour linear RGB, size in metres (point: radius, area: side). Area lights face down.

    A plane is a square that shines up and down and can be seen: its power is the emission's strength.
    """

    kind: Literal["point", "area", "plane"]
    position: Vector
    colour: Vector
    power: float
    size: float


@dataclass(frozen=True)
class World:
    """Light from all around: the environment's name, its turn about the vertical in radians, its mean radiance."""

    name: str
    turn: float
    strength: float


@dataclass(frozen=True)
class Distractor:
    """A thing without a label: number of its mesh (`distractors.py`); the rest as of an object and its cover."""

    mesh: int
    position: Vector
    rotation: Matrix
    radius: float
    tint: Vector
    scale: float


@dataclass(frozen=True)
class Sensor:
    """What a camera does to one image (`sensor.py` applies it).

    exposure: factor of the light. balance: factors of red, green and blue. blur: sigma as a share of the image's side.
    shot, read: variance of the noise for each unit of light, and without any, of 1 at white. quality: of JPEG. seed: of
    the noise.
    """

    exposure: float
    balance: Vector
    blur: float
    shot: float
    read: float
    quality: int
    seed: int


@dataclass(frozen=True)
class Surface:
    """Cover of walls, floor or an object: index into the surfaces' names (-1: the fixed one), tint, pattern scale."""

    material: int
    tint: Vector
    scale: float


@dataclass(frozen=True)
class SceneSpec:
    """A whole scene. `cameras` are camera-to-world 4x4 matrices (looking along -z); `noise_seed` is Cycles'.

    `fields_of_view`: of each camera, radians; empty in published scenes, whose camera has intrinsics of its own.
    `targets`: of each camera the number, from 0, of the object that it aims at; empty where it aims at none. `covers`
    are the objects', in their order, of the packaged surfaces; empty where each has its class's own material.
    `world`: None where lamps alone give light. `sensors`: of each camera; empty where images stay as they are drawn.
    """

    index: int
    objects: tuple[ObjectPlacement, ...]
    lights: tuple[Light, ...]
    walls: Surface
    floor: Surface
    cameras: tuple[Matrix, ...]
    noise_seed: int
    covers: tuple[Surface, ...] = ()
    fields_of_view: tuple[float, ...] = ()
    targets: tuple[int, ...] = ()
    world: World | None = None
    distractors: tuple[Distractor, ...] = ()
    sensors: tuple[Sensor, ...] = ()


def turning_down(down: NDArray[np.float64]) -> NDArray[np.float64]:
    """A rotation (3, 3) that turns the mesh direction `down` to -z."""
    z = -down / np.linalg.norm(down)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def about_z(angle: float) -> NDArray[np.float64]:
    """The rotation (3, 3) by `angle` radians about the vertical."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def on_ray(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """The unit vector (3,) that points from the origin to this azimuth and elevation, radians."""
    level = math.cos(elevation)
    return np.array([math.cos(azimuth) * level, math.sin(azimuth) * level, math.sin(elevation)])


def steps_in_room(start: NDArray[np.float64], ray: NDArray[np.float64]) -> float:
    """Metres along the unit vector `ray` from `start` that a camera may go before it comes too near to a wall."""
    inside = ROOM_HALF_M - WALL_M
    left = [(inside - t * math.copysign(1, r)) / abs(r) for t, r in zip(start[:2], ray[:2], strict=True) if r]
    return min(left, default=math.inf)


def looking_along(position: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pose (4, 4) of a camera at `position` that looks along the unit vector `direction`, its top upwards."""
    right = np.cross(direction, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(right, direction), -direction, position
    return pose


def vector(values: "NDArray[np.float64] | tuple[float, ...]") -> Vector:
    """Three numbers as plain data."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def matrix(values: NDArray[np.float64]) -> Matrix:
    """An array (rows, columns) as plain data."""
    return tuple(tuple(float(value) for value in row) for row in values)
