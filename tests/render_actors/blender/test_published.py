"""Published scenes drawn by Blender: labels fit their camera, and what the setting draws is what is seen."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from render_actors.labels import RenderedImage
from render_actors.scene.published import ROOM_HALF_M
from render_actors.scene.sample import sample_scene
from render_actors.setting.classes import classes_of
from render_actors.setting.setting import RenderSetting
from render_actors.shards.format import read_shard
from tests.render_actors.blender.projection import projected
from tests.render_actors.blender.test_blender import render
from tests.render_actors.setting.bop_folders import write_bop, write_textures

pytestmark = pytest.mark.slow

SIDE = 64
PUBLISHED = RenderSetting(
    scenes="published",
    resolution=SIDE,
    samples=4,
    classes=173,
    min_objects=10,
    max_objects=10,
    size_jitter=False,
    labels=("classes", "boxes", "masks", "semantic", "normals", "depth", "poses"),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[RenderedImage]:
    out = tmp_path_factory.mktemp("published") / "shards"
    render(out, [0, 1, 2], PUBLISHED)
    return [image for number in range(3) for image in read_shard(out / f"{number}.parquet")]


def test_images_are_lit_neither_black_nor_bleached_and_show_objects(images: list[RenderedImage]) -> None:
    assert len(images) == 30
    for image in images:
        assert 15 < image.rgb.mean() < 245, f"image {image.index} is black or bleached"
    assert np.mean([len(image.objects) for image in images]) > 3


def test_masks_lie_where_the_poses_and_the_camera_put_the_objects(images: list[RenderedImage]) -> None:
    # given pixels that are no squares and a middle beside the image's, then vertices project onto the masks
    pool, seen_whole = classes_of(PUBLISHED), 0
    for image in images:
        for seen in image.objects:
            _, flat = projected(image, seen, pool)
            x0, y0, x1, y1 = seen.box
            assert (flat.min(axis=0) < (x0 + 1, y0 + 1)).all()
            assert (flat.max(axis=0) > (x1 - 1, y1 - 1)).all()
            inside = (flat.min(axis=0) > 1).all() and (flat.max(axis=0) < SIDE - 1).all()
            alone = seen.visible_px > 0.4 * np.prod(flat.max(axis=0) - flat.min(axis=0))
            if inside and alone:
                error = np.abs(np.concatenate([flat.min(axis=0) - (x0, y0), flat.max(axis=0) - (x1, y1)]))
                seen_whole += bool((error < 1.5).all())
    assert seen_whole > 10


def test_floor_and_walls_are_where_a_room_of_four_metres_has_them(images: list[RenderedImage]) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    checked = 0
    for image in images:
        assert image.camera is not None
        assert image.depth is not None
        matrix = np.linalg.inv(np.array(image.camera.intrinsics).reshape(3, 3))
        pose = np.array(image.camera.to_world).reshape(4, 4)
        rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ matrix.T * [1, -1, -1]
        directions, eye = rays @ pose[:3, :3].T, pose[:3, 3]
        ends = np.where(directions > 0, [ROOM_HALF_M, ROOM_HALF_M, np.inf], [-ROOM_HALF_M, -ROOM_HALF_M, 0])
        distance = ((ends - eye) / directions).min(axis=-1)
        room = (image.instances == 0) & (np.roll(image.instances, 1, 0) == 0) & (np.roll(image.instances, 1, 1) == 0)
        # over the walls there is nothing
        room &= (eye + directions * distance[..., None])[..., 2] < 3.9
        checked += int(room.sum())
        if room.sum() > 100:
            assert np.median(np.abs(image.depth / distance - 1)[room]) < 0.01
    assert checked > 10_000


def test_grey_gloss_and_lamp_change_what_is_seen_and_nothing_else_does(tmp_path: Path) -> None:
    # given the fixed setting, when it is drawn in two processes, then the bytes are the same
    fixed = dataclasses.replace(
        PUBLISHED, appearance="single", light="fix", background="fix", texture="without", poses_per_scene=4
    )
    render(tmp_path / "first", [0, 1, 2, 3], fixed)
    render(tmp_path / "again", [3], fixed)
    first, again = (read_shard(tmp_path / name / "3.parquet") for name in ("first", "again"))
    assert [image.rgb.tobytes() for image in first] == [image.rgb.tobytes() for image in again]

    # and the brighter the grey that is drawn, the brighter the object, which has no colour
    seen = []
    for number in range(4):
        (placed,) = sample_scene(fixed, 0, number).objects
        pixels = [image.rgb[image.instances == 1] for image in read_shard(tmp_path / "first" / f"{number}.parquet")]
        colour = np.concatenate(pixels).mean(axis=0)
        assert np.ptp(colour) < 25
        seen.append((placed.tint[0], colour.mean()))
    greys, brightness = np.array(seen).T
    assert np.corrcoef(greys, brightness)[0, 1] > 0.5


def test_bop_objects_keep_their_colours_under_the_gloss_that_is_drawn_and_the_fabric_is_taken_by_name(
    tmp_path: Path,
) -> None:
    # given a red box with colours at its vertices, a ball without any, and two CC0 textures, Fabric001 among them
    write_textures(write_textures(tmp_path / "cc0"), "Fabric001")
    real = dataclasses.replace(
        PUBLISHED,
        classes=2,
        objects=str(write_bop(tmp_path / "bop")),
        textures=str(tmp_path / "cc0"),
        background="fix",
        light="fix",
        poses_per_scene=4,
    )
    render(tmp_path / "out", [0, 1], real)
    checked = {0: 0, 1: 0}
    for number in (0, 1):
        for image in read_shard(tmp_path / "out" / f"{number}.parquet"):
            for seen in (each for each in image.objects if each.visible_px > 60):
                red, green, blue = image.rgb[image.instances == seen.instance_id].mean(axis=0)
                checked[seen.class_id] += 1
                if seen.class_id == 0:
                    assert red > 1.2 * green
                else:
                    assert abs(red - blue) < 40
            room = image.rgb[image.instances == 0].mean(axis=0)
            assert room[1] > 1.2 * room[0]
    assert min(checked.values()) > 2
