"""What every task is made of: labelled arrays, and a task as a record of plain functions.

This file imports no torch at run time, so that a renderer's process may read the vocabulary without loading it.
"""

from __future__ import annotations

import importlib
import mmap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tasks.label_forms import CROWD, FORMS, KEYPOINT_COLUMNS, NO_BOX, OBJECT_COLUMNS, LabelForm, LabelKind

if TYPE_CHECKING:
    from torch import Tensor, nn

# maps: of any size; pyramid: of several sizes
Needs = Literal["maps", "pyramid"]
# what a score needs of one batch, each tensor with one entry an image
Evidence: TypeAlias = "tuple[Tensor, ...]"


class TaskError(ValueError):
    """Input to a task that cannot work; the message is one line: what, where, what to do."""


def drop_pages(array: np.ndarray) -> None:
    """Give back the memory that a memory map's pages take in this process; they are read again when they are needed.

    What was written to them is kept. Nothing happens to an array that is no memory map.
    """
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    # where the system has no such call, it takes pages back when it has to
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, eq=False)
class ArraySet:
    """Labelled images in memory or in a memory map.

    images: uint8 (N, H, W, 3). labels, by kind: "class_index" int64 (N,); "class_set" uint8 (N, K), 1 = in the image;
    "boxes" float32 (N, M, 5), class, x0, y0, x1, y1 in px, the end exclusive, padded with rows of class -1, a crowd of
    class k -2 - k; "instances" uint8 or int16 (N, H, W, 2), the object's number, 0 = none, below 0 = a crowd, and its
    class; "semantic" uint8 (N, H, W), the class, 255 = ignored; "normals" float16 (N, H, W, 3), unit, x right, y up, z
    to the viewer, 0 where there is none; "depth" float32 (N, H, W), metres, 0 where there is none; "keypoints" float32
    (N, M, 6 + 4 K), see data/keypoint_labels.py, padded as boxes are. class_names: one name an output of the model,
    keypoints apart. kind: told by the shape where it is left out, for the first two. keypoint_names: the K of every
    object, for "keypoints" only. content: float32 (N, 2), width and height in px of what of each square is photograph,
    from its top left corner on; None = all of it. Raises TaskError where these do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    kind: LabelKind | None = None
    keypoint_names: tuple[str, ...] = ()
    content: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            raise TaskError(f"images must be uint8 (N, H, W, 3), not {self.images.dtype} {self.images.shape}")
        if len(self.images) != len(self.labels):
            raise TaskError(f"{len(self.images)} images but {len(self.labels)} labels")
        if self.content is not None and self.content.shape != (len(self.images), 2):
            raise TaskError(f"content must be ({len(self.images)}, 2), not {self.content.shape}")
        self._check_form()
        self._check_classes()

    def _check_form(self) -> None:
        if self.kind is None and self.labels.ndim not in (1, 2):
            raise TaskError(f"labels must be (N,) or (N, K), not {self.labels.shape}")
        form = self.form
        sizes = {"H": self.images.shape[1], "W": self.images.shape[2], "K": len(self.class_names)}
        sizes["P"] = OBJECT_COLUMNS + KEYPOINT_COLUMNS * len(self.keypoint_names)
        if form.keypoints != bool(self.keypoint_names):
            raise TaskError(f"{self.label_kind} labels with {len(self.keypoint_names)} keypoint names; see ArraySet")
        found = self.labels.shape[1:]
        fits = len(found) == len(form.shape) and all(
            size == (int(letter) if letter.isdigit() else sizes.get(letter, size))
            for size, letter in zip(found, form.shape, strict=True)
        )
        if form.shape == "K" and not fits:
            raise TaskError(f"labels have {found[-1]} classes but {len(self.class_names)} class names are given")
        if not fits or not np.issubdtype(self.labels.dtype, form.element):
            raise TaskError(f"{self.label_kind} labels are {self.labels.dtype} {self.labels.shape}; see ArraySet")

    def _check_classes(self) -> None:
        form, known = self.form, len(self.class_names)
        # Maps are read from disk lazily: their classes are checked where they are made.
        if not form.class_numbers or (form.is_map and isinstance(self.labels, np.memmap)):
            return
        classes = form.telling(self.labels)
        shown = classes if form.one_class else classes[classes != form.nothing]
        if form.is_rows:
            shown = np.where(shown <= CROWD, CROWD - shown, shown)
        if shown.size and (shown.min() < 0 or shown.max() >= known):
            low, high = int(shown.min()), int(shown.max())
            raise TaskError(f"class indices run from {low} to {high}, outside 0..{known - 1}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def label_kind(self) -> LabelKind:
        """`kind`, or what the shape tells: `class_index` for (N,) labels, `class_set` for (N, K)."""
        return self.kind or ("class_index" if self.labels.ndim == 1 else "class_set")

    @property
    def form(self) -> LabelForm:
        """What is known of its kind of label."""
        return FORMS[self.label_kind]

    def drop_pages(self) -> None:
        """Give back the memory that the pages of memory maps take: an epoch would end with all of them there."""
        for array in (self.images, self.labels):
            drop_pages(array)

    def take(self, indices: np.ndarray) -> ArraySet:
        """The images at `indices` (int, (M,)), copied into memory in that order."""
        content = None if self.content is None else self.content[indices]
        names = self.class_names, self.kind, self.keypoint_names
        return ArraySet(self.images[indices], self.labels[indices], *names, content)


def joined(first: ArraySet, second: ArraySet) -> ArraySet:
    """The images of two sets of the same classes, kind of label and size, one after the other, copied into memory."""
    images, labels = np.concatenate([first.images, second.images]), [first.labels, second.labels]
    if first.form.is_rows:
        most = max(each.shape[1] for each in labels)
        spare = [((0, 0), (0, most - each.shape[1]), (0, 0)) for each in labels]
        labels = [np.pad(each, room, constant_values=NO_BOX) for each, room in zip(labels, spare, strict=True)]
    content = None
    if first.content is not None or second.content is not None:
        height, width = images.shape[1:3]
        whole = [np.full((len(each), 2), (width, height), np.float32) for each in (first, second)]
        known = [first.content, second.content]
        content = np.concatenate([w if c is None else c for w, c in zip(whole, known, strict=True)])
    return ArraySet(images, np.concatenate(labels), first.class_names, first.kind, first.keypoint_names, content)


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task without loading it, and so without torch.

    home: the module that has it in its table TASKS. label_kind: the labels that it learns from. needs: what the
    backbone must have for it. dilated: whether the backbone is to keep its last maps fine, by dilation, where it can
    (DeepLabV3).
    """

    name: str
    home: str
    label_kind: LabelKind
    needs: Needs = "maps"
    dilated: bool = False


