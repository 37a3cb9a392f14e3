"""Published scenes as data: each number that the paper's rendering files set holds in what is sampled."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from render_actors.scene.published import distance_to, intrinsics
from render_actors.scene.sample import sample_scene
from render_actors.scene.spec import Light, ObjectPlacement, SceneSpec
from render_actors.setting.bop_objects import COMMON_RADIUS_M
from render_actors.setting.classes import classes_of
from render_actors.setting.materials import published_background
from render_actors.setting.object_class import unit_vertices
from render_actors.setting.setting import RenderSetting
from tests.render_actors.setting.bop_folders import write_bop, write_textures

PUBLISHED = RenderSetting(scenes="published", classes=173, min_objects=10, max_objects=10, size_jitter=False)
FIXED = dataclasses.replace(PUBLISHED, light="fix", background="fix", texture="without")


@pytest.fixture(scope="module")
def scenes() -> list[SceneSpec]:
    return [sample_scene(PUBLISHED, 3, index) for index in range(60)]


@pytest.fixture(scope="module")
def fixed() -> list[SceneSpec]:
    return [sample_scene(FIXED, 3, index) for index in range(20)]


def light(scene: SceneSpec, kind: str) -> Light:
    (found,) = [each for each in scene.lights if each.kind == kind]
    return found


def spread(values: Any, low: float, high: float) -> None:
    """The values lie between these ends, come near both and are about even."""
    values = np.asarray(values)
    assert values.min() >= low
    assert values.max() <= high
    assert values.min() < low + 0.1 * (high - low)
    assert values.max() > high - 0.1 * (high - low)
    assert abs(values.mean() - (low + high) / 2) < 0.1 * (high - low)


def elevation(point: tuple[float, ...]) -> float:
    return math.degrees(math.asin(point[2] / math.hypot(*point)))


def test_ten_objects_are_drawn_as_a_multinomial_over_data_sets_draws_them(scenes: list[SceneSpec]) -> None:
    # given shares of classes as the ten data sets have them, then each part of the pool has its share of all objects
    sizes = np.array([33, 2, 6, 28, 15, 14, 30, 3, 21, 21])
    ids = np.array([placed.class_id for scene in scenes for placed in scene.objects])
    assert len(ids) == 600
    counts = np.histogram(ids, bins=np.concatenate([[0], np.cumsum(sizes)]))[0]
    expected = 600 * sizes / 173
    # chi-square of nine degrees of freedom: above 27.9 once in a thousand seeds
    assert ((counts - expected) ** 2 / expected).sum() < 27.9
    # with replacement: some scene shows a class twice
    assert any(len({placed.class_id for placed in scene.objects}) < 10 for scene in scenes)
    assert {len(sample_scene(dataclasses.replace(PUBLISHED, appearance="single"), 0, k).objects) for k in (0, 1)} == {1}


def test_every_object_has_a_gloss_of_its_own_in_every_setting(scenes: list[SceneSpec], fixed: list[SceneSpec]) -> None:
    for drawn in (scenes, fixed):
        gloss = np.array([placed.gloss for scene in drawn for placed in scene.objects], dtype=float)
        spread(gloss[:, 0], 0, 1)
        spread(gloss[:, 1], 0, 1)
        assert abs(np.corrcoef(gloss.T)[0, 1]) < 0.25


def test_texture_less_objects_are_grey_and_others_as_they_are(scenes: list[SceneSpec]) -> None:
    pool = classes_of(PUBLISHED)
    placed = [each for scene in scenes for each in scene.objects]
    greys = [each.tint for each in placed if pool[each.class_id].is_textureless]
    assert all(red == green == blue for red, green, blue in greys)
    spread([red for red, _, _ in greys], 0.25, 1)
    assert {each.tint for each in placed if not pool[each.class_id].is_textureless} == {(1.0, 1.0, 1.0)}


def test_one_material_covers_floor_and_walls(scenes: list[SceneSpec], fixed: list[SceneSpec]) -> None:
    assert all(scene.floor == scene.walls for scene in scenes)
    assert len({scene.floor.material for scene in scenes}) > 10
    assert {scene.floor.tint for scene in scenes} == {(1.0, 1.0, 1.0)}
    assert len({(scene.floor, scene.walls) for scene in fixed}) == 1


def test_the_fixed_background_is_the_fabric_by_name_or_the_packaged_carpet(tmp_path: Path) -> None:
    assert published_background(None) == "carpet"
    folder = write_textures(tmp_path)
    # given a folder of CC0 textures without it, then that is said before anything is rendered
    with pytest.raises(ValueError, match=r"lacks Fabric001, the fixed background of published scenes; fetch it, or"):
        dataclasses.replace(FIXED, textures=str(folder))
    assert dataclasses.replace(PUBLISHED, textures=str(folder)).textures == str(folder)


def test_the_lamp_is_a_plane_of_six_metres_at_ten(scenes: list[SceneSpec], fixed: list[SceneSpec]) -> None:
    lamps = [light(scene, "plane") for scene in scenes]
    assert {(lamp.position, lamp.size) for lamp in lamps} == {((0.0, 0.0, 10.0), 6.0)}
    spread([lamp.power for lamp in lamps], 3, 6)
    for channel in range(3):
        spread([lamp.colour[channel] for lamp in lamps], 0.5, 1)
    still = light(fixed[0], "plane")
    assert (still.colour, still.power, still.size) == ((1.0, 1.0, 1.0), 4.0, 6.0)


def test_the_point_light_hangs_on_its_shell(scenes: list[SceneSpec], fixed: list[SceneSpec]) -> None:
    points = [light(scene, "point") for scene in scenes]
    assert {point.power for point in points} == {200.0}
    spread([math.hypot(*point.position) for point in points], 1, 1.5)
    spread([elevation(point.position) for point in points], 5, 89)
    spread([point.colour[0] for point in points], 0.5, 1)
    still = {light(scene, "point") for scene in fixed}
    assert [(point.position, point.colour, point.power) for point in still] == [((0, 0, 3), (1, 1, 1), 200)]


def test_objects_stand_on_the_middle_of_the_floor_near_each_other(scenes: list[SceneSpec]) -> None:
    pool = classes_of(PUBLISHED)
    nearest, middles = [], []
    for scene in scenes:
        for number, placed in enumerate(scene.objects):
            assert placed.radius == COMMON_RADIUS_M * pool[placed.class_id].size
            points = unit_vertices(pool[placed.class_id]) @ np.array(placed.rotation).T * placed.radius
            assert abs((points + placed.position)[:, 2].min()) < 1e-9
            middles.append(placed.position[:2])
            before = [math.dist(placed.position, other.position) for other in scene.objects[:number]]
            nearest += [min(before)] if before else []
    # 0.4 to 0.6 of the 4 m, and 0.01 to 0.20 m to the next one, unless it finds no such place in 100 tries
    inside = np.abs(middles).max(axis=1) <= 0.4
    apart = np.array(nearest)
    assert inside.mean() > 0.95
    assert apart.min() >= 0.01
    assert (apart <= 0.20).mean() > 0.95
    assert np.abs(middles).max() < 0.6


def test_objects_are_turned_about_the_vertical_only(scenes: list[SceneSpec]) -> None:
    ups: dict[int, np.ndarray] = {}
    turns = []
    for placed in (each for scene in scenes for each in scene.objects):
        rotation = np.array(placed.rotation)
        # the mesh's direction that points upwards is its class's own
        np.testing.assert_allclose(ups.setdefault(placed.class_id, rotation[2]), rotation[2], atol=1e-9)
        turns.append(math.atan2(rotation[1, 0], rotation[0, 0]))
    spread(turns, -math.pi, math.pi)


def test_no_two_objects_cut_each_other(scenes: list[SceneSpec]) -> None:
    # given the footprints as points, then no vertex of one lies inside the outline of another
    from scipy.spatial import ConvexHull, Delaunay

    pool = classes_of(PUBLISHED)
    for scene in scenes[:15]:
        flat = [
            (unit_vertices(pool[o.class_id]) @ np.array(o.rotation).T)[:, :2] * o.radius + o.position[:2]
            for o in scene.objects
        ]
        for number, points in enumerate(flat):
            outline = Delaunay(points[ConvexHull(points).vertices])
            for other in (each for k, each in enumerate(flat) if k != number):
                assert (outline.find_simplex(other) < 0).all()


def test_cameras_lie_on_their_shell_look_at_an_object_and_roll(scenes: list[SceneSpec]) -> None:
    places, rolls = [], []
    for scene in scenes:
        assert len(scene.cameras) == 10
        centres = np.array([placed.position for placed in scene.objects])
        target = centres[np.linalg.norm(centres - centres.mean(axis=0), axis=1).argmin()]
        for camera in np.array(scene.cameras):
            np.testing.assert_allclose(camera[:3, :3] @ camera[:3, :3].T, np.eye(3), atol=1e-9)
            places.append(tuple(camera[:3, 3]))
            along = (target - camera[:3, 3]) / np.linalg.norm(target - camera[:3, 3])
            np.testing.assert_allclose(-camera[:3, 2], along, atol=1e-9)
            level = np.cross(along, [0, 0, 1])
            rolls.append(math.atan2(*(camera[:3, 0] @ np.stack([np.cross(level, along), level]).T)))
    distances = [math.hypot(*place) for place in places]
    assert (min(distances) >= 0.61, max(distances) <= 1.24) == (True, True)
    assert max(distances) > 1.2
    heights = [elevation(place) for place in places]
    assert (min(heights) >= 5, max(heights) <= 89) == (True, True)
    assert (min(heights) < 12, max(heights) > 80) == (True, True)
    spread(rolls, -math.pi / 4, math.pi / 4)


def test_nothing_is_nearer_to_a_camera_than_thirty_centimetres(scenes: list[SceneSpec]) -> None:
    pool, nearest = classes_of(PUBLISHED), math.inf
    for scene in scenes[:20]:
        for camera in np.array(scene.cameras)[:, :3, 3]:
            for placed in scene.objects:
                points = unit_vertices(pool[placed.class_id]) @ np.array(placed.rotation).T * placed.radius
                to_mesh = float(np.linalg.norm(points + placed.position - camera, axis=1).min())
                assert distance_to(camera, placed, pool[placed.class_id]) <= to_mesh + 1e-9
                nearest = min(nearest, to_mesh)
    assert 0.3 <= nearest < 0.4


def test_the_image_is_ycb_vs_field_of_view_stretched_to_a_square() -> None:
    # given a square of 640 px, then it is as wide as the published 640 px and 4 / 3 as high as its 480
    fx, _, cx, _, fy, cy, *_ = intrinsics(640)
    assert math.degrees(2 * math.atan(320 / fx)) == pytest.approx(33.4, abs=0.1)
    assert fy / 640 == pytest.approx(1067.487 / 480)
    assert (cx, cy) == (pytest.approx(313.5, abs=0.1), pytest.approx(322.4, abs=0.1))
    np.testing.assert_allclose(np.array(intrinsics(64))[:6] * 10, np.array(intrinsics(640))[:6])


def test_bop_objects_are_as_large_as_life(tmp_path: Path) -> None:
    setting = dataclasses.replace(PUBLISHED, classes=2, objects=str(write_bop(tmp_path)))
    spheres: list[ObjectPlacement] = [o for o in sample_scene(setting, 0, 0).objects if o.class_id == 1]
    # the ball of 60 mm, its texture-less data set grey
    assert {round(ball.radius, 3) for ball in spheres} == {0.06}
    assert all(0.25 <= ball.tint[0] <= 1 for ball in spheres)


@pytest.mark.parametrize(
    "more",
    [{"placement": "physics"}, {"material": "random"}, {"light_strength": (0.5, 1.0)}],
    ids=lambda m: next(iter(m)),
)
def test_what_published_scenes_do_not_have_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"rendering setting: {next(iter(more))} says nothing of published scenes"):
        dataclasses.replace(PUBLISHED, **more)


def test_framed_scenes_have_no_gloss_and_keep_their_name() -> None:
    assert "scenes" not in RenderSetting().content()
    assert PUBLISHED.content()["scenes"] == "published"
    assert all(placed.gloss is None for placed in sample_scene(RenderSetting(), 0, 0).objects)
