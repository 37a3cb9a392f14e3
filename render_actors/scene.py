"""A scene as data: sampled from (setting, seed, scene index) with numpy alone, so that it can be named, hashed and
made again anywhere. Follows the paper's appendix B: a cube-shaped room, one point and one area light, objects on the
floor by on-surface sampling without intersections, ten camera poses looking at the objects.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from render_actors.materials import SURFACES
from render_actors.objects import CLASSES, classes_of, unit_vertices

# Part of every artifact's identity. Bump it whenever the same (setting, seed, index) gives other pixels or labels.
RENDER_VERSION = 1

Vector = tuple[float, float, float]
Matrix = tuple[tuple[float, ...], ...]
Label = Literal["classes", "boxes", "masks", "normals", "depth"]

ROOM_HALF_M = 4.0
FIELD_OF_VIEW = math.radians(50)
OBJECT_RADIUS_M = 0.45
# Objects' footprints keep this distance, so that touching bounding spheres never touch on screen by rounding.
CLEARANCE_M = 0.02


@dataclass(frozen=True)
class RenderSetting:
    """A rendering setting: the paper's four attributes (appendix B), and what an image is.

    resolution is the image side in px, samples are Cycles samples a pixel, min_visible_share is the share of the
    image's pixels an object must cover to count as visible. Raises ValueError for a value out of range.
    """

    appearance: Literal["single", "multiple"] = "multiple"
    light: Literal["fix", "random"] = "random"
    background: Literal["fix", "random"] = "random"
    texture: Literal["with", "without"] = "with"
    resolution: int = 64
    samples: int = 4
    classes: int = 20
    max_objects: int = 5
    poses_per_scene: int = 10
    max_bounces: int = 1
    min_visible_share: float = 0.004
    labels: tuple[Label, ...] = ("classes", "boxes", "masks")

    def __post_init__(self) -> None:
        choices = {
            "appearance": ("single", "multiple"),
            "light": ("fix", "random"),
            "background": ("fix", "random"),
            "texture": ("with", "without"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"rendering setting: {name} = {getattr(self, name)!r}; choose {' or '.join(allowed)}")
        ranges = {
            "resolution": (16, 1024),
            "samples": (1, 4096),
            "classes": (1, len(CLASSES)),
            "max_objects": (1, 10),
            "poses_per_scene": (1, 100),
            "max_bounces": (0, 12),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"rendering setting: {name} = {value!r}; give a whole number from {low} to {high}")
        if not 0 <= self.min_visible_share < 1:
            raise ValueError(
                f"rendering setting: min_visible_share = {self.min_visible_share!r}; give a share in [0, 1)"
            )
        unknown = [label for label in self.labels if label not in get_args(Label)]
        if unknown:
            raise ValueError(
                f"rendering setting: unknown label {unknown[0]!r}; choose from {', '.join(get_args(Label))}"
            )

    def content(self) -> dict[str, object]:
        """Everything that determines the images and labels, as JSON-ready values."""
        return {**dataclasses.asdict(self), "labels": sorted(set(self.labels))}


@dataclass(frozen=True)
class ObjectPlacement:
    """An object on the floor: pose in metres and world axes (z up, floor at 0), `radius` of its bounding sphere."""

    class_id: int
    position: Vector
    rotation: Matrix
    radius: float
    tint: Vector


@dataclass(frozen=True)
class Light:
    """A light: power in watts, colour linear RGB, size in metres (point: radius, area: side). Area lights face down."""

    kind: Literal["point", "area"]
    position: Vector
    colour: Vector
    power: float
    size: float


@dataclass(frozen=True)
class Surface:
    """Cover of walls or floor: index into materials.SURFACES (-1: the fixed one), tint, pattern scale factor."""

    material: int
    tint: Vector
    scale: float


@dataclass(frozen=True)
class SceneSpec:
    """A whole scene. `cameras` are camera-to-world 4x4 matrices (looking along -z); `noise_seed` is Cycles'."""

    index: int
    objects: tuple[ObjectPlacement, ...]
    lights: tuple[Light, ...]
    walls: Surface
    floor: Surface
    cameras: tuple[Matrix, ...]
    noise_seed: int


def scene_generator(setting: RenderSetting, seed: int, scene_index: int) -> np.random.Generator:
    """Random stream of one scene. Labels are left out: they say what is kept of a render, not what is rendered."""
    content = {key: value for key, value in setting.content().items() if key != "labels"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, scene_index, *words]))


