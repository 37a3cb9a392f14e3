"""Scenes as data: pure functions of (setting, seed, index), objects on the floor, apart, cameras inside the room."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from render_actors.scene.sample import sample_scene
from render_actors.scene.spec import ROOM_HALF_M, SceneSpec
from render_actors.setting.classes import class_names, classes_of
from render_actors.setting.object_class import unit_vertices
from render_actors.setting.objects import CLASSES
from render_actors.setting.setting import RenderSetting
from sweeper.config.load import load_config
from sweeper.stages.image_sets import setting_of

ROOT = Path(__file__).parents[3]
CROWDED = RenderSetting(max_objects=10)


@pytest.fixture(scope="module")
def scenes() -> list[SceneSpec]:
    return [sample_scene(CROWDED, 5, index) for index in range(60)]


def test_a_scene_is_a_function_of_setting_seed_and_index() -> None:
    # given scene 7 sampled after others, when it is sampled again alone, then it is the same to the last bit
    for index in range(7):
        sample_scene(CROWDED, 1, index)
    after_others = sample_scene(CROWDED, 1, 7)
    assert sample_scene(RenderSetting(max_objects=10), 1, 7) == after_others
    # and seed and index each change it
    assert sample_scene(CROWDED, 2, 7).cameras != after_others.cameras
    assert sample_scene(CROWDED, 1, 8).cameras != after_others.cameras


def test_objects_rest_on_the_floor_without_touching(scenes: list[SceneSpec]) -> None:
    for scene in scenes:
        for placed in scene.objects:
            points = unit_vertices(CLASSES[placed.class_id]) @ np.array(placed.rotation).T * placed.radius
            assert abs((points + placed.position)[:, 2].min()) < 1e-9
        for a, first in enumerate(scene.objects):
            for second in scene.objects[a + 1 :]:
                apart = math.dist(first.position[:2], second.position[:2])
                assert apart > first.radius + second.radius


def test_rotations_and_cameras_are_rigid_and_inside_the_room(scenes: list[SceneSpec]) -> None:
    for scene in scenes:
        assert len(scene.cameras) == 10
        for rotation in [np.array(o.rotation) for o in scene.objects] + [np.array(c)[:3, :3] for c in scene.cameras]:
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(rotation) > 0
        positions = np.array(scene.cameras)[:, :3, 3]
        assert (np.abs(positions[:, :2]) < ROOM_HALF_M).all()
        assert (positions[:, 2] > 0).all()
        assert (positions[:, 2] < 2 * ROOM_HALF_M).all()


def test_cameras_look_at_the_objects(scenes: list[SceneSpec]) -> None:
    for scene in scenes:
        middle = np.mean([placed.position for placed in scene.objects], axis=0)
        for camera in np.array(scene.cameras):
            towards = middle - camera[:3, 3]
            cosine = -camera[:3, 2] @ towards / np.linalg.norm(towards)
            assert cosine > math.cos(math.radians(25))


def test_each_attribute_fixes_or_frees_what_it_names() -> None:
    still = RenderSetting(appearance="single", light="fix", background="fix")
    free = RenderSetting(appearance="multiple", light="random", background="random")
    calm = [sample_scene(still, 0, index) for index in range(20)]
    varied = [sample_scene(free, 0, index) for index in range(20)]
    assert {len(scene.objects) for scene in calm} == {1}
    assert {len(scene.objects) for scene in varied} == {1, 2, 3, 4, 5}
    assert len({(scene.lights, scene.walls, scene.floor) for scene in calm}) == 1
    assert len({scene.lights for scene in varied}) == 20
    assert len({scene.floor.material for scene in varied}) > 5


def test_every_class_appears_and_has_its_own_name() -> None:
    seen = {placed.class_id for index in range(100) for placed in sample_scene(CROWDED, 0, index).objects}
    assert seen == set(range(20))
    assert len(set(class_names(CROWDED))) == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"light": "dim"}, "light = 'dim'; choose fix or random"),
        ({"resolution": 8}, "resolution = 8"),
        ({"samples": 0}, "samples = 0"),
        ({"samples": 2.5}, "samples = 2.5; give a whole number"),
        ({"classes": 174}, "classes = 174"),
        ({"max_objects": 11}, "max_objects = 11"),
        ({"min_objects": 6}, "min_objects = 6 is above max_objects = 5"),
        ({"objects": "no/such/folder"}, "no/such/folder' is not a folder"),
        ({"device": "gpu"}, "device = 'gpu'; choose cpu or cuda or optix"),
        ({"min_visible_px": 0}, "min_visible_px = 0; give a whole number from 1"),
        ({"labels": ("boxes", "flow")}, "unknown label 'flow'"),
    ],
)
def test_a_bad_setting_is_refused_by_name(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        RenderSetting(**change)


def test_the_pool_is_the_papers_in_number() -> None:
    # 173 objects as in its ten BOP data sets, 58 without texture as T-LESS's 30 and ITODD's 28 are
    names = class_names(RenderSetting(classes=173))
    assert (len(names), len(set(names))) == (173, 173)
    assert len(class_names(RenderSetting(classes=173, texture="without"))) == 58
    assert all(entry.is_textureless for entry in classes_of(RenderSetting(classes=173, texture="without")))
    # and those with a texture can be told apart by it
    textured = [entry.material for entry in CLASSES if not entry.is_textureless]
    assert len(set(textured)) == len(textured) == 115


def test_all_sixteen_settings_can_be_asked_for_and_differ() -> None:
    settings = [
        RenderSetting(appearance=a, light=light, background=b, texture=t, classes=173, min_objects=10, max_objects=10)
        for a in ("single", "multiple")
        for light in ("fix", "random")
        for b in ("fix", "random")
        for t in ("with", "without")
    ]
    assert len({str(setting.content()) for setting in settings}) == 16
    for setting in settings:
        scenes = [sample_scene(setting, 0, index) for index in range(3)]
        assert {len(scene.objects) for scene in scenes} == {1 if setting.appearance == "single" else 10}
        assert (len({scene.lights for scene in scenes}) == 1) == (setting.light == "fix")
        assert (len({(scene.walls, scene.floor) for scene in scenes}) == 1) == (setting.background == "fix")


@pytest.mark.parametrize("level", range(8))
@pytest.mark.parametrize("name", ["paper/grid.yaml", "renderings.yaml"])
def test_the_shipped_levels_are_the_published_codes(name: str, level: int) -> None:
    # its run_renders.sh: levels 0 and 1 have one object, the even ones but 4 only T-LESS and ITODD, config_lv3 fixes
    # light and material, config_lv4 the material
    setting = setting_of(load_config(ROOT / "configs" / name), f"lv{level}")
    assert setting.appearance == ("single" if level < 2 else "multiple")
    assert setting.light == ("fix" if level in (0, 1, 2, 4) else "random")
    assert setting.background == ("random" if level > 5 else "fix")
    assert setting.texture == ("without" if level in (0, 2, 3, 6) else "with")


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "paper").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_called_the_papers_is_rendered_as_the_paper_did(path: Path) -> None:
    config = load_config(path)
    assert config.pretrain.validation_images == 1000
    assert config.pretrain.recipe == config.finetune.recipe == {"base": "paper"}
    for name in config.renderings:
        setting = setting_of(config, name)
        assert (setting.scenes, setting.classes, setting.size_jitter) == ("published", 173, False)
        assert (setting.resolution, setting.samples, setting.poses_per_scene) == (640, 50, 10)
        assert (setting.min_objects, setting.max_objects) == (10, 10)
        # lv7 is one row of images in all of them
        assert name != "lv7" or setting == setting_of(load_config(path.with_name("grid.yaml")), "lv7")


def test_what_was_rendered_before_a_key_existed_keeps_its_name() -> None:
    # given the quickstart's setting, then nothing that came later is in its identity
    setting = RenderSetting(resolution=32)
    assert set(setting.content()) == {
        *("appearance", "light", "background", "texture", "resolution", "samples", "classes", "max_objects"),
        *("poses_per_scene", "max_bounces", "min_visible_px", "labels"),
    }
    assert "device" in dataclasses.replace(setting, device="optix").content()


def test_without_size_jitter_a_class_has_one_size() -> None:
    setting = RenderSetting(classes=3, max_objects=10, size_jitter=False)
    sizes = {(o.class_id, o.radius) for index in range(20) for o in sample_scene(setting, 0, index).objects}
    assert len(sizes) == 3


def test_negative_seed_and_index_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        sample_scene(CROWDED, -1, 0)
    with pytest.raises(ValueError, match="must be 0 or more"):
        sample_scene(CROWDED, 0, -1)


def test_random_materials_cover_each_object_anew_and_own_ones_leave_scenes_as_they_were() -> None:
    random = dataclasses.replace(CROWDED, material="random")
    covered = [sample_scene(random, 5, index) for index in range(40)]

    assert all(len(scene.covers) == len(scene.objects) for scene in covered)
    # one class under many materials
    of_one_class = {c.material for s in covered for o, c in zip(s.objects, s.covers, strict=True) if o.class_id == 0}
    assert len(of_one_class) > 3
    assert sample_scene(CROWDED, 5, 0).covers == ()
    assert "material" not in CROWDED.content()
    with pytest.raises(ValueError, match="material = 'any'; choose own or random"):
        RenderSetting(material="any")  # type: ignore[arg-type]
