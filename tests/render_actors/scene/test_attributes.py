"""What each attribute of our own scenes draws: views of one object, looks, light, distractors, a camera's sensor."""

from __future__ import annotations

import colorsys
import dataclasses
import io
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from render_actors.scene.aiming import SMALLEST_SHARE, share_seen
from render_actors.scene.sample import sample_scene
from render_actors.scene.sensor import sensed
from render_actors.scene.spec import OBJECT_RADIUS_M, ROOM_HALF_M, Distractor, ObjectPlacement, SceneSpec, Sensor
from render_actors.setting.classes import classes_of
from render_actors.setting.distractors import distractor_classes
from render_actors.setting.object_class import unit_vertices
from render_actors.setting.objects import CLASSES
from render_actors.setting.setting import RenderSetting

AIMED = RenderSetting(framing="object", poses_per_scene=5, classes=173)
CROWDED = dataclasses.replace(AIMED, min_objects=8, max_objects=10, distractors=10)
PLAIN = Sensor(exposure=1.0, balance=(1.0, 1.0, 1.0), blur=0.0, shot=0.0, read=0.0, quality=95, seed=0)


@pytest.fixture(scope="module")
def aimed() -> list[SceneSpec]:
    return [sample_scene(AIMED, 3, index) for index in range(60)]


def views(scenes: list[SceneSpec]) -> list[tuple[SceneSpec, np.ndarray, float, int]]:
    return [
        (scene, np.array(camera), angle, target)
        for scene in scenes
        for camera, angle, target in zip(scene.cameras, scene.fields_of_view, scene.targets, strict=True)
    ]


def test_a_camera_looks_at_the_middle_of_its_object_which_fills_the_frame(aimed: list[SceneSpec]) -> None:
    fills, heights, rolls = [], [], []
    for scene, camera, angle, target in views(aimed):
        placed = scene.objects[target]
        away = placed.position - camera[:3, 3]
        distance = float(np.linalg.norm(away))
        along = away / distance
        np.testing.assert_allclose(camera[:3, :3] @ camera[:3, :3].T, np.eye(3), atol=1e-9)
        np.testing.assert_allclose(-camera[:3, 2], along, atol=1e-9)
        fills.append(placed.radius / distance / math.tan(angle / 2))
        heights.append(math.degrees(math.asin(-along[2])))
        level = np.cross(along, [0, 0, 1])
        level /= np.linalg.norm(level)
        rolls.append(math.degrees(math.atan2(*(camera[:3, 0] @ np.stack([np.cross(level, along), level]).T))))
        assert np.abs(camera[:2, 3]).max() < ROOM_HALF_M
        assert camera[2, 3] > 0
    for found, low, high in ((fills, 0.7, 1.4), (heights, 8, 75), (rolls, -45, 45)):
        assert low - 1e-6 <= min(found) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(found) <= high + 1e-6


def test_what_is_aimed_at_is_drawn_anew_for_each_pose(aimed: list[SceneSpec]) -> None:
    several = [scene for scene in aimed if len(scene.objects) > 2]
    assert np.mean([len(set(scene.targets)) for scene in several]) > 1.5
    first = np.mean([target == 0 for scene in several for target in scene.targets])
    assert 0.15 < first < 0.45


def test_in_a_crowd_the_object_is_in_sight_all_the_same() -> None:
    # given ten objects and as many distractors, then none of them stands at the camera or hides most of the target
    for scene, camera, angle, target in views([sample_scene(CROWDED, 1, index) for index in range(15)]):
        placed = scene.objects[target]
        others: list[ObjectPlacement | Distractor] = [
            *(o for o in scene.objects if o is not placed),
            *scene.distractors,
        ]
        assert all(math.dist(camera[:3, 3], other.position) > other.radius for other in others)
        assert share_seen(CROWDED, placed, others, camera, angle) >= SMALLEST_SHARE


