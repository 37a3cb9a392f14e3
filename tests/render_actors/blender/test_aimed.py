"""Cameras that aim at one object, drawn by Blender: labels, field of view and the look that is drawn for objects."""

from __future__ import annotations

import colorsys
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from render_actors.labels import RenderedImage
from render_actors.scene.sample import sample_scene
from render_actors.setting.objects import CLASSES
from render_actors.setting.setting import RenderSetting
from render_actors.shards.format import read_shard
from tests.render_actors.blender.projection import projected
from tests.render_actors.blender.test_blender import render

AIMED = RenderSetting(
    framing="object",
    field_of_view=(25.0, 70.0),
    look="hue",
    gloss="random",
    denoise=True,
    light="fix",
    background="fix",
    resolution=32,
    poses_per_scene=5,
    labels=("classes", "boxes", "masks", "poses", "target"),
)
SCENES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("renders") / "aimed"
    render(out, list(range(SCENES)), AIMED)
    return out


@pytest.fixture(scope="module")
def images(folder: Path) -> list[RenderedImage]:
    return [image for number in range(SCENES) for image in read_shard(folder / f"{number}.parquet")]


def test_every_image_shows_the_object_that_it_is_labelled_with(images: list[RenderedImage]) -> None:
    shares = []
    for image in images:
        scene = sample_scene(AIMED, 0, image.index // 5)
        target = scene.targets[image.index % 5]
        [seen] = [each for each in image.objects if each.instance_id == target + 1]
        assert image.target == seen.class_id == scene.objects[target].class_id
        # it lies over the middle of the image
        x0, y0, x1, y1 = seen.box
        assert max(x0, y0) < 22
        assert min(x1, y1) > 10
        shares.append(seen.visible_px / 32**2)
    assert min(shares) > 0.02
    assert np.median(shares) > 0.15
    # several objects of a scene are aimed at
    assert len({(image.index // 5, image.target) for image in images}) > SCENES


def test_each_pose_has_its_own_field_of_view(images: list[RenderedImage]) -> None:
    cameras = [image.camera for image in images if image.camera is not None]
    assert len({round(camera.intrinsics[0], 3) for camera in cameras}) == len(images)
    for image in images:
        for seen in image.objects:
            points, flat = projected(image, seen, CLASSES)
            if points[:, 2].min() < 0.05:
                continue
            # no visible pixel lies outside the projected vertices' box; where all of it is in view they meet
            x0, y0, x1, y1 = seen.box
            low, high = flat.min(axis=0), flat.max(axis=0)
            assert (low < (x0 + 1, y0 + 1)).all()
            assert (high > (x1 - 1, y1 - 1)).all()
            if len(image.objects) == 1 and low.min() > 1 and high.max() < 31:
                np.testing.assert_allclose([*low, *high], seen.box, atol=1.5)


def test_an_object_has_the_hue_that_was_drawn_for_it(images: list[RenderedImage]) -> None:
    apart = []
    for image in images:
        scene = sample_scene(AIMED, 0, image.index // 5)
        for seen in (each for each in image.objects if each.visible_px > 40):
            tint = np.array(scene.objects[seen.instance_id - 1].tint)
            red, green, blue = np.median(image.rgb[image.instances == seen.instance_id], axis=0) / 255
            drawn, _, _ = colorsys.rgb_to_hsv(*(tint ** (1 / 2.2)))
            hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
            if saturation > 0.15 and value > 0.1:
                apart.append(abs((hue - drawn + 0.5) % 1 - 0.5))
    assert len(apart) > len(images) / 2
    assert np.median(apart) < 0.04
    assert np.quantile(apart, 0.9) < 0.12


def test_another_process_draws_the_same_bytes(folder: Path, images: list[RenderedImage], tmp_path: Path) -> None:
    render(tmp_path / "again", [3], AIMED)
    for first, second in zip(images[15:20], read_shard(tmp_path / "again" / "3.parquet"), strict=True):
        assert first.rgb.tobytes() == second.rgb.tobytes()
        assert (first.index, first.objects, first.target) == (second.index, second.objects, second.target)


def test_gloss_changes_how_an_object_shines_and_nothing_else(images: list[RenderedImage], tmp_path: Path) -> None:
    # given the same scenes with the gloss of each class
    render(tmp_path / "matt", [0, 1], dataclasses.replace(AIMED, gloss="class"))
    matt = [image for number in (0, 1) for image in read_shard(tmp_path / "matt" / f"{number}.parquet")]
    for first, second in zip(images, matt, strict=False):
        np.testing.assert_array_equal(first.instances, second.instances)
        assert first.target == second.target
    differences = [
        np.abs(a.rgb.astype(int) - b.rgb)[a.instances > 0].mean() for a, b in zip(images, matt, strict=False)
    ]
    assert max(differences) > 4
