"""What every task is made of: labelled arrays, and a task as a record of plain functions.

This file imports no torch at run time, so that a renderer's process may read the vocabulary without loading it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

LabelKind = Literal["class_index", "class_set"]

# name -> the module that defines it in its TASKS table; a new task is one line here and one record there
_HOMES = {"mulclass": "tasks.classification", "sinclass": "tasks.classification"}


class TaskError(ValueError):
    """Input to a task that cannot work; the message is one line: what, where, what to do."""


@dataclass(frozen=True, eq=False)
class ArraySet:
    """Labelled images in memory or in a memory map.

    images: uint8 (N, H, W, 3). labels: int64 (N,) class indices ("class_index") or uint8 (N, K) with a 1 for each
    class in the image ("class_set"). class_names: K names. Raises TaskError where these do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            raise TaskError(f"images must be uint8 (N, H, W, 3), not {self.images.dtype} {self.images.shape}")
        if len(self.images) != len(self.labels):
            raise TaskError(f"{len(self.images)} images but {len(self.labels)} labels")
        if self.labels.ndim not in (1, 2):
            raise TaskError(f"labels must be (N,) or (N, K), not {self.labels.shape}")
        self._check_classes()

    def _check_classes(self) -> None:
        known = len(self.class_names)
        if self.labels.ndim == 2 and self.labels.shape[1] != known:
            raise TaskError(f"labels have {self.labels.shape[1]} classes but {known} class names are given")
        if self.labels.ndim == 1 and len(self.labels):
            low, high = int(self.labels.min()), int(self.labels.max())
            if low < 0 or high >= known:
                raise TaskError(f"class indices run from {low} to {high}, outside 0..{known - 1}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def label_kind(self) -> LabelKind:
        """`class_index` for (N,) labels, `class_set` for (N, K)."""
        return "class_index" if self.labels.ndim == 1 else "class_set"

    def take(self, indices: np.ndarray) -> ArraySet:
        """The images at `indices` (int, (M,)), copied into memory in that order."""
        return ArraySet(self.images[indices], self.labels[indices], self.class_names)


@dataclass(frozen=True)
class Task:
    """What is learnt, as plain functions.

    head(channels, outputs): a module from the backbone's stage maps to predictions; channels = width of each stage.
    loss(predictions, labels): scalar tensor to minimise.
    metric(batches): score in [0, 1], higher is better, from (predictions, labels) pairs covering a whole set.
    """

    name: str
    label_kind: LabelKind
    metric_name: str
    head: Callable[[Sequence[int], int], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    metric: Callable[[Iterable[tuple[Tensor, Tensor]]], float]

    def check(self, data: ArraySet) -> None:
        """Raise TaskError unless `data` is a non-empty set with this task's kind of labels."""
        if not len(data):
            raise TaskError(f"{self.name}: the data set is empty")
        if data.label_kind != self.label_kind:
            raise TaskError(f"{self.name} needs {self.label_kind} labels, the data set has {data.label_kind}")


def task_names() -> tuple[str, ...]:
    """All known task names, in alphabetical order."""
    return tuple(sorted(_HOMES))


def task(name: str) -> Task:
    """The task called `name`; TaskError (a ValueError) listing the known names otherwise."""
    if name not in _HOMES:
        raise TaskError(f"unknown task {name!r}; known tasks: {', '.join(task_names())}")
    found: Task = importlib.import_module(_HOMES[name]).TASKS[name]
    return found
