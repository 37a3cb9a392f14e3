"""Drawn images with every kind of label, for tests and for the table of what works with what; no renderer needed.

Balls, boards and boxes of a class's own colour on noise. Every label follows from one drawing, so that all kinds agree.
"""

from collections.abc import Callable

import numpy as np

from tasks.base import ArraySet
from tasks.data.keypoint_labels import padding, rows_of
from tasks.label_forms import FORMS, NO_BOX, LabelKind

CLASS_NAMES = ("ball", "board", "box")
# where the keypoints are, (down, right) in units of an object's reach
KEYPOINTS = {"centre": (0, 0), "left_edge": (0, -1), "right_edge": (0, 1), "top": (-1, 0), "bottom": (1, 0)}
_COLOURS = np.array([[220, 50, 50], [50, 200, 70], [70, 90, 230]], np.float32)
_WALL_M, _OBJECT_M, _M_PER_PX = 4.0, 2.5, 0.02
_MOST_OBJECTS = 3
# a box shows two sides, turned away to the left and to the right
_BOX_TURN = 0.6


def shapes(count: int, side: int, seed: int, kind: LabelKind) -> ArraySet:
    """`count` images (side, side) with labels of `kind`: a pure function of its arguments."""
    drawings = [Drawing(np.random.default_rng((seed, index)), side) for index in range(count)]
    images = np.stack([drawing.image for drawing in drawings])
    labels = np.stack([_LABELS[kind](drawing) for drawing in drawings])
    names = ("background", *CLASS_NAMES) if kind == "semantic" else FORMS[kind].outputs or CLASS_NAMES
    return ArraySet(images, labels, names, kind, tuple(KEYPOINTS) if FORMS[kind].keypoints else ())


class Drawing:
    """One image; object k + 1 of `numbers` is of class classes[k], the last in front."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self.image = rng.integers(90, 160, (side, side, 3)).astype(np.uint8)
        self.numbers = np.zeros((side, side), np.uint8)
        self.normals = np.zeros((side, side, 3), np.float16)
        self.normals[..., 2] = 1
        self.depth = np.full((side, side), _WALL_M, np.float32)
        self.classes = rng.integers(0, len(CLASS_NAMES), rng.integers(1, _MOST_OBJECTS + 1))
        self.places: list[tuple[np.ndarray, float]] = []
        for number, class_id in enumerate(self.classes, start=1):
            centre = rng.uniform(0.2, 0.8, 2) * side
            self.places.append((centre, rng.uniform(0.12, 0.22) * side))
            self._draw(number, int(class_id), *self.places[-1])

    def _draw(self, number: int, class_id: int, centre: np.ndarray, reach: float) -> None:
        rows, columns = np.mgrid[: len(self.numbers), : len(self.numbers)]
        down, right = (rows + 0.5 - centre[0]) / reach, (columns + 0.5 - centre[1]) / reach
        inside = (np.hypot(down, right) < 1) if class_id == 0 else (np.maximum(abs(down), abs(right)) < 1)
        if class_id == 0:
            towards = np.sqrt(np.clip(1 - down**2 - right**2, 0, None))
            normals = np.stack([right, -down, towards], axis=-1)
        else:
            turned = _BOX_TURN * np.sign(right) if class_id == 2 else np.zeros_like(right)
            towards, normals = -abs(turned * right), np.stack([turned, 0 * right, np.sqrt(1 - turned**2)], axis=-1)
        light = normals @ np.array([-0.3, 0.5, 0.8])
        self.image[inside] = np.clip(_COLOURS[class_id] * (0.4 + 0.6 * light[inside, None]), 0, 255)
        self.numbers[inside], self.normals[inside] = number, normals[inside]
        self.depth[inside] = _OBJECT_M - _M_PER_PX * reach * towards[inside]

    def class_map(self) -> np.ndarray:
        """Class + 1 of each pixel, 0 = background; uint8 (H, W)."""
        return np.array([0, *(self.classes + 1)], np.uint8)[self.numbers]

    def class_set(self) -> np.ndarray:
        """uint8 (3,), 1 = a class that can be seen."""
        return np.isin(np.arange(len(CLASS_NAMES)) + 1, self.class_map()).astype(np.uint8)

    def instances(self) -> np.ndarray:
        """uint8 (H, W, 2): the object's number, 0 = none, and its class."""
        return np.stack([self.numbers, np.maximum(self.class_map(), 1) - 1], axis=-1)

    def boxes(self) -> np.ndarray:
        """float32 (3, 5) of what is visible, padded."""
        rows = np.full((_MOST_OBJECTS, 5), NO_BOX, np.float32)
        for place, (number, class_id) in zip(rows, enumerate(self.classes, start=1), strict=False):
            y, x = np.nonzero(self.numbers == number)
            if len(y):
                place[:] = class_id, x.min(), y.min(), x.max() + 1, y.max() + 1
        return rows

    def keypoints(self) -> np.ndarray:
        """float32 (3, 26) of every object that can be seen, with its whole extent as far as the image goes, padded."""
        side = len(self.numbers)
        [rows] = padding(1, _MOST_OBJECTS, len(KEYPOINTS))
        for place, (number, (centre, reach)) in zip(rows, enumerate(self.places, start=1), strict=False):
            if not (self.numbers == number).any():
                continue
            y, x = (centre + reach * np.array(list(KEYPOINTS.values()))).T
            inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
            row, column = (np.where(inside, at, 0).astype(int) for at in (y, x))
            # the last drawn is in front
            visibility = np.where(self.numbers[row, column] > number, 1, 2) * inside
            points = np.stack([x * inside, y * inside, visibility], axis=-1)
            low, high = (np.clip(centre + sign * reach, 0, side)[::-1] for sign in (-1, 1))
            box, area = np.array([[*low, *high]]), np.prod(high - low, keepdims=True)
            place[:] = rows_of(self.classes[[number - 1]], box, area, points[None], tuple(KEYPOINTS))[0]
        return rows


_LABELS: dict[LabelKind, Callable[[Drawing], np.ndarray]] = {
    "class_index": lambda drawing: drawing.classes[-1],
    "class_set": Drawing.class_set,
    "boxes": Drawing.boxes,
    "instances": Drawing.instances,
    "semantic": Drawing.class_map,
    "normals": lambda drawing: drawing.normals,
    "depth": lambda drawing: drawing.depth,
    "keypoints": Drawing.keypoints,
}
