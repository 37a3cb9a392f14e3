"""From rendered arrays to what a pre-training task learns from: which labels to render, and their form."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from render_actors.setting.setting import Label
from render_actors.shards import keypoints
from render_actors.shards.arrays import RenderedArrays
from tasks.base import ArraySet, task_facts
from tasks.data.keypoint_labels import rows_of
from tasks.label_forms import FORMS, NO_BOX, LabelKind

BACKGROUND = "background"

# Arrays by the names that RenderedArrays has for them, and "points", the keypoints of each class.
Parts = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Rendered:
    """How labels of a kind come from renders.

    labels: what must be rendered for it besides classes, boxes and masks. arrays: what it is made of besides images and
    class sets. made: from those, the labels of all images.
    """

    labels: tuple[Label, ...]
    arrays: tuple[str, ...]
    made: Callable[[Parts], np.ndarray]


def _boxes(parts: Parts) -> np.ndarray:
    """Rows (image, class, x0, y0, x1, y1), sorted by image, as float32 (images, most boxes, 5)."""
    return _by_image(parts["boxes"][:, 0], parts["boxes"][:, 1:], len(parts["images"]))


def _by_image(image: np.ndarray, rows: np.ndarray, images: int) -> np.ndarray:
    """Rows (M, W) of these images (M,), sorted, as float32 (images, most rows, W)."""
    counts = np.bincount(image, minlength=images)
    padded = np.full((images, counts.max(initial=0), rows.shape[1]), NO_BOX, np.float32)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded[image, within] = rows
    return padded


def _keypoints(parts: Parts) -> np.ndarray:
    """Label rows as float32 (images, most objects, 6 + 4 K); an object's area is that of its box."""
    listed = parts["boxes"]
    points, boxes = keypoints.seen_keypoints(parts["points"], listed, parts["projections"], parts["instances"])
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    rows = rows_of(listed[:, 1], boxes, areas, points, keypoints.NAMES)
    return _by_image(listed[:, 0], rows, len(parts["images"]))


_RENDERED: dict[LabelKind, _Rendered] = {
    "class_index": _Rendered(("target",), ("targets",), lambda parts: parts["targets"]),
    "class_set": _Rendered((), (), lambda parts: parts["class_sets"]),
    "boxes": _Rendered(("boxes",), ("boxes",), _boxes),
    "instances": _Rendered(("masks", "semantic"), ("objects",), lambda parts: parts["objects"]),
    "semantic": _Rendered(("semantic",), ("semantic",), lambda parts: parts["semantic"]),
    "normals": _Rendered(("normals",), ("normals",), lambda parts: parts["normals"]),
    "depth": _Rendered(("depth",), ("depth",), lambda parts: parts["depth"]),
    "keypoints": _Rendered(("boxes", "masks", "poses"), ("boxes", "instances", "projections"), _keypoints),
}


def labels_for(tasks: Iterable[str]) -> tuple[Label, ...]:
    """The labels that must be rendered for pre-training tasks; ValueError for one that renders cannot teach."""
    needed: list[Label] = []
    for name in tasks:
        kind = task_facts(name).label_kind
        if kind not in _RENDERED:
            teachable = ", ".join(sorted(_RENDERED))
            raise ValueError(f"{name} needs {kind} labels, which renders do not have; they have {teachable}")
        needed += [label for label in _RENDERED[kind].labels if label not in needed]
    return tuple(needed)


def arrays_for(kind: LabelKind) -> tuple[str, ...]:
    """The arrays besides images and class sets that labels of a kind are made of."""
    return _RENDERED[kind].arrays


def labelled_set(
    kind: LabelKind, arrays: RenderedArrays, class_names: tuple[str, ...], points: np.ndarray | None = None
) -> ArraySet:
    """Rendered images with labels of `kind`; the background is a class of semantic labels, the first.

    points: the keypoints of each class, `class_keypoints` of the setting, for labels that are keypoints.
    """
    form, rendered = FORMS[kind], _RENDERED[kind]
    parts = {name: getattr(arrays, name) for name in ("images", "class_sets", *rendered.arrays)}
    labels = rendered.made(parts if points is None else parts | {"points": points})
    names = (BACKGROUND, *class_names) if kind == "semantic" else form.outputs or class_names
    points_of = keypoints.NAMES if form.keypoints else ()
    return ArraySet(arrays.images, labels, names, kind, points_of, arrays.content)
