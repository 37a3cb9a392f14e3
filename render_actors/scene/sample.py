"""A scene as data: sampled from (setting, seed, scene index) with numpy alone, so that it can be named, hashed and
made again anywhere. Each thing is drawn from a stream of its own (`streams.py`): settings share what their attributes
leave as it is. Follows the paper's appendix B: a cube-shaped room, one point and one area light, objects on the
floor by on-surface sampling without intersections, ten camera poses looking at the objects. With `scenes: published`
a scene is drawn as the paper's published files draw it (`published.py`).
"""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from render_actors.scene.aiming import aimed_view
from render_actors.scene.distractors import sample_distractors
from render_actors.scene.lighting import sample_lamps, sample_world
from render_actors.scene.published import sample_published
from render_actors.scene.sensor import sample_sensors
from render_actors.scene.spec import (
    FIELD_OF_VIEW,
    OBJECT_RADIUS_M,
    Distractor,
    Matrix,
    ObjectPlacement,
    SceneSpec,
    Surface,
    Vector,
    about_z,
    looking_along,
    matrix,
    on_ray,
    steps_in_room,
    turning_down,
    vector,
)
from render_actors.scene.streams import Streams
from render_actors.setting.classes import classes_of
from render_actors.setting.materials import SURFACES, surface_names
from render_actors.setting.object_class import ObjectClass, unit_vertices
from render_actors.setting.setting import RenderSetting

# Objects' footprints keep this distance, so that touching bounding spheres never touch on screen by rounding.
CLEARANCE_M = 0.02
# Of a drawn hue, as a screen shows it; linear light is this power of it.
HUE_SATURATION, HUE_VALUE, DISPLAY_GAMMA = (0.35, 1.0), (0.3, 1.0), 2.2


def sample_scene(
    setting: RenderSetting, seed: int, scene_index: int, settled: Sequence[tuple[Vector, Matrix]] = ()
) -> SceneSpec:
    """The scene number `scene_index` of (setting, seed): a pure function of its arguments.

    Where the setting's placement is physics, objects hang in the air until `settled` says where each came to rest:
    position and rotation. Raises ValueError for a negative seed or index.
    """
    streams = Streams(seed, scene_index)
    if setting.scenes == "published":
        return sample_published(streams, setting)
    objects = _sample_objects(streams, setting)
    if settled:
        moved = zip(objects, settled, strict=True)
        objects = tuple(replace(placed, position=at, rotation=turn) for placed, (at, turn) in moved)
    covered = range(len(objects)) if setting.covers_objects else ()
    distractors = sample_distractors(streams, setting, objects)
    return SceneSpec(
        index=scene_index,
        objects=objects,
        lights=sample_lamps(streams, setting),
        world=sample_world(streams, setting),
        walls=_sample_surface(streams.of("walls"), setting),
        floor=_sample_surface(streams.of("floor"), setting),
        noise_seed=int(streams.of("noise").integers(2**31 - 1)),
        covers=tuple(_sample_cover(streams.of("cover", k)) for k in covered),
        distractors=distractors,
        sensors=sample_sensors(streams, setting),
        **_sample_views(streams, setting, objects, distractors),
    )


def _sample_views(
    streams: Streams,
    setting: RenderSetting,
    objects: tuple[ObjectPlacement, ...],
    distractors: tuple[Distractor, ...],
) -> dict[str, Any]:
    """Cameras, their fields of view, and the object that each one aims at where it aims at one."""
    poses = range(setting.poses_per_scene)
    if setting.framing == "object":
        views = [aimed_view(streams, pose, setting, objects, distractors) for pose in poses]
        return {
            "cameras": tuple(view.camera for view in views),
            "fields_of_view": tuple(view.field_of_view for view in views),
            "targets": tuple(view.target for view in views),
        }
    return {
        "cameras": tuple(_sample_camera(streams.of("camera", pose), objects) for pose in poses),
        "fields_of_view": (FIELD_OF_VIEW,) * len(poses),
        "targets": (0,) * len(poses) if setting.appearance == "single" else (),
    }


