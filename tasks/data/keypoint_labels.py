"""The form of keypoint labels, what mirrors them, and how far off a keypoint may be.

A label is a row of numbers an object: class, x0, y0, x1, y1 in px, area in px^2 (the scale of OKS), and for each
keypoint x, y in px, visibility as COCO has it (0 = not labelled, 1 = hidden, 2 = visible) and its sigma in OKS. A row
carries the sigmas because the metric sees labels alone, and sets of keypoints differ in them.
"""

import re
from collections.abc import Sequence

import numpy as np

from tasks.base import TaskError
from tasks.label_forms import KEYPOINT_COLUMNS, NO_BOX, OBJECT_COLUMNS
from tasks.recipes.recipe import Recipe

# COCO's 17 keypoints of a person and their sigmas (cocodataset.org/#keypoints-eval; pycocotools, Params.setKpParams)
_OF_EACH_SIDE = {
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
PERSON = {"nose": 0.026} | {f"{side}_{part}": s for part, s in _OF_EACH_SIDE.items() for side in ("left", "right")}
# of every other set: nobody has measured how well people agree on them
OTHER_SIGMA = 0.05

_SIDES = {"left": "right", "right": "left"}


def sigmas_of(names: Sequence[str]) -> np.ndarray:
    """OKS's sigma of each keypoint, float32 (K,): COCO's for its 17 of a person, else 0.05."""
    if tuple(names) == tuple(PERSON):
        return np.array(list(PERSON.values()), np.float32)
    return np.full(len(names), OTHER_SIGMA, np.float32)


def rows_of(
    classes: np.ndarray, boxes: np.ndarray, areas: np.ndarray, points: np.ndarray, names: Sequence[str]
) -> np.ndarray:
    """Label rows float32 (M, 6 + 4 K) from classes (M,), boxes (M, 4), areas (M,) and points (M, K, 3)."""
    sigmas = np.broadcast_to(sigmas_of(names), points.shape[:2])
    keypoints = np.concatenate([points, sigmas[..., None]], axis=-1).reshape(len(points), -1)
    return np.column_stack([classes, boxes, areas, keypoints]).astype(np.float32)


def padding(images: int, most: int, keypoints: int) -> np.ndarray:
    """float32 (images, most, 6 + 4 keypoints) of rows that are no object."""
    return np.full((images, most, OBJECT_COLUMNS + KEYPOINT_COLUMNS * keypoints), NO_BOX, np.float32)


def mirrored_order(names: Sequence[str]) -> list[int] | None:
    """Which keypoint stands in the place of each in a mirrored image: left_X and right_X change places, others stay.

    None where the names do not tell: one side lacks the other, or no name has a side. Then the set is not mirrored: the
    mirror image of an object's 3D box, for example, is in general the box of another object.
    """
    partners = [re.sub(r"(?<![a-z])(left|right)(?![a-z])", lambda side: _SIDES[side[0]], name) for name in names]
    if partners == list(names) or not set(partners) <= set(names):
        return None
    return [list(names).index(partner) for partner in partners]


def check_flip(recipe: Recipe, names: Sequence[str]) -> None:
    """TaskError where a recipe mirrors images whose keypoints have no known mirror image."""
    if "flip" in recipe.augment and mirrored_order(names) is None:
        raise TaskError(
            f"recipe: augment has flip, and nothing says which of the keypoints {', '.join(names)} change places in a "
            "mirrored image; leave flip out, or name the pairs left_X and right_X"
        )
