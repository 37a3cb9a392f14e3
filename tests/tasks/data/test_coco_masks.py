"""Outlines cover the pixels that COCO's own tools say they cover."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render_actors.actor import drawing_of
from render_actors.setting.source import Source
from tasks.data.catalogue import RealSet
from tasks.data.readers.coco_masks import bounds_of, box_mask, mask_of
from tests.render_actors.sources.test_sources import NOWHERE, setting_of

HEIGHT, WIDTH = 48, 64


def polygons(rng: np.random.Generator) -> list[list[float]]:
    """One or two polygons of 3 to 9 corners, crossing themselves and leaving the image as they like."""
    counts = rng.integers(3, 10, rng.integers(1, 3))
    return [rng.uniform(-5, (WIDTH + 5, HEIGHT + 5), (count, 2)).round(2).ravel().tolist() for count in counts]


def filled_by_coco(outline: list[list[float]]) -> np.ndarray:
    from pycocotools import mask

    return np.asarray(mask.decode(mask.merge(mask.frPyObjects(outline, HEIGHT, WIDTH))).astype(bool))


def write_coco(folder: Path, outlines: list[list[list[float]]], image_folder: str, name: str) -> None:
    """An empty photograph an outline, with one object that has it."""
    (folder / image_folder).mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, outline in enumerate(outlines):
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / image_folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
        one = {"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, WIDTH, HEIGHT]}
        annotations.append(one | {"segmentation": outline})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_random_polygons_are_filled_as_coco_fills_them() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        outline = polygons(rng)
        assert np.array_equal(mask_of(outline, HEIGHT, WIDTH), filled_by_coco(outline))


def test_a_box_covers_the_pixels_in_it() -> None:
    rows, columns = np.nonzero(box_mask((10, 20, 5, 8), HEIGHT, WIDTH))

    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 27, 10, 14)
    assert len(rows) == 40


def test_photographs_and_images_of_a_labelled_folder_show_the_same_pixels_of_an_object(tmp_path: Path) -> None:
    # given the same outlines in COCO's layout of photographs and as a source of images to pre-train on
    rng = np.random.default_rng(1)
    outlines = [polygons(rng) for _ in range(10)]
    for split in ("train", "val"):
        write_coco(tmp_path / "real", outlines, split, f"annotations/instances_{split}.json")
    write_coco(tmp_path / "source", outlines, "images", "annotations.json")

    real = RealSet("coco:real", tmp_path, WIDTH, kind="instances", cache_dir=tmp_path / "cache").load().test
    setting = setting_of(
        Source("coco", str(tmp_path / "source"), ("thing",), "crop"), resolution=HEIGHT, poses_per_scene=1
    )
    shown = [drawing_of(setting, NOWHERE).scene(0, number)[0] for number in range(9)]

    wanted = [filled_by_coco(outline) for outline in outlines]
    for label, mask in zip(real.labels, wanted, strict=True):
        assert np.array_equal(label[:HEIGHT, :, 0] == 1, mask)
        assert not label[HEIGHT:].any()
    # of a source that is cropped the middle square is taken, nine of ten images to train on, in an order of its own
    middle = [mask[:, 8:-8] for mask in wanted]
    for image in shown:
        assert any(np.array_equal(image.instances == 1, mask) for mask in middle)


@pytest.mark.parametrize("seed", range(20))
def test_bounds_of_run_lengths_are_those_of_their_mask(seed: int) -> None:
    """Given any mask, its run lengths tell the box of its pixels without drawing it."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 9, 2)
    mask = rng.random((height, width)) < rng.random()
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(np.concatenate([[False], flat, [not flat[-1]]])))
    runs = np.diff(np.concatenate([[0], changes])).tolist()
    outline = {"size": [int(height), int(width)], "counts": [int(run) for run in runs]}
    rows, columns = np.nonzero(mask)
    wanted = None
    if len(rows):
        x, y = columns.min(), rows.min()
        wanted = (x, y, columns.max() + 1 - x, rows.max() + 1 - y)
    assert bounds_of(outline) == wanted
