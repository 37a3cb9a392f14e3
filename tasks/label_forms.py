"""The kinds of label: how the labels of one image look, and what the code needs to know of each kind."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

LabelKind = Literal["class_index", "class_set", "boxes", "instances", "semantic", "normals", "depth", "keypoints"]

# The class number of a pixel that counts neither for nor against, and of the rows that pad a list of boxes.
IGNORED = 255
NO_BOX = -1
# A crowd outlines many objects at once (COCO): nothing is learnt from it, and a detection on it counts neither way.
# Class k is CROWD - k in the row of a crowd; in a map of instances the number of a crowd is below 0.
CROWD = -2
# of a row of keypoint labels: the object's own numbers, then those of each keypoint (tasks/data/keypoint_labels.py)
OBJECT_COLUMNS, KEYPOINT_COLUMNS = 6, 4


@dataclass(frozen=True)
class LabelForm:
    """What is known of a kind of label.

    element: type of its numbers. shape: of one image's label, a character an axis: a digit stands for its own size, H,
    W and K for those of the image and of the list of class names, P for the numbers of an object with its keypoints, M
    for any size. nothing: the number that stands where nothing is labelled. by_first: whether the first number of a row
    or pixel says whether and what it is, instead of each number itself. class_numbers: whether what says so is a class.
    outside: for a map, what a pixel beyond the image gets; None for labels that are no map. directions: whether a
    mirror turns their x. distances: whether a zoom divides them. keypoints: whether objects have keypoints. outputs:
    what a model's outputs stand for, where not for classes.
    """

    element: type
    shape: str
    nothing: int = 0
    by_first: bool = False
    class_numbers: bool = False
    outside: int | None = None
    directions: bool = False
    distances: bool = False
    keypoints: bool = False
    outputs: tuple[str, ...] = ()

    @property
    def is_map(self) -> bool:
        """Whether every pixel has a label, which goes where the pixel goes."""
        return self.outside is not None

    @property
    def is_rows(self) -> bool:
        """Whether objects are rows that begin with class, x0, y0, x1, y1, padded with rows of `nothing`."""
        return self.shape.startswith("M")

    @property
    def one_class(self) -> bool:
        """Whether an image has one class and no other label."""
        return self.shape == ""

    @property
    def channels(self) -> tuple[int, ...]:
        """Sizes of the axes behind height and width of a map."""
        return tuple(int(axis) for axis in self.shape if axis.isdigit())

    def telling(self, labels: np.ndarray) -> np.ndarray:
        """The numbers of labels (..., by shape) that say what is there, and `nothing` where nothing is."""
        return labels[..., 0] if self.by_first else labels

    def counting(self, labels: np.ndarray) -> np.ndarray:
        """Where labels (..., by shape) say of something that counts, bool: neither nothing nor a crowd."""
        telling = self.telling(labels)
        return telling > self.nothing if self.by_first else telling != self.nothing


FORMS: dict[LabelKind, LabelForm] = {
    "class_index": LabelForm(np.integer, "", class_numbers=True),
    "class_set": LabelForm(np.uint8, "K"),
    "boxes": LabelForm(np.float32, "M5", nothing=NO_BOX, by_first=True, class_numbers=True),
    "instances": LabelForm(np.integer, "HW2", by_first=True, outside=0),
    "semantic": LabelForm(np.uint8, "HW", nothing=IGNORED, class_numbers=True, outside=IGNORED),
    "normals": LabelForm(np.float16, "HW3", outside=0, directions=True, outputs=("x", "y", "z")),
    "depth": LabelForm(np.float32, "HW", outside=0, distances=True, outputs=("log depth",)),
    "keypoints": LabelForm(np.float32, "MP", nothing=NO_BOX, by_first=True, class_numbers=True, keypoints=True),
}