def _sample_objects(streams: Streams, setting: RenderSetting) -> tuple[ObjectPlacement, ...]:
    """Those of the scene, of which a setting with one object has the first."""
    pool = classes_of(setting)
    count = int(streams.of("count").integers(setting.min_objects, setting.max_objects + 1))
    class_ids = [int(streams.of("class", k).integers(len(pool))) for k in range(count)]
    sizes = (0.85, 1.2) if setting.size_jitter else (1.0, 1.0)
    radii = [
        OBJECT_RADIUS_M * pool[class_id].size * float(streams.of("size", k).uniform(*sizes))
        for k, class_id in enumerate(class_ids)
    ]
    place = _hang if setting.placement == "physics" else _stand
    places = place(streams, [pool[class_id] for class_id in class_ids], radii)
    placed = [
        ObjectPlacement(class_id, at, turn, radius, *_sample_look(streams, setting, k))
        for k, (class_id, radius, (at, turn)) in enumerate(zip(class_ids, radii, places, strict=True))
    ]
    return tuple(placed[:1] if setting.appearance == "single" else placed)


def _sample_look(streams: Streams, setting: RenderSetting, number: int) -> tuple[Vector, tuple[float, float] | None]:
    """What multiplies an object's colours (its lightness where hues are drawn), and its gloss where that is drawn."""
    if setting.look == "hue":
        rng = streams.of("hue", number)
        hue, saturation, value = rng.uniform(), rng.uniform(*HUE_SATURATION), rng.uniform(*HUE_VALUE)
        tint = np.array(colorsys.hsv_to_rgb(hue, saturation, value)) ** DISPLAY_GAMMA
    else:
        tint = streams.of("tint", number).uniform(0.8, 1.15, 3)
    if setting.gloss == "class":
        return vector(tint), None
    specular, roughness = streams.of("gloss", number).uniform(0, 1, 2).tolist()
    return vector(tint), (specular, roughness)


def _stand(streams: Streams, entries: list[ObjectClass], radii: list[float]) -> list[tuple[Vector, Matrix]]:
    """Position and rotation of objects that stand apart on the floor, each on one of its class's sides."""
    places = []
    for k, (entry, radius, (x, y)) in enumerate(zip(entries, radii, _sample_footprints(streams, radii), strict=True)):
        rng = streams.of("rotation", k)
        turn = about_z(rng.uniform(0, 2 * math.pi))
        rotation = turn @ turning_down(np.array(entry.downs[int(rng.integers(len(entry.downs)))]))
        lowest = float((unit_vertices(entry) @ rotation[2]).min())
        places.append(((x, y, -lowest * radius), matrix(rotation)))
    return places


def _hang(streams: Streams, entries: list[ObjectClass], radii: list[float]) -> list[tuple[Vector, Matrix]]:
    """Turned at random in the air, close together and one above the other where they would meet: ready to fall."""
    reach = 1.2 * math.sqrt(sum(radius**2 for radius in radii))
    places: list[tuple[Vector, Matrix]] = []
    for k, radius in enumerate(radii):
        x, y = _in_disc(streams.of("place", k), reach)
        above = zip(places, radii, strict=False)
        below = [at[2] + other for (at, _), other in above if math.hypot(x - at[0], y - at[1]) < radius + other]
        z = radius + CLEARANCE_M + max(below, default=0.0)
        rotation = Rotation.from_quat(streams.of("rotation", k).normal(size=4)).as_matrix()
        places.append(((x, y, z), matrix(rotation)))
    return places


def _sample_footprints(streams: Streams, radii: list[float]) -> list[tuple[float, float]]:
    """Floor points whose bounding circles do not meet: uniform in a disc that widens when an object finds no room."""
    reach = 0.8 * math.sqrt(sum(radius**2 for radius in radii))
    placed: list[tuple[float, float]] = []
    for k, radius in enumerate(radii):
        rng = streams.of("place", k)
        while True:
            x, y = _in_disc(rng, reach)
            pairs = zip(placed, radii, strict=False)
            if all(math.hypot(x - px, y - py) > radius + other + CLEARANCE_M for (px, py), other in pairs):
                break
            reach *= 1.01
        placed.append((x, y))
    return placed


def _in_disc(rng: np.random.Generator, reach: float) -> tuple[float, float]:
    angle, distance = rng.uniform(0, 2 * math.pi), reach * math.sqrt(rng.uniform())
    return distance * math.cos(angle), distance * math.sin(angle)


def _sample_surface(rng: np.random.Generator, setting: RenderSetting) -> Surface:
    if setting.background == "fix":
        return Surface(-1, (1.0, 1.0, 1.0), 1.0)
    tint, scale = vector(rng.uniform(0.55, 1.1, 3)), float(math.exp(rng.uniform(-0.5, 0.7)))
    # the number of covers comes last: with another folder of them, tint and scale stay
    return Surface(int(rng.integers(len(surface_names(setting.textures)))), tint, scale)


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
    ray = on_ray(azimuth, elevation)
    position = target + ray * min(distance, steps_in_room(target, ray))
    return matrix(looking_along(position, -ray))
