"""Image and labels of a sample agree to a tenth of a pixel, from the photograph to what a training step sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.base import ArraySet
from tasks.data.catalogue import RealSet
from tasks.data.keypoint_labels import mirrored_order
from tasks.data.readers.squares import Fit, nearest_pixels
from tasks.label_forms import FORMS, LabelKind
from tasks.recipes.recipe import Recipe
from tasks.training import windows
from tasks.training.views import Views
from tests.tasks.discs import DISC_M, Disc, discs, middle_of_image, middle_of_label, write

KINDS = [kind for kind in get_args(LabelKind) if FORMS[kind].is_map or FORMS[kind].is_rows]
TENTH, HALF = 0.1, 0.5
# of a photograph and of the square that it is decoded to: shrunk, odd, as tall as wide, even, enlarged
SIZES = [(640, 480, 64), (500, 333, 32), (333, 500, 32), (100, 100, 64), (128, 96, 64), (48, 40, 64)]
FITS = [("letterbox", size) for size in SIZES] + [(fit, size) for fit in ("crop", "stretch") for size in SIZES[1::2]]


def read(root: Path, kind: LabelKind, width: int, height: int, side: int, fit: Fit | None = None) -> ArraySet:
    # a crop cuts some of them off, and those have no middle
    name = write(root / "set", discs(width, height, 40 if fit == "crop" else 16), kind)
    return RealSet(name, root, side, kind=kind, fit=fit, cache_dir=root / "cache").load().train


@pytest.mark.parametrize(("fit", "size"), FITS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_decoded_photograph_and_its_labels_agree(
    tmp_path: Path, kind: LabelKind, size: tuple[int, int, int], fit: Fit
) -> None:
    data = read(tmp_path, kind, *size, fit)

    whole = [k for k in range(len(data)) if fit != "crop" or _touches_no_edge(data.images[k])]
    assert len(whole) >= 10
    both = ((data.images[k], data.labels[k]) for k in whole)
    apart = np.array([middle_of_label(label, kind) - middle_of_image(image) for image, label in both])
    assert_agree(apart, kind)
    # and the image itself is where its fit says
    content = {"letterbox": [size[2] * side / max(size[:2]) for side in size[:2]]}.get(fit)
    assert (data.content is not None) == (fit == "letterbox" and size[0] != size[1])
    if data.content is not None:
        assert np.abs(data.content - np.array(content)).max() <= HALF


@pytest.mark.parametrize(("fit", "size"), FITS, ids=str)
def test_a_point_of_a_photograph_of_a_class_folder_lies_where_its_fit_says(
    tmp_path: Path, size: tuple[int, int, int], fit: Fit
) -> None:
    width, height, side = size
    shown = discs(width, height, 40)
    for number, disc in enumerate(shown):
        for place in ("train/a", "train/b", "test/a", "test/b"):
            (tmp_path / "set" / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(disc.pixels()).save(tmp_path / "set" / place / f"{number:02d}.png")

    data = RealSet("imagefolder:set", tmp_path, side, fit=fit, cache_dir=tmp_path / "cache").load().train

    # by the definition of each fit: both sides by one factor, the longer or the shorter one fitted, or each by its own
    longer, shorter = max(width, height), min(width, height)
    scale, moved = {
        "letterbox": (np.array([side / longer] * 2), np.zeros(2)),
        "crop": (np.array([side / shorter] * 2), np.array([width - shorter, height - shorter]) / 2),
        "stretch": (np.array([side / width, side / height]), np.zeros(2)),
    }[fit]
    if data.content is not None:
        # whole pixels
        scale = data.content[0] / (width, height)
        assert np.abs(data.content[0] - np.array([width, height]) * side / longer).max() <= HALF
    whole = [k for k in range(len(shown)) if _touches_no_edge(data.images[k])]
    assert len(whole) >= 10
    apart = [middle_of_image(data.images[k]) - scale * (np.array([shown[k].x, shown[k].y]) - moved) for k in whole]
    assert np.abs(apart).max() < TENTH


def test_what_a_crop_cuts_is_cut_in_every_label_and_what_it_leaves_out_is_none(tmp_path: Path) -> None:
    # given photographs of 80 x 40 px, cropped to x 20 to 60, with a disc in the middle, at an edge, and outside
    write(tmp_path / "set", [Disc(80, 40, x, 20, 8) for x in (40, 56, 70)], "boxes")
    write(tmp_path / "points", [Disc(80, 40, x, 20, 8) for x in (40, 56, 62, 70)], "keypoints")

    def train(name: str, kind: LabelKind) -> ArraySet:
        return RealSet(name, tmp_path, 40, kind=kind, fit="crop", cache_dir=tmp_path / "cache").load().train

    boxes, masks, points = train("coco:set", "boxes"), train("coco:set", "instances"), train("coco:points", "keypoints")

    # then the third photograph has no object and teaches nothing
    assert boxes.labels[:, 0].tolist() == [[0, 12, 12, 28, 28], [0, 28, 12, 40, 28]]
    rows, columns = np.nonzero(masks.labels[1, ..., 0])
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (28, 40, 12, 28)
    # of keypoints those with one in the square do; the area is that of the object
    assert len(points) == 2
    assert points.labels[1, 0, :6] == pytest.approx([0, 28, 12, 40, 28, np.pi * 64], rel=1e-5)


def test_areas_follow_both_axes(tmp_path: Path) -> None:
    write(tmp_path / "set", [Disc(80, 40, 40, 20, 8)], "keypoints")

    areas = {
        fit: RealSet("coco:set", tmp_path, 20, kind="keypoints", fit=fit, cache_dir=tmp_path / "cache")
        .load()
        .train.labels
        for fit in get_args(Fit)
    }

    times = {fit: float(labels[0, 0, 5] / (np.pi * 64)) for fit, labels in areas.items()}
    assert times == pytest.approx({"letterbox": 1 / 16, "crop": 1 / 4, "stretch": 1 / 8})


def assert_agree(apart: np.ndarray, kind: LabelKind, larger: float = 1.0) -> None:
    """Distances (M, 2) in px from image to label; `larger`: px of a stored px at most."""
    if FORMS[kind].is_map:
        # a single disc's edge in a map of whole pixels is ragged, each in its own way
        assert np.abs(apart.mean(axis=0)).max() < TENTH * max(1, larger)
        assert np.abs(apart).max() < HALF * max(1, larger)
    else:
        assert np.abs(apart).max() < TENTH / 2


PLAIN = Recipe(iterations=1, batch_size=1, lr=1, augment=("flip",))
RECIPES = {
    "flip": PLAIN,
    "crop": replace(PLAIN, augment=("flip", "crop")),
    "jitter": replace(PLAIN, scale_jitter=(0.5, 2.0)),
    "crop and jitter": replace(PLAIN, augment=("flip", "crop"), scale_jitter=(0.7, 1.2)),
    # images of other sizes than the 64 px that are stored
    "stretch to 96": replace(PLAIN, stretch=True, window=96),
    "shorter edge, 56": replace(PLAIN, shorter_edge=(30, 90), window=56, eval_shorter_edge=60),
    "resized crop, 80": replace(PLAIN, augment=("flip", "resized_crop"), window=80),
    "jitter, 41": replace(PLAIN, scale_jitter=(0.5, 2.0), window=41),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_step_sees_and_its_labels_agree(tmp_path: Path, kind: LabelKind, recipe: Recipe) -> None:
    data = read(tmp_path, kind, 150, 110, 64)
    mirror = mirrored_order(data.keypoint_names)
    images, labels = torch.from_numpy(np.array(data.images)), torch.from_numpy(np.array(data.labels))
    chosen = torch.arange(len(data)).repeat(20)
    # 150 x 110 px are 64 x 47 in a square of 64
    photographs = np.tile([47.0, 64.0], (len(chosen), 1))
    views = windows.drawn(np.random.default_rng(0), recipe, (64, 64), photographs)

    seen = views.of_images(images, chosen).numpy()
    told = views.of_labels(labels, chosen, kind, (64, 64), mirror).numpy()

    side = recipe.side_of(64)
    assert seen.shape == (len(chosen), side, side, 3)
    # a disc that a window cuts has no middle; where it is whole follows from the photograph's
    whole = [k for k in range(len(chosen)) if _touches_no_edge(seen[k])]
    assert len(whole) >= 10
    apart = np.array([middle_of_label(told[k], kind) - middle_of_image(seen[k]) for k in whole])
    assert_agree(apart, kind, larger=1 / float(views.extent.min() * 64 / side))
    if kind == "depth":
        nearest = np.array([told[k][told[k] > 0].min() for k in whole])
        assert nearest == pytest.approx(DISC_M * _times_as_far(recipe, views)[whole], rel=1e-2)


def _times_as_far(recipe: Recipe, views: Views) -> np.ndarray:
    """Twice as large as where the model is evaluated is half as far."""
    sides = np.sqrt(views.extent.prod(axis=1))
    if recipe.stretch:
        return np.ones_like(sides)
    evaluated = recipe.eval_shorter_edge / 47 if recipe.eval_shorter_edge else recipe.side_of(64) / 64
    return np.asarray(evaluated * 64 * sides / recipe.side_of(64))


def _touches_no_edge(image: np.ndarray) -> bool:
    red = image[..., 0].astype(float) - image[..., 1] > 1
    return bool(red.any() and not (red[[0, -1]].any() or red[:, [0, -1]].any()))


@pytest.mark.parametrize(("count", "wanted"), [(640, 64), (128, 64), (96, 64), (64, 64), (48, 64), (333, 21), (40, 30)])
def test_the_pixels_that_a_map_keeps_lie_where_they_go_on_average(count: int, wanted: int) -> None:
    kept = nearest_pixels(count, wanted)

    off = (kept + 0.5) * wanted / count - (np.arange(wanted) + 0.5)
    assert abs(off.mean()) < 0.01
    assert np.abs(off).max() <= 0.5 * wanted / count + 1e-9


@pytest.mark.parametrize(("count", "wanted", "before"), [(480, 64, 160), (333, 32, 167), (96, 64, 32), (40, 64, 8)])
def test_the_pixels_of_a_crop_lie_where_they_go_too(count: int, wanted: int, before: int) -> None:
    kept = nearest_pixels(count, wanted, halves_before=before)

    off = (kept + 0.5 - before / 2) * wanted / count - (np.arange(wanted) + 0.5)
    assert abs(off.mean()) < 0.02
    assert np.abs(off).max() <= 0.5 * wanted / count + 1e-9


def test_a_copy_of_a_photograph_of_another_size_lies_where_its_labels_do(tmp_path: Path) -> None:
    # given photographs of half the size that their list says, which by themselves would round to a line more
    listed = discs(500, 335)
    write(tmp_path / "set", listed, "boxes")
    for number, disc in enumerate(listed):
        half = Disc(250, 168, disc.x / 2, disc.y * 168 / 335, disc.radius / 2)
        Image.fromarray(half.pixels()).save(tmp_path / "set" / "train" / f"{number}.png")

    data = RealSet("coco:set", tmp_path, 32, kind="boxes", cache_dir=tmp_path / "cache").load().train

    for image, label in zip(data.images, data.labels, strict=True):
        assert np.abs(middle_of_label(label, "boxes") - middle_of_image(image)).max() < TENTH
