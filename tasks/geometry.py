"""`normal` and `depth`: the shape of what is seen, by DeepLabV3 with 3 outputs and 1.

`normal`, appendix A of the paper: the mean of 1 - n.n' over the pixels that have a normal, after L2 normalisation. Its
error is the mean angle between n and n' over 180 degrees, so that it lies in [0, 1]; directions drawn blindly give 0.5.
`depth` predicts its logarithm, mean absolute difference; its metric is the share of pixels within a factor of 1.25
(the delta-1 of Eigen et al. 2014).
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.base import Task, TaskError, task_facts
from tasks.segmentation import DeepLab

_CLOSE_FACTOR = 1.25


def _head(channels: Sequence[int], outputs: int) -> nn.Module:
    return DeepLab(channels, outputs, auxiliary=False)


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


def _angles(predictions: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """Sum of a batch's angles in radians, and of how many pixels."""
    cosines, valid = _cosines(predictions, labels)
    angles = cosines.double().clamp(-1, 1).acos()
    return (angles * valid).sum().cpu(), valid.sum().cpu()


def _share(batches: Iterable[tuple[Tensor, ...]], task: str) -> float:
    totals, counts = zip(*batches, strict=True)
    counted = int(torch.stack(counts).sum())
    if not counted:
        raise TaskError(f"{task}: no pixel of the evaluation set has a label, so the metric is undefined")
    return float(torch.stack(totals).double().sum()) / counted


def angular_agreement(batches: Iterable[tuple[Tensor, ...]]) -> float:
    """1 - mean angle / 180 degrees, in [0, 1], from sums of angles in radians and counts of pixels."""
    return 1 - _share(batches, "normal") / math.pi


def _valid_depths(labels: Tensor) -> Tensor:
    return (labels > 0).float().mean()


def _log_differences(predictions: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """|log d - log d'| of every pixel (B, H, W), and which pixels have a depth."""
    valid = labels > 0
    return (predictions[:, 0] - torch.where(valid, labels, 1.0).log()).abs(), valid


def _depth_loss(predictions: Tensor, labels: Tensor) -> Tensor:
    away, valid = _log_differences(predictions, labels)
    return _mean((away * valid).sum(), valid.sum())


def _within(predictions: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """How many of a batch's pixels are within the factor, and of how many."""
    away, valid = _log_differences(predictions, labels)
    return ((away < math.log(_CLOSE_FACTOR)) & valid).sum().cpu(), valid.sum().cpu()


def close_share(batches: Iterable[tuple[Tensor, ...]]) -> float:
    """Share of pixels whose depth is within a factor of 1.25, in [0, 1], from counts."""
    return _share(batches, "depth")


TASKS = {
    "normal": Task(
        task_facts("normal"),
        "1 - angle / 180 deg",
        _head,
        _normal_loss,
        angular_agreement,
        _angles,
        valid=_valid_normals,
    ),
    "depth": Task(task_facts("depth"), "delta-1", _head, _depth_loss, close_share, _within, valid=_valid_depths),
}
