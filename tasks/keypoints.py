"""`keypoint`: Keypoint R-CNN on a feature pyramid (He 2017), COCO's AP by object keypoint similarity (OKS).

The parts are torchvision's. Keypoints are found in a heat map of each region, the same ones for objects of every class.
OKS of a detection and an object is the mean over the labelled keypoints of exp(-d^2 / (2 area (2 sigma)^2)), d their
distance in px (cocodataset.org/#keypoints-eval); it takes the place of a box's IoU in AP. Hidden keypoints count as
visible ones do.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from tasks.average_precision import coco_precision
from tasks.base import Evidence, Task, TaskError, task_facts
from tasks.detection import (
    BOX_FIELDS,
    RegionHead,
    Target,
    box_heads,
    crowds_as_objects,
    images_of,
    pyramid_width,
    sum_of_losses,
)
from tasks.label_forms import KEYPOINT_COLUMNS, OBJECT_COLUMNS

# torchvision's head; behind a narrow backbone it would be nearly all of the work
_HEAD_LAYERS, _WIDEST_LAYER = 8, 512
# as many as COCO's evaluator looks at
_DETECTIONS = 20


def keypoint_target(label: Tensor) -> Target:
    """Boxes (M, 4), classes from 1 (M,) and keypoints (M, K, 3) of padded rows (M', 6 + 4 K), without crowds."""
    rows = label[label[:, 0] >= 0].float()
    return {"boxes": rows[:, 1:5], "labels": rows[:, 0].long() + 1, "keypoints": _keypoints(rows)[..., :3]}


def _keypoints(rows: Tensor) -> Tensor:
    """x, y, visibility and sigma of each keypoint, (..., K, 4)."""
    return rows[..., OBJECT_COLUMNS:].unflatten(-1, (-1, KEYPOINT_COLUMNS))


class _Contiguous(nn.Module):
    """torchvision's keypoint loss views heat maps as rows, which channels-last ones refuse."""

    def forward(self, maps: Tensor) -> Tensor:
        """The same maps (R, K, H, W), channels first in memory."""
        return maps.contiguous()


def _keypoint_rcnn(channels: Sequence[int], outputs: int, keypoints: int) -> nn.Module:
    from torchvision.models.detection.keypoint_rcnn import KeypointRCNN, KeypointRCNNHeads, KeypointRCNNPredictor

    width = min(_WIDEST_LAYER, channels[-1])
    network = partial(
        KeypointRCNN,
        **box_heads(channels, outputs),
        keypoint_head=KeypointRCNNHeads(pyramid_width(channels), (width,) * _HEAD_LAYERS),
        keypoint_predictor=nn.Sequential(KeypointRCNNPredictor(width, keypoints), _Contiguous()),
        box_detections_per_img=_DETECTIONS,
    )
    return RegionHead(channels, network, keypoint_target, "keypoints")


def _objects(rows: Tensor, image: int, is_crowd: int) -> list[dict[str, Any]]:
    """One image's objects as COCO annotations."""
    there = rows[rows[:, 0] >= 0].double()
    return [
        {
            "image_id": image,
            "category_id": int(row[0]),
            "bbox": [float(row[1]), float(row[2]), float(row[3] - row[1]), float(row[4] - row[2])],
            "area": float(row[5]),
            "iscrowd": is_crowd,
            "keypoints": points[:, :3].flatten().tolist(),
            "num_keypoints": int((points[:, 2] > 0).sum()),
        }
        for row, points in zip(there, _keypoints(there), strict=True)
    ]


def _results(rows: Tensor, image: int) -> list[dict[str, Any]]:
    """One image's detections as COCO results."""
    return [
        {
            "image_id": image,
            "category_id": int(row[0]),
            "score": float(row[1]),
            "keypoints": row[BOX_FIELDS:].tolist(),
        }
        for row in rows.double()
    ]


def keypoint_precision(batches: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """COCO keypoint AP in [0, 1], the mean over OKS 0.50 to 0.95 and the classes that are there; see `Task.weighted`.

    From detections (B, D, 6 + 3 K) and labels (B, M, 6 + 4 K). Crowds and objects without a labelled keypoint count
    neither for nor against, nor do detections within twice their boxes. Raises TaskError where no object has one.
    """
    objects: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    sigmas: np.ndarray | None = None
    for image, rows, label in images_of(batches):
        there = [*_objects(label, image, 0), *_objects(crowds_as_objects(label), image, 1)]
        if there and sigmas is None:
            sigmas = _keypoints(label)[0, :, 3].double().numpy()
        objects += there
        results += _results(rows, image)
    if not any(each["num_keypoints"] and not each["iscrowd"] for each in objects):
        raise TaskError("no image of the evaluation set shows any object with a keypoint, so keypoint AP is undefined")
    return coco_precision("keypoints", objects, results, weights, sigmas=sigmas)


TASKS = {"keypoint": Task(task_facts("keypoint"), "keypoint AP", _keypoint_rcnn, sum_of_losses, keypoint_precision)}
