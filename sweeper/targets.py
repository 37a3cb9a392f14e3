"""From rendered arrays to what a pre-training task learns from: which labels to render, and their form."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from render_actors.arrays import RenderedArrays
from render_actors.setting import Label
from tasks.base import NO_BOX, ArraySet, LabelKind, label_kind

# kind of label -> what must be rendered for it besides classes, boxes and masks, and the arrays it is made of
_RENDERED: dict[LabelKind, tuple[tuple[Label, ...], tuple[str, ...]]] = {
    "class_set": ((), ()),
    "boxes": (("boxes",), ("boxes",)),
    "instances": (("masks", "semantic"), ("instances", "semantic")),
    "semantic": (("semantic",), ("semantic",)),
    "normals": (("normals",), ("normals",)),
    "depth": (("depth",), ("depth",)),
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


def labelled_set(kind: LabelKind, arrays: RenderedArrays, class_names: tuple[str, ...]) -> ArraySet:
    """Rendered images with labels of `kind`; the background is a class of semantic labels, the first."""
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
    assert arrays.depth is not None
    return ArraySet(arrays.images, arrays.depth, ("log depth",), kind)


def _padded(boxes: np.ndarray, images: int) -> np.ndarray:
    """Rows (image, class, x0, y0, x1, y1), sorted by image, as float32 (images, most boxes, 5)."""
    counts = np.bincount(boxes[:, 0], minlength=images)
    rows = np.full((images, counts.max(initial=0), 5), NO_BOX, np.float32)
    within = np.arange(len(boxes)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows[boxes[:, 0], within] = boxes[:, 1:]
    return rows
