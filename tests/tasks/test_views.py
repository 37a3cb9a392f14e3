"""Images and their labels move together: what is at a place in the image is at that place in the label."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.base import IGNORED, NO_BOX
from tasks.recipes import Recipe
from tasks.views import Views

ALL = torch.arange(1)


def view(top: float = 0.0, left: float = 0.0, side: float = 1.0, mirrored: bool = False) -> Views:
    return Views(np.array([[top]]), np.array([[left]]), np.array([[side]]), np.array([[mirrored]]))


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
        window = Views.drawn(rng, recipe, 1)
        moved = window.of_labels(box(0, 12, 20, 45, 41), ALL, "boxes", (size, size))[0, 0]
        rows, columns = torch.nonzero(window.of_labels(drawn, ALL, "semantic", (size, size))[0] == 1, as_tuple=True)
        if moved[0] == NO_BOX:
            assert len(rows) < 0.3 * 33 * 21 / window.side.item() ** 2
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


def test_a_box_of_which_hardly_anything_is_left_and_a_padding_row_are_no_boxes() -> None:
    right_half = view(left=0.5, side=0.5)
    boxes = torch.tensor([[[1, 0, 0, 34, 64], [1, 0, 0, 64, 64], [NO_BOX] * 5]], dtype=torch.float32)

    kept = right_half.of_labels(boxes, ALL, "boxes", (64, 64))

    assert kept[0, :, 0].tolist() == [NO_BOX, 1, NO_BOX]


def test_without_augmentation_every_image_is_as_it_was() -> None:
    images = torch.randint(256, (3, 5, 7, 3), dtype=torch.uint8)
    views = Views.drawn(np.random.default_rng(0), Recipe(iterations=1, batch_size=3, lr=1.0), 3)

    assert torch.equal(views.of_images(images, torch.arange(3)), images)
