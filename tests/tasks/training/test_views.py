"""Images and their labels move together: what is at a place in the image is at that place in the label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tasks.data.keypoint_labels import mirrored_order, rows_of
from tasks.label_forms import IGNORED, NO_BOX
from tasks.recipes.recipe import Recipe
from tasks.training import windows
from tasks.training.views import Views

ALL = torch.arange(1)
HANDS = ("left_hand", "right_hand")


def view(top: float = 0.0, left: float = 0.0, side: float = 1.0, mirrored: bool = False) -> Views:
    origin, extent, distance = np.array([[top, left]]), np.array([[side, side]]), np.array([[side]])
    return Views(origin, extent, np.array([[mirrored]]), distance=distance)


def windows_of(rng: np.random.Generator, recipe: Recipe, count: int, side: int) -> Views:
    return windows.drawn(rng, recipe, (side, side), np.full((count, 2), float(side)))


def round_all(numbers: Tensor) -> list[float]:
    return [round(number, 3) for number in numbers.tolist()]


def box(*values: float) -> Tensor:
    return torch.tensor([[values]], dtype=torch.float32)


def test_a_mirrored_window_mirrors_boxes_and_turns_normals_round() -> None:
    mirrored = view(mirrored=True)
    pixels = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 4, 1).expand(1, 4, 4, 3)
    normals = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float16).expand(1, 4, 4, 3)

    assert mirrored.of_images(pixels, ALL)[0, 0, :, 0].tolist() == [3, 2, 1, 0]
    assert mirrored.of_labels(box(2, 1, 0, 3, 4), ALL, "boxes", (4, 4)).tolist() == [[[2, 1, 0, 3, 4]]]
    assert mirrored.of_labels(box(2, 0, 1, 1, 4), ALL, "boxes", (4, 4)).tolist() == [[[2, 3, 1, 4, 4]]]
    turned = mirrored.of_labels(normals, ALL, "normals", (4, 4))[0, 0, 0]
    assert turned.tolist() == pytest.approx([-0.6, 0.0, 0.8], abs=1e-3)


def test_the_box_in_a_window_is_the_box_of_what_the_window_shows() -> None:
    # given an object drawn into a map, when windows are cut at random, then boxes and drawn pixels agree to a pixel
    rng, size = np.random.default_rng(0), 64
    drawn = torch.zeros(1, size, size, dtype=torch.uint8)
    drawn[0, 20:41, 12:45] = 1
    recipe = Recipe(iterations=1, batch_size=1, lr=1.0, augment=("flip",), scale_jitter=(0.5, 2.0))
    for _ in range(50):
        window = windows_of(rng, recipe, 1, size)
        moved = window.of_labels(box(0, 12, 20, 45, 41), ALL, "boxes", (size, size))[0, 0]
        rows, columns = torch.nonzero(window.of_labels(drawn, ALL, "semantic", (size, size))[0] == 1, as_tuple=True)
        if moved[0] == NO_BOX:
            assert len(rows) < 0.3 * 33 * 21 / window.extent.prod()
        else:
            shown = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.allclose(moved[1:], [int(edge) for edge in shown], atol=1.0)


def test_what_a_window_shows_beyond_its_image_is_grey_and_without_label() -> None:
    wide = view(top=-0.5, left=-0.5, side=2.0)
    white, classes = torch.full((1, 8, 8, 3), 255, dtype=torch.uint8), torch.ones(1, 8, 8, dtype=torch.uint8)

    assert wide.of_images(white, ALL)[0, :, :, 0].unique().tolist() == [128, 255]
    labels = wide.of_labels(classes, ALL, "semantic", (8, 8))[0]
    assert (labels == 1).sum() == 16
    assert (labels == IGNORED).sum() == 48


def test_keypoints_move_with_their_image_and_change_sides_in_a_mirror() -> None:
    # given an object with a left and a right hand, the left one visible
    rows = rows_of(
        np.zeros(1), np.array([[0, 0, 40, 40]]), np.array([1600.0]), np.array([[[4, 10, 2], [30, 20, 1]]]), HANDS
    )
    labels = torch.from_numpy(rows)[None]

    def seen(window: Views) -> list[list[float]]:
        moved = window.of_labels(labels, ALL, "keypoints", (40, 40), mirrored_order(HANDS))
        return [round_all(moved[0, 0, 6 + 4 * k : 9 + 4 * k]) for k in range(2)]

    assert seen(view()) == [[4, 10, 2], [30, 20, 1]]
    # in the mirror what was the right hand is the left one, at the other side
    assert seen(view(mirrored=True)) == [[10, 20, 1], [36, 10, 2]]
    # a window of the right half shows it twice as large; what lies outside is not labelled
    assert seen(view(left=0.5, side=0.5)) == [[-32, 20, 0], [20, 40, 0]]
    assert seen(view(left=0.5, top=0.25, side=0.5))[1] == [20, 20, 1]
    larger = view(side=0.5).of_labels(labels, ALL, "keypoints", (40, 40))
    assert larger[0, 0, 5] == 4 * 1600
    with pytest.raises(ValueError, match="cannot be mirrored"):
        view(mirrored=True).of_labels(labels, ALL, "keypoints", (40, 40))


def test_keypoints_in_a_window_are_where_the_window_shows_them() -> None:
    # given keypoints drawn as single white pixels, when windows are cut, then each is where its pixel is, to a pixel
    rng, size = np.random.default_rng(1), 64
    places = np.array([[20.5, 30.5], [44.5, 33.5]])
    drawn = torch.zeros(1, size, size, dtype=torch.uint8)
    for number, (x, y) in enumerate(places, start=1):
        drawn[0, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = number
    points = np.insert(places, 2, 2, axis=1)[None]
    rows = rows_of(np.zeros(1), np.array([[12, 20, 50, 50]]), np.array([900.0]), points, HANDS)
    recipe, checked = Recipe(iterations=1, batch_size=1, lr=1.0, augment=("flip",), scale_jitter=(0.7, 1.5)), 0
    for _ in range(40):
        window = windows_of(rng, recipe, 1, size)
        moved = window.of_labels(torch.from_numpy(rows)[None], ALL, "keypoints", (size, size), mirrored_order(HANDS))
        shown = window.of_labels(drawn, ALL, "semantic", (size, size))[0]
        for k in range(2):
            x, y, visibility = moved[0, 0, 6 + 4 * k : 9 + 4 * k].tolist()
            which = 2 - k if window.mirrored.item() else k + 1
            at = torch.nonzero(shown == which).double().mean(dim=0) + 0.5
            if visibility > 0 and min(x, y) > 4 and max(x, y) < size - 4:
                assert np.abs(np.array([y, x]) - at.numpy()).max() < 1
                checked += 1
    assert checked > 40


@pytest.mark.parametrize("window", [(0.1, 0.25, 0.5), (0.0, 0.13, 0.87), (0.0, 0.0, 0.999)], ids=str)
def test_a_zoomed_window_is_what_pillow_makes_of_it(window: tuple[float, float, float]) -> None:
    size, (top, left, side) = 40, window
    pixels = np.random.default_rng(0).integers(256, size=(size, size, 3)).astype(np.uint8)

    seen = view(top, left, side).of_images(torch.from_numpy(pixels)[None], ALL)[0]

    cut = (size * left, size * top, size * (left + side), size * (top + side))
    wanted = Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR, box=cut)
    assert np.abs(seen.numpy() - np.asarray(wanted, float)).max() < 1.1


def test_a_window_that_shrinks_its_image_is_antialiased() -> None:
    # given stripes one pixel wide, when an image is a third as large, then they are grey and not black or white
    stripes = torch.zeros(1, 48, 48, 3, dtype=torch.uint8)
    stripes[:, :, ::2] = 255

    seen = view(top=-1.0, left=-1.0, side=3.0).of_images(stripes, ALL)[0, :, :, 0]

    inner, around = seen[18:30, 18:30], seen.clone()
    around[16:32, 16:32] = 128
    assert ((inner - 127.5).abs() < 15).all()
    assert (around == 128).all()


def test_crop_and_scale_jitter_zoom_one_on_top_of_the_other() -> None:
    def zooms(**values: Any) -> tuple[float, float]:
        views = windows_of(np.random.default_rng(0), Recipe(iterations=1, batch_size=1, lr=1.0, **values), 2000, 64)
        return float(1 / views.extent.max()), float(1 / views.extent.min())

    assert zooms(augment=("crop",)) == pytest.approx((1, 4 / 3), abs=0.01)
    assert zooms(augment=("crop",), smallest_crop=0.6) == pytest.approx((1, 5 / 3), abs=0.01)
    assert zooms(scale_jitter=(0.5, 2.0)) == pytest.approx((0.5, 2), abs=0.01)
    assert zooms(augment=("crop",), scale_jitter=(0.5, 2.0)) == pytest.approx((0.5, 8 / 3), abs=0.05)


def test_an_image_is_seen_alike_whichever_part_of_a_batch_it_comes_in() -> None:
    recipe = Recipe(iterations=1, batch_size=16, lr=1.0, augment=("flip", "crop"), scale_jitter=(0.5, 2.0))
    images, chosen = torch.randint(256, (16, 24, 24, 3), dtype=torch.uint8), torch.arange(16)
    views = windows_of(np.random.default_rng(0), recipe, 16, 24)

    whole = views.of_images(images, chosen)

    for size in (1, 5, 8):
        parts = [slice(start, start + size) for start in range(0, 16, size)]
        assert torch.equal(torch.cat([views.part(part).of_images(images, chosen[part]) for part in parts]), whole)


def test_what_looks_twice_as_large_is_half_as_far() -> None:
    metres = torch.full((1, 8, 8), 6.0)
    metres[0, 0] = 0

    seen = view(side=0.5).of_labels(metres, ALL, "depth", (8, 8))[0]

    assert seen[2:].unique().tolist() == [3]
    assert not seen[:2].any(), "none stays none"


def test_a_box_of_which_hardly_anything_is_left_and_a_padding_row_are_no_boxes() -> None:
    right_half = view(left=0.5, side=0.5)
    boxes = torch.tensor([[[1, 0, 0, 34, 64], [1, 0, 0, 64, 64], [NO_BOX] * 5]], dtype=torch.float32)

    kept = right_half.of_labels(boxes, ALL, "boxes", (64, 64))

    assert kept[0, :, 0].tolist() == [NO_BOX, 1, NO_BOX]


def test_without_augmentation_every_image_is_as_it_was() -> None:
    images = torch.randint(256, (3, 5, 7, 3), dtype=torch.uint8)
    recipe = Recipe(iterations=1, batch_size=3, lr=1.0)
    views = windows.drawn(np.random.default_rng(0), recipe, (5, 7), np.tile([5.0, 7.0], (3, 1)))

    assert torch.equal(views.of_images(images, torch.arange(3)), images)
