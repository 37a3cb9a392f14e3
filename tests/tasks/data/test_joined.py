"""Two sets of photographs one after the other: labels and what of each square is photograph go with their images."""

from __future__ import annotations

import numpy as np

from tasks.base import ArraySet, joined
from tasks.data.sampling import subset
from tasks.label_forms import NO_BOX


def boxes(count: int, most: int, content: np.ndarray | None = None) -> ArraySet:
    labels = np.full((count, most, 5), NO_BOX, np.float32)
    labels[:, 0] = [0, 1, 1, 5, 5]
    return ArraySet(np.full((count, 8, 8, 3), most, np.uint8), labels, ("a",), "boxes", content=content)


def test_boxes_are_padded_to_the_image_with_the_most_and_squares_without_padding_are_whole() -> None:
    partly = np.array([[8, 4]], np.float32)

    both = joined(boxes(2, 3), boxes(1, 1, partly))

    assert both.labels.shape == (3, 3, 5)
    assert (both.labels[:, 0] == [0, 1, 1, 5, 5]).all()
    assert (both.labels[:, 1:] == NO_BOX).all()
    assert both.images[:, 0, 0, 0].tolist() == [3, 3, 1]
    assert both.content is not None
    assert both.content.tolist() == [[8, 8], [8, 8], [8, 4]]


def test_a_draw_among_some_images_is_of_those_and_balanced() -> None:
    data = ArraySet(np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 4, tuple("abcd"))
    among = np.arange(0, 40, 3)

    drawn = subset(data, count=8, seed=0, among=among)

    assert set(drawn) <= set(among)
    assert np.bincount(data.labels[drawn]).tolist() == [2, 2, 2, 2]