# a new task is one line here and one record in its home
_FACTS = {
    known.name: known
    for known in (
        TaskFacts("mulclass", "tasks.classification", "class_set"),
        TaskFacts("sinclass", "tasks.classification", "class_index"),
        TaskFacts("objdet", "tasks.detection", "boxes", needs="pyramid"),
        TaskFacts("insseg", "tasks.detection", "instances", needs="pyramid"),
        TaskFacts("semseg", "tasks.segmentation", "semantic", dilated=True),
        TaskFacts("normal", "tasks.geometry", "normals", dilated=True),
        TaskFacts("depth", "tasks.geometry", "depth", dilated=True),
        TaskFacts("keypoint", "tasks.keypoints", "keypoints", needs="pyramid"),
    )
}


def network_of(backbone: str) -> str:
    """The network of a backbone's name, which is NETWORK, or NETWORK@WEIGHTS where it begins with known weights."""
    return backbone.partition("@")[0]


def weights_of(backbone: str) -> str | None:
    """Under which name a backbone's weights are given; None where they are drawn."""
    return backbone.partition("@")[2] or None


def task_names() -> tuple[str, ...]:
    """All known task names, in alphabetical order."""
    return tuple(sorted(_FACTS))


def task_facts(name: str) -> TaskFacts:
    """What is known of the task called `name`; TaskError (a ValueError) listing the known names for another."""
    if name not in _FACTS:
        raise TaskError(f"unknown task {name!r}; known tasks: {', '.join(task_names())}")
    return _FACTS[name]


def _whole_batch(predictions: Tensor, labels: Tensor) -> Evidence:
    return predictions.cpu(), labels.cpu()


def mean_over_classes(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Means (R,) of values (R, K) over the classes that are there, bool (R, K); nan where none is."""
    total, count = np.where(there, values, 0.0).sum(axis=1), there.sum(axis=1)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


@dataclass(frozen=True)
class Task:
    """What is learnt, as plain functions.

    head(channels, outputs), with keypoint labels head(channels, outputs, keypoints): a module called as head(stage
    maps, (height, width) of the images, labels), channels = width of each stage. In training it gets the batch's labels
    and may return anything that `loss` takes, for example losses that it computed itself; in evaluation labels are None
    and it returns one tensor.
    loss(predictions, labels): scalar tensor to minimise.
    weighted(evidence, weights): score in [0, 1], higher is better, float64 (R,), from the evidence of the batches of a
    whole set of N images: once for each row of the weights >= 0, float64 (R, N), where an image of weight w counts as w
    images do. nan where the score is undefined under a row; TaskError where it is so whatever the weights.
    evidence(predictions, labels): what the score needs of one batch, on the CPU, each tensor with one entry an image;
    both as they are unless it is given.
    scores(evidence): for a score that is a mean over images, what each image adds, (N,), bool where it is right or not.
    valid(labels): the share, in [0, 1], of a batch that its loss is the mean over, for a loss that leaves some out, so
    that parts of a batch are weighed by what they hold; without it they are weighed by their images.
    """

    facts: TaskFacts
    metric_name: str
    head: Callable[..., nn.Module]
    loss: Callable[[Any, Tensor], Tensor]
    weighted: Callable[[Sequence[Evidence], np.ndarray], np.ndarray]
    evidence: Callable[[Tensor, Tensor], Evidence] = _whole_batch
    valid: Callable[[Tensor], Tensor] | None = None
    scores: Callable[[Sequence[Evidence]], np.ndarray] | None = None

    @property
    def name(self) -> str:
        """The task's name."""
        return self.facts.name

    @property
    def label_kind(self) -> LabelKind:
        """The labels that it learns from."""
        return self.facts.label_kind

    def metric(self, evidence: Iterable[Evidence]) -> float:
        """The score of a whole set, in [0, 1], every image counting once; TaskError where it is undefined."""
        batches = list(evidence)
        images = sum(len(first) for first, *_ in batches)
        return float(self.weighted(batches, np.ones((1, images)))[0])

    def check(self, data: ArraySet) -> None:
        """Raise TaskError unless `data` is a non-empty set with this task's kind of labels."""
        if not len(data):
            raise TaskError(f"{self.name}: the data set is empty")
        if data.label_kind != self.label_kind:
            raise TaskError(f"{self.name} needs {self.label_kind} labels, the data set has {data.label_kind}")


def task(name: str) -> Task:
    """The task called `name`, which loads torch; TaskError (a ValueError) listing the known names otherwise."""
    found: Task = importlib.import_module(task_facts(name).home).TASKS[name]
    return found
