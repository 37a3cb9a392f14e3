"""From rendered arrays to what a pre-training task learns from: which labels to render, and their form."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from render_actors.setting.setting import Label
from render_actors.shards import keypoints
from render_actors.shards.arrays import RenderedArrays
from tasks.base import NO_BOX, ArraySet, LabelKind, label_kind
from tasks.data.keypoint_labels import rows_of

# kind of label -> what must be rendered for it besides classes, boxes and masks, and the arrays it is made of
_RENDERED: dict[LabelKind, tuple[tuple[Label, ...], tuple[str, ...]]] = {
    "class_set": ((), ()),
    "boxes": (("boxes",), ("boxes",)),
    "instances": (("masks", "semantic"), ("instances", "semantic")),
    "semantic": (("semantic",), ("semantic",)),
    "normals": (("normals",), ("normals",)),
    "depth": (("depth",), ("depth",)),
    "keypoints": (("boxes", "masks", "poses"), ("boxes", "instances", "projections")),
}
BACKGROUND = "background"


def labels_for(tasks: Iterable[str]) -> tuple[Label, ...]:
    """The labels that must be rendered for pre-training tasks; ValueError for one that renders cannot teach."""
    needed: list[Label] = []
    for name in tasks:
        kind = label_kind(name)
        if kind not in _RENDERED:
            teachable = ", ".join(sorted(_RENDERED))
            raise ValueError(f"{name} needs {kind} labels, which renders do not have; they have {teachable}")
        needed += [label for label in _RENDERED[kind][0] if label not in needed]
    return tuple(needed)


def arrays_for(kind: LabelKind) -> tuple[str, ...]:
    """The arrays besides images and class sets that labels of a kind are made of."""
    return _RENDERED[kind][1]


def labelled_set(
    kind: LabelKind, arrays: RenderedArrays, class_names: tuple[str, ...], points: np.ndarray | None = None
) -> ArraySet:
    """Rendered images with labels of `kind`; the background is a class of semantic labels, the first.

    points: the keypoints of each class, `class_keypoints` of the setting, for labels that are keypoints.
    """
    if kind == "class_set":
        return ArraySet(arrays.images, arrays.class_sets, class_names, kind)
    if kind == "boxes":
        assert arrays.boxes is not None
        return ArraySet(arrays.images, _padded(arrays.boxes, len(arrays.images)), class_names, kind)
    if kind == "instances":
        assert arrays.instances is not None
        assert arrays.semantic is not None
        classes = np.where(arrays.instances > 0, arrays.semantic - np.uint8(1), 0).astype(np.uint8)
        return ArraySet(arrays.images, np.stack([arrays.instances, classes], axis=-1), class_names, kind)
    if kind == "semantic":
        assert arrays.semantic is not None
        return ArraySet(arrays.images, arrays.semantic, (BACKGROUND, *class_names), kind)
    if kind == "normals":
        assert arrays.normals is not None
        return ArraySet(arrays.images, arrays.normals, ("x", "y", "z"), kind)
    if kind == "keypoints":
        assert points is not None
        return ArraySet(arrays.images, _keypoints(arrays, points), class_names, kind, keypoints.NAMES)
    assert arrays.depth is not None
    return ArraySet(arrays.images, arrays.depth, ("log depth",), kind)


def _padded(boxes: np.ndarray, images: int) -> np.ndarray:
    """Rows (image, class, x0, y0, x1, y1), sorted by image, as float32 (images, most boxes, 5)."""
    return _by_image(boxes[:, 0], boxes[:, 1:], images)


def _by_image(image: np.ndarray, rows: np.ndarray, images: int) -> np.ndarray:
    """Rows (M, W) of these images (M,), sorted, as float32 (images, most rows, W)."""
    counts = np.bincount(image, minlength=images)
    padded = np.full((images, counts.max(initial=0), rows.shape[1]), NO_BOX, np.float32)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded[image, within] = rows
    return padded


def _keypoints(arrays: RenderedArrays, of_class: np.ndarray) -> np.ndarray:
    """Label rows as float32 (images, most objects, 6 + 4 K); an object's area is that of its box."""
    assert arrays.boxes is not None
    assert arrays.projections is not None
    assert arrays.instances is not None
    points, boxes = keypoints.seen_keypoints(of_class, arrays.boxes, arrays.projections, arrays.instances)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    rows = rows_of(arrays.boxes[:, 1], boxes, areas, points, keypoints.NAMES)
    return _by_image(arrays.boxes[:, 0], rows, len(arrays.images))