def test_every_class_can_be_aimed_at_and_shows_enough(aimed: list[SceneSpec]) -> None:
    shares = [share_seen(AIMED, s.objects[t], [], camera, angle) for s, camera, angle, t in views(aimed)]
    # thin ones too: five pixels of 32 x 32 are 0.5 %
    assert min(shares) > SMALLEST_SHARE
    assert np.median(shares) > 0.25


def test_one_object_is_its_own_target() -> None:
    single = sample_scene(RenderSetting(appearance="single", poses_per_scene=3), 0, 0)
    assert single.targets == (0, 0, 0)
    assert sample_scene(RenderSetting(), 0, 0).targets == ()


def test_hues_are_spread_over_the_circle_and_a_class_has_no_colour_of_its_own() -> None:
    setting = RenderSetting(look="hue", classes=2, min_objects=5)
    placed = [o for index in range(60) for o in sample_scene(setting, 0, index).objects]
    hues = np.array([colorsys.rgb_to_hsv(*o.tint)[0] for o in placed])
    counts = np.histogram(hues, bins=8, range=(0, 1))[0]
    assert counts.min() > 0.5 * counts.mean()
    by_class = [np.abs(np.exp(2j * math.pi * hues[[o.class_id == k for o in placed]]).mean()) for k in (0, 1)]
    assert max(by_class) < 0.25
    assert all(o.gloss is None for o in placed)


def test_gloss_is_drawn_for_each_object() -> None:
    placed = [o for index in range(40) for o in sample_scene(RenderSetting(gloss="random"), 0, index).objects]
    gloss = np.array([o.gloss for o in placed], float)
    assert gloss.min() < 0.05
    assert gloss.max() > 0.95
    assert abs(np.corrcoef(gloss.T)[0, 1]) < 0.3


@pytest.mark.parametrize(
    ("lit_by", "lamps", "world"), [("lamps", True, False), ("world", False, True), ("both", True, True)]
)
def test_light_comes_from_where_it_is_said_to(lit_by: Any, lamps: bool, world: bool) -> None:
    scenes = [sample_scene(RenderSetting(lit_by=lit_by), 0, index) for index in range(60)]
    assert {bool(scene.lights) for scene in scenes} == {lamps}
    names = {scene.world.name for scene in scenes if scene.world is not None}
    assert len(names) == (8 if world else 0)
    still = [sample_scene(RenderSetting(lit_by=lit_by, light="fix"), 0, index) for index in range(5)]
    assert len({(scene.lights, scene.world) for scene in still}) == 1
    if lit_by == "both":
        # half of each
        alone = sample_scene(RenderSetting(), 0, 0)
        assert [light.power * 2 for light in scenes[0].lights] == pytest.approx([each.power for each in alone.lights])


def test_distractors_stand_and_hang_about_and_touch_nothing() -> None:
    setting = RenderSetting(distractors=8)
    scenes = [sample_scene(setting, 0, index) for index in range(60)]
    counts = [len(scene.distractors) for scene in scenes]
    assert min(counts) <= 1
    assert 6 <= max(counts) <= 8
    standing = 0
    for scene in scenes:
        things: list[ObjectPlacement | Distractor] = [*scene.objects, *scene.distractors]
        for k, first in enumerate(things):
            for second in things[k + 1 :]:
                assert math.dist(first.position, second.position) > first.radius + second.radius
        for camera in np.array(scene.cameras):
            assert all(math.dist(camera[:3, 3], each.position) > each.radius for each in scene.distractors)
        for each in scene.distractors:
            points = unit_vertices(distractor_classes()[each.mesh]) @ np.array(each.rotation).T * each.radius
            lowest = (points + each.position)[:, 2].min()
            assert lowest > -1e-9
            standing += bool(lowest < 1e-9)
            assert each.radius < OBJECT_RADIUS_M
    assert 0.25 < standing / sum(counts) < 0.75


def test_a_distractor_is_no_class_and_fewer_of_them_are_the_first_ones() -> None:
    meshes = {entry.mesh for entry in CLASSES}
    assert not any(entry.mesh in meshes for entry in distractor_classes())
    assert len(distractor_classes()) > 30
    for index in range(10):
        many = sample_scene(RenderSetting(distractors=8), 0, index).distractors
        few = sample_scene(RenderSetting(distractors=3), 0, index).distractors
        assert few == many[: len(few)]
    assert len(classes_of(RenderSetting(distractors=8))) == 20


