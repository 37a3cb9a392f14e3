"""Settings share scenes: an attribute changes what it names, and nothing else of the same (seed, scene)."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from render_actors.scene.sample import sample_scene
from render_actors.scene.spec import SceneSpec
from render_actors.setting.setting import RenderSetting
from tests.render_actors.setting.bop_folders import write_bop, write_textures

AIMED = RenderSetting(framing="object", max_objects=4, poses_per_scene=3)
BASE = dataclasses.replace(AIMED, framing="scene")
PUBLISHED = RenderSetting(scenes="published", max_objects=4, poses_per_scene=3)

# What follows from where objects stand: the cameras that look at them.
_VIEWS = (r"cameras\.\d+", r"targets\.\d+")
_PLACES = (r"objects\.\d+\.(position|rotation)", *_VIEWS)
_OTHER_CLASSES = (r"objects\.\d+\.(class_id|radius|tint)", *_PLACES)
_OTHER_COVERS = (r"(walls|floor)\.material",)
_OTHER_NUMBER = (r"objects\.\d+\.position", *_VIEWS)

# Of each attribute another value, and what of a scene it may change; numbers of objects and cameras may differ. What an
# attribute is not listed with must be equal.
CHANGES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "appearance": ("single", _VIEWS),
    "light": ("fix", (r"lights\..*",)),
    "background": ("fix", (r"walls\..*", r"floor\..*")),
    "texture": ("without", _OTHER_CLASSES),
    "placement": ("physics", _PLACES),
    "material": ("random", ()),
    "look": ("hue", (r"objects\.\d+\.tint",)),
    "gloss": ("random", (r"objects\.\d+\.gloss",)),
    "framing": ("object", (*_VIEWS, r"fields_of_view\.\d+")),
    "fill": ((0.5, 0.6), _VIEWS),
    "elevation": ((60.0, 70.0), _VIEWS),
    "roll": ((0.0, 0.0), (r"cameras\.\d+",)),
    "field_of_view": ((20.0, 60.0), (*_VIEWS, r"fields_of_view\.\d+")),
    "denoise": (True, ()),
    "lit_by": ("both", (r"lights\.\d+\.power", r"world.*")),
    "distractors": (6, ()),
    "sensor": ("camera", ()),
    "resolution": (128, ()),
    "samples": (16, ()),
    "classes": (173, _OTHER_CLASSES),
    "max_objects": (7, _OTHER_NUMBER),
    "min_objects": (3, _OTHER_NUMBER),
    "poses_per_scene": (5, ()),
    "max_bounces": (3, ()),
    "min_visible_px": (2, ()),
    "labels": (("classes", "depth", "poses"), ()),
    "size_jitter": (False, (r"objects\.\d+\.radius", *_PLACES)),
    "light_strength": ((1.0, 2.0), (r"lights\.\d+\.power",)),
    "device": ("cuda", ()),
}
# Drawn in another way altogether, or not by this code at all.
ELSEWHERE = {"scenes", "source"}
# Of published scenes the same, but that a look is theirs and both surfaces are one.
AIMING = {"fill", "elevation", "roll", "field_of_view"}
NOT_PUBLISHED = AIMING | {"placement", "material", "look", "gloss", "framing", "denoise", "light_strength"}
NOT_PUBLISHED |= {"lit_by", "max_bounces", "distractors"}


def parts(value: Any, name: str = "") -> dict[str, Any]:
    """A scene's numbers by name, as "objects.0.radius"; vectors and matrices stay whole."""
    if dataclasses.is_dataclass(value):
        fields = [(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)]
        return {key: found for part, each in fields for key, found in parts(each, f"{name}{part}.").items()}
    if isinstance(value, tuple) and name.count(".") == 1 and name[:-1] not in ("walls", "floor"):
        return {key: found for k, each in enumerate(value) for key, found in parts(each, f"{name}{k}.").items()}
    return {name.removesuffix("."): value}


def changed(first: SceneSpec, second: SceneSpec) -> set[str]:
    """Names of what both scenes have, in which they differ."""
    one, other = parts(first), parts(second)
    return {name for name in one.keys() & other.keys() if one[name] != other[name]}


def check_pair(base: RenderSetting, name: str, value: Any, may: tuple[str, ...], scenes: int = 6) -> None:
    other = dataclasses.replace(base, **{name: value})
    for index in range(scenes):
        found = changed(sample_scene(base, 7, index), sample_scene(other, 7, index))
        beyond = sorted(each for each in found if not any(re.fullmatch(pattern, each) for pattern in may))
        assert not beyond, f"{name} = {value!r} changes {beyond} of scene {index}"


def test_every_attribute_is_looked_at() -> None:
    declared = {each.name for each in dataclasses.fields(RenderSetting)}
    assert declared == CHANGES.keys() | ELSEWHERE | {"objects", "textures"}, (
        "RenderSetting has a new field: say in CHANGES above what of a scene it may change, so that settings that "
        "differ in it share the rest. What draws for it takes a stream of its own (render_actors/scene/streams.py)."
    )


@pytest.mark.parametrize("name", CHANGES)
def test_an_attribute_changes_what_it_names_and_nothing_else(name: str) -> None:
    value, may = CHANGES[name]
    check_pair(AIMED if name in AIMING else BASE, name, value, may)


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - NOT_PUBLISHED))
def test_so_it_does_in_published_scenes(name: str) -> None:
    value, may = CHANGES[name]
    check_pair(PUBLISHED, name, value, may)


def test_other_pools_change_classes_or_covers_alone(tmp_path: Path) -> None:
    check_pair(dataclasses.replace(BASE, classes=2), "objects", str(write_bop(tmp_path / "bop")), _OTHER_CLASSES)
    check_pair(BASE, "textures", str(write_textures(tmp_path / "cc0")), _OTHER_COVERS)


@pytest.mark.parametrize("base", [BASE, PUBLISHED, dataclasses.replace(BASE, placement="physics")])
def test_one_object_is_the_first_of_several_and_fewer_poses_are_the_first_ones(base: RenderSetting) -> None:
    single = dataclasses.replace(base, appearance="single")
    fewer = dataclasses.replace(base, poses_per_scene=2)
    for index in range(5):
        whole = sample_scene(base, 0, index)
        assert sample_scene(single, 0, index).objects == whole.objects[:1]
        assert sample_scene(fewer, 0, index).cameras == whole.cameras[:2]


def test_both_kinds_of_scene_show_the_same_classes() -> None:
    for index in range(5):
        framed, published = sample_scene(BASE, 3, index), sample_scene(PUBLISHED, 3, index)
        assert [o.class_id for o in framed.objects] == [o.class_id for o in published.objects]


def test_what_is_drawn_for_two_things_is_not_the_same() -> None:
    # given many scenes, then no stream repeats another one's numbers: tints, sizes and lights all differ
    scenes = [sample_scene(BASE, 0, index) for index in range(30)]
    tints = {placed.tint for scene in scenes for placed in scene.objects}
    assert len(tints) == sum(len(scene.objects) for scene in scenes)
    assert len({light.colour for scene in scenes for light in scene.lights}) == 60
    assert len({camera for scene in scenes for camera in scene.cameras}) == 90
