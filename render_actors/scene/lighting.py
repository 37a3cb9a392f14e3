"""What gives light in our own scenes: a point and an area light in the room, and an environment outside of it."""

import math

import numpy as np

from render_actors.scene.spec import Light, Vector, World, vector
from render_actors.scene.streams import Streams
from render_actors.setting.setting import RenderSetting

# The environments in the bpy wheel (CC0, by Greg Zaal), without their ".exr".
WORLDS = ("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset")
FIXED_WORLD = "interior"
# Mean radiance of an environment of strength 1: as bright an image as lamps of strength 1 make.
WORLD_RADIANCE = 0.75
FIXED_STRENGTH = 0.5


def sample_lamps(streams: Streams, setting: RenderSetting) -> tuple[Light, ...]:
    """The lights in the room; none where only the world gives light."""
    if setting.lit_by == "world":
        return ()
    white, share = (1.0, 1.0, 1.0), _share(setting)
    if setting.light == "fix":
        point, area = 270.0 * share, 190.0 * share
        return Light("point", (1.5, -1.5, 5.0), white, point, 0.1), Light("area", (0.0, 0.0, 7.0), white, area, 2.0)
    rng, other = streams.of("point light"), streams.of("area light")
    point_at = (*rng.uniform(-3, 3, 2), rng.uniform(2.5, 7))
    area_at = (*other.uniform(-2, 2, 2), other.uniform(5, 7.5))
    # With height squared, low lights do not bleach the image.
    return (
        Light("point", vector(point_at), _colour(rng), 22.0 * share * point_at[2] ** 2 * _strength(rng, setting), 0.1),
        Light("area", vector(area_at), _colour(other), 8.0 * share * area_at[2] ** 2 * _strength(other, setting), 2.0),
    )


def sample_world(streams: Streams, setting: RenderSetting) -> World | None:
    """The environment, where it gives light."""
    if setting.lit_by == "lamps":
        return None
    radiance = WORLD_RADIANCE * _share(setting)
    if setting.light == "fix":
        return World(FIXED_WORLD, 0.0, radiance * FIXED_STRENGTH)
    rng = streams.of("world")
    name, turn = WORLDS[int(rng.integers(len(WORLDS)))], float(rng.uniform(0, 2 * math.pi))
    return World(name, turn, radiance * _strength(rng, setting))


def _share(setting: RenderSetting) -> float:
    return 0.5 if setting.lit_by == "both" else 1.0


def _strength(rng: np.random.Generator, setting: RenderSetting) -> float:
    weakest, strongest = (math.log(strength) for strength in setting.light_strength)
    return math.exp(rng.uniform(weakest, strongest))


def _colour(rng: np.random.Generator) -> Vector:
    colour = rng.uniform(0.45, 1.0, 3)
    return vector(colour / colour.max())
