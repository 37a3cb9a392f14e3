"""`normal` and `depth`: the shape of what is seen, by DeepLabV3 with 3 outputs and 1.

`normal`, appendix A of the paper: the mean of 1 - n.n' over the pixels that have a normal, after L2 normalisation. Its
error is the mean angle between n and n' over 180 degrees, so that it lies in [0, 1]; directions drawn blindly give 0.5.
`depth` predicts its logarithm, mean absolute difference; its metric is the share of pixels within a factor of 1.25
(the delta-1 of Eigen et al. 2014). Both have the auxiliary head of `semseg`.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tasks.base import Evidence, Task, TaskError, task_facts
from tasks.segmentation import DeepLab, with_auxiliary

_CLOSE_FACTOR = 1.25


def _mean(total: Tensor, counted: Tensor) -> Tensor:
    """0 where nothing counts."""
    return total / counted.clamp(min=1)


def _cosines(predictions: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """n.n' of every pixel (B, H, W), and which pixels have a normal."""
    truth = labels.float().permute(0, 3, 1, 2)
    cosines = (functional.normalize(predictions, dim=1) * functional.normalize(truth, dim=1)).sum(dim=1)
    return cosines, labels.any(dim=-1)


def _valid_normals(labels: Tensor) -> Tensor:
    return labels.any(dim=-1).float().mean()


def _normal_loss(predictions: Tensor, labels: Tensor) -> Tensor:
    cosines, valid = _cosines(predictions, labels)
    return _mean(((1 - cosines) * valid).sum(), valid.sum())


def _angles(predictions: Tensor, labels: Tensor) -> Evidence:
    """Sums of each image's angles in radians (B,), and over how many pixels (B,)."""
    cosines, valid = _cosines(predictions, labels)
    angles = cosines.double().clamp(-1, 1).acos()
    return (angles * valid).sum(dim=(1, 2)).cpu(), valid.sum(dim=(1, 2)).cpu()


def _mean_over_pixels(batches: Sequence[Evidence], weights: np.ndarray, task: str) -> np.ndarray:
    totals, counts = (weights @ torch.cat(of_images).double().numpy() for of_images in zip(*batches, strict=True))
    if not any(counted.any() for _, counted in batches):
        raise TaskError(f"{task}: no pixel of the evaluation set has a label, so the metric is undefined")
    return np.divide(totals, counts, out=np.full(len(weights), np.nan), where=counts > 0)


def angular_agreement(batches: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """1 - mean angle / 180 degrees, in [0, 1], from sums of angles and counts of pixels; see `Task.weighted`."""
    return 1 - _mean_over_pixels(batches, weights, "normal") / math.pi


def _valid_depths(labels: Tensor) -> Tensor:
    return (labels > 0).float().mean()


def _log_differences(predictions: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """|log d - log d'| of every pixel (B, H, W), and which pixels have a depth."""
    valid = labels > 0
    return (predictions[:, 0] - torch.where(valid, labels, 1.0).log()).abs(), valid


def _depth_loss(predictions: Tensor, labels: Tensor) -> Tensor:
    away, valid = _log_differences(predictions, labels)
    return _mean((away * valid).sum(), valid.sum())


def _within(predictions: Tensor, labels: Tensor) -> Evidence:
    """How many of each image's pixels are within the factor (B,), and of how many (B,)."""
    away, valid = _log_differences(predictions, labels)
    close = (away < math.log(_CLOSE_FACTOR)) & valid
    return close.sum(dim=(1, 2)).cpu(), valid.sum(dim=(1, 2)).cpu()


def close_share(batches: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """Share of pixels whose depth is within a factor of 1.25, in [0, 1], from counts; see `Task.weighted`."""
    return _mean_over_pixels(batches, weights, "depth")


TASKS = {
    "normal": Task(
        task_facts("normal"),
        "1 - angle / 180 deg",
        DeepLab,
        with_auxiliary(_normal_loss),
        angular_agreement,
        _angles,
        valid=_valid_normals,
    ),
    "depth": Task(
        task_facts("depth"),
        "delta-1",
        DeepLab,
        with_auxiliary(_depth_loss),
        close_share,
        _within,
        valid=_valid_depths,
    ),
}