def sample_scene(setting: RenderSetting, seed: int, scene_index: int) -> SceneSpec:
    """The scene number `scene_index` of (setting, seed): a pure function of its arguments.

    Raises ValueError for a negative seed or index.
    """
    if seed < 0 or scene_index < 0:
        raise ValueError(f"scene {scene_index} of seed {seed}: both must be 0 or more")
    rng = scene_generator(setting, seed, scene_index)
    objects = _sample_objects(rng, setting)
    return SceneSpec(
        index=scene_index,
        objects=objects,
        lights=_sample_lights(rng, setting),
        walls=_sample_surface(rng, setting),
        floor=_sample_surface(rng, setting),
        cameras=tuple(_sample_camera(rng, objects) for _ in range(setting.poses_per_scene)),
        noise_seed=int(rng.integers(2**31 - 1)),
    )


def _sample_objects(rng: np.random.Generator, setting: RenderSetting) -> tuple[ObjectPlacement, ...]:
    pool = classes_of(setting)
    count = 1 if setting.appearance == "single" else int(rng.integers(1, setting.max_objects + 1))
    class_ids = [int(rng.integers(len(pool))) for _ in range(count)]
    radii = [OBJECT_RADIUS_M * pool[k].size * float(rng.uniform(0.85, 1.2)) for k in class_ids]
    placements = []
    for class_id, radius, (x, y) in zip(class_ids, radii, _sample_footprints(rng, radii), strict=True):
        down = np.array(pool[class_id].downs[int(rng.integers(len(pool[class_id].downs)))])
        rotation = _about_z(rng.uniform(0, 2 * math.pi)) @ _turning_down(down)
        lowest = float((unit_vertices(pool[class_id]) @ rotation[2]).min())
        tint = _vector(rng.uniform(0.8, 1.15, 3))
        placements.append(ObjectPlacement(class_id, (x, y, -lowest * radius), _matrix(rotation), radius, tint))
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


def _turning_down(down: NDArray[np.float64]) -> NDArray[np.float64]:
    """A rotation (3, 3) that turns the mesh direction `down` to -z."""
    z = -down / np.linalg.norm(down)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _sample_lights(rng: np.random.Generator, setting: RenderSetting) -> tuple[Light, ...]:
    white = (1.0, 1.0, 1.0)
    if setting.light == "fix":
        return (Light("point", (1.5, -1.5, 5.0), white, 450.0, 0.1), Light("area", (0.0, 0.0, 7.0), white, 320.0, 2.0))
    point_at = (*rng.uniform(-3, 3, 2), rng.uniform(2.5, 7))
    area_at = (*rng.uniform(-2, 2, 2), rng.uniform(5, 7.5))
    point = Light("point", _vector(point_at), _light_colour(rng), _power(rng, point_at[2], 22.0), 0.1)
    area = Light("area", _vector(area_at), _light_colour(rng), _power(rng, area_at[2], 8.0), 2.0)
    return point, area


def _power(rng: np.random.Generator, height: float, watts_per_square_metre: float) -> float:
    # Strength varies by a factor of 4.4 at the floor; with height squared, low lights do not bleach the image.
    return float(watts_per_square_metre * height**2 * math.exp(rng.uniform(math.log(0.45), math.log(2.0))))


def _light_colour(rng: np.random.Generator) -> Vector:
    colour = rng.uniform(0.45, 1.0, 3)
    return _vector(colour / colour.max())


def _sample_surface(rng: np.random.Generator, setting: RenderSetting) -> Surface:
    if setting.background == "fix":
        return Surface(-1, (1.0, 1.0, 1.0), 1.0)
    tint = _vector(rng.uniform(0.55, 1.1, 3))
    return Surface(int(rng.integers(len(SURFACES))), tint, float(math.exp(rng.uniform(-0.5, 0.7))))


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
    return _matrix(_looking_along(position, -ray))


def _looking_along(position: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    right = np.cross(direction, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(right, direction), -direction, position
    return pose


def _vector(values: "NDArray[np.float64] | tuple[float, ...]") -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _matrix(values: NDArray[np.float64]) -> Matrix:
    return tuple(tuple(float(value) for value in row) for row in values)
