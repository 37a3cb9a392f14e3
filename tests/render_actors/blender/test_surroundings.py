"""Light of the world, distractors and a sensor, drawn by Blender beside the same scenes without them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from render_actors.labels import RenderedImage
from render_actors.scene.sample import sample_scene
from render_actors.setting.setting import RenderSetting
from render_actors.shards.format import read_shard
from tests.render_actors.blender.test_blender import render

PLAIN = RenderSetting(
    resolution=32, samples=4, poses_per_scene=3, max_objects=3, labels=("classes", "boxes", "masks", "depth")
)
SCENES = [0, 1, 2, 3]


def drawn(folder: Path, **changes: Any) -> list[RenderedImage]:
    render(folder, SCENES, dataclasses.replace(PLAIN, **changes))
    return [image for number in SCENES for image in read_shard(folder / f"{number}.parquet")]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[RenderedImage]:
    return drawn(tmp_path_factory.mktemp("renders") / "plain")


@pytest.mark.parametrize("lit_by", ["world", "both"])
def test_the_world_lights_the_same_scene_through_its_walls(
    plain: list[RenderedImage], tmp_path: Path, lit_by: str
) -> None:
    lit = drawn(tmp_path / lit_by, lit_by=lit_by)
    for first, second in zip(plain, lit, strict=True):
        # the camera sees the same things at the same distance, and walls and ceiling keep no light out
        np.testing.assert_array_equal(first.instances, second.instances)
        assert first.depth is not None
        assert second.depth is not None
        np.testing.assert_allclose(first.depth, second.depth, rtol=1e-4)
        assert 10 < second.rgb.mean() < 200
        assert np.abs(first.rgb.astype(int) - second.rgb).mean() > 2


def test_distractors_hide_what_is_behind_them_and_have_no_label(plain: list[RenderedImage], tmp_path: Path) -> None:
    beside = drawn(tmp_path / "beside", distractors=10)
    hidden = changed = 0
    for first, second in zip(plain, beside, strict=True):
        scene = sample_scene(dataclasses.replace(PLAIN, distractors=10), 0, second.index // 3)
        assert second.instances.max() <= len(scene.objects)
        # what an object shows, it showed without them: they take pixels and never add any
        assert not ((second.instances > 0) & (second.instances != first.instances)).any()
        hidden += int(((first.instances > 0) & (second.instances == 0)).sum())
        assert first.depth is not None
        assert second.depth is not None
        changed += int((second.depth < first.depth - 0.05).sum())
    assert hidden > 20
    assert changed > 200


def test_a_sensor_changes_the_pixels_and_no_label(plain: list[RenderedImage], tmp_path: Path) -> None:
    sensed = drawn(tmp_path / "sensed", sensor="camera")
    for first, second in zip(plain, sensed, strict=True):
        assert first.objects == second.objects
        np.testing.assert_array_equal(first.instances, second.instances)
        assert first.depth is not None
        assert second.depth is not None
        assert first.depth.tobytes() == second.depth.tobytes()
        assert 1 < np.abs(first.rgb.astype(int) - second.rgb).mean() < 80