def test_each_image_has_its_own_sensor() -> None:
    scenes = [sample_scene(RenderSetting(sensor="camera"), 0, index) for index in range(20)]
    found = [sensor for scene in scenes for sensor in scene.sensors]
    assert len(set(found)) == len(found) == 200
    assert 0.6 < min(sensor.exposure for sensor in found) < 0.7
    assert {40 <= sensor.quality <= 95 for sensor in found} == {True}


def picture() -> np.ndarray:
    """A grey square on a darker ground, (32, 32, 3), that fits no block of JPEG."""
    rgb = np.full((32, 32, 3), 90, np.uint8)
    rgb[5:21, 5:21] = 160
    return rgb


def grain(rgb: np.ndarray) -> tuple[float, float]:
    """Standard deviation of linear green on the square and on the ground."""
    light = (rgb[..., 1] / 255.0) ** 2.2
    return float(light[7:19, 7:19].std()), float(light[24:].std())


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("exposure", 2.0, lambda rgb: rgb.mean() > 140),
        ("exposure", 0.5, lambda rgb: rgb.mean() < 85),
        ("balance", (1.2, 1.0, 0.8), lambda rgb: rgb[..., 0].mean() > rgb[..., 1].mean() + 5 > rgb[..., 2].mean() + 10),
        ("blur", 0.05, lambda rgb: np.abs(np.diff(rgb[16, :, 1].astype(int))).max() < 50),
        ("shot", 0.003, lambda rgb: 1.3 * grain(rgb)[1] < grain(rgb)[0] and grain(rgb)[1] > 0.01),
        ("read", 0.001, lambda rgb: 0.75 < grain(rgb)[0] / grain(rgb)[1] < 1.33 and grain(rgb)[1] > 0.01),
        ("quality", 5, lambda rgb: np.abs(rgb.astype(int) - picture()).max() > 12),
    ],
    ids=[*("brighter", "darker", "balance", "blur", "shot", "read", "quality")],
)
def test_a_sensor_does_what_each_of_its_numbers_says(name: str, value: Any, seen: Any) -> None:
    plain = sensed(picture(), PLAIN)
    assert np.abs(plain.astype(int) - picture()).max() < 8
    assert not seen(plain)

    changed = dataclasses.replace(PLAIN, **{name: value})

    assert seen(sensed(picture(), changed))
    np.testing.assert_array_equal(sensed(picture(), changed), sensed(picture(), changed))


def test_what_a_sensor_gives_fits_into_a_png(tmp_path: Any) -> None:
    rgb = sensed(picture(), PLAIN)
    assert (rgb.dtype, rgb.shape) == (np.uint8, (32, 32, 3))
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(buffer)), rgb)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"fill": (0.7, 1.0)}, "fill is of cameras that aim at one object; set framing to object, or leave out fill"),
        ({"framing": "object", "fill": (1.4, 0.7)}, r"fill = \[1.4, 0.7\]; give least and most, from 0.2 to 2"),
        ({"framing": "object", "elevation": (0.0, 75.0)}, "elevation = .* from 1 to 89"),
        ({"material": "random", "look": "hue"}, "material = 'random' and look = 'hue' exclude each other"),
        ({"labels": ("target",)}, "label target .* needs one object that the camera aims at"),
        ({"scenes": "published", "lit_by": "world"}, "lit_by says nothing of published scenes"),
        ({"scenes": "published", "max_bounces": 2}, "max_bounces says nothing of published scenes"),
        ({"distractors": 11}, "distractors = 11; give a whole number from 0 to 10"),
    ],
)
def test_what_does_not_go_together_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        RenderSetting(**change)


def test_random_looks_have_one_name() -> None:
    # given what was called material before, then the images keep their name
    assert RenderSetting(look="random").content() == RenderSetting(material="random").content()
