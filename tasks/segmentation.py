"""`semseg`: the class of every pixel, by DeepLabV3 (Chen et al. 2017), scored by mIoU; the background is a class.

Appendix A of the paper: cross entropy, and half of that of an auxiliary FCN head on the third stage. Behind a backbone
that is narrower than DeepLab's own 256, its head is half as wide as that.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.base import Evidence, Task, TaskError, mean_over_classes, task_facts
from tasks.label_forms import IGNORED

# of the loss of the auxiliary head, beside that of the main one
_AUXILIARY_WEIGHT = 0.5
# torchvision's, for a map of this side: an image of 480 px, read at an 8th
_HEAD_WIDTH, _ATROUS_RATES = 256, (12, 24, 36)
_MADE_FOR_SIDE = 60
# less than any pixel's weight: a class without pixels divides by it and is left out
_NOTHING = 1e-300


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, h, w) at `size` (height, width), bilinear, in 32 bits."""
    return functional.interpolate(maps.float(), size=size, mode="bilinear", align_corners=False)


def atrous_rates(side: int) -> tuple[int, ...]:
    """DeepLab's rates for a map whose shorter side is `side`: 12, 24, 36 from 60 on, in proportion below, at least 1.

    A rate of the map's side or more reads nothing but the padding around it. The method's authors halve the rates
    with the map, too.
    """
    share = min(1.0, side / _MADE_FOR_SIDE)
    return tuple(max(1, round(share * rate)) for rate in _ATROUS_RATES)


class DeepLab(nn.Module):
    """DeepLabV3's head on the last stage map, and for training alone an FCN head on the third.

    Its atrous rates follow the size of the map at hand. auxiliary_at_map: whether the auxiliary head's answers stay at
    the size of its map; they are resized to the images otherwise.
    """

    auxiliary_at_map = False

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        from torchvision.models.segmentation.fcn import FCNHead

        self.main = _deeplab_head(channels[-1], outputs)
        self.auxiliary = FCNHead(channels[-2], outputs)

    def forward(
        self, stages: Sequence[Tensor], size: tuple[int, int], labels: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Maps (B, outputs, H, W) of the images' size; in training the auxiliary head's beside them."""
        self._fit_to(int(min(stages[-1].shape[-2:])))
        main = resize(self.main(stages[-1]), size)
        if self.training:
            auxiliary = self.auxiliary(stages[-2]).float()
            return main, auxiliary if self.auxiliary_at_map else resize(auxiliary, size)
        return main

    def _fit_to(self, side: int) -> None:
        aspp: Any = self.main[0]
        # before these stands a 1x1 convolution, behind them the pooling
        for branch, rate in zip(aspp.convs[1:-1], atrous_rates(side), strict=True):
            branch[0].dilation = branch[0].padding = (rate, rate)


def _deeplab_head(before: int, outputs: int) -> nn.Sequential:
    from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabHead

    if before >= _HEAD_WIDTH:
        return DeepLabHead(before, outputs, _ATROUS_RATES)
    # as wide as the backbone's maps it would take as long as the backbone itself
    width = before // 2
    return nn.Sequential(
        ASPP(before, _ATROUS_RATES, width),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, outputs, 1),
    )


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the pixels that count; 0 where none does."""
    return _total(logits, labels.long()) / _pixels(labels)


def _total(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")


def _pixels(labels: Tensor) -> Tensor:
    return (labels != IGNORED).sum().clamp(min=1)


def _valid(labels: Tensor) -> Tensor:
    return (labels != IGNORED).float().mean()


def _loss(predictions: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    """As `with_auxiliary` has it."""
    main, auxiliary = predictions
    at_map = _middles(labels, auxiliary.shape[-2:]).long()
    # over the images' pixels for both heads: then the loss of a batch is the sum of its parts', weighed by `_valid`
    cell = labels.numel() / at_map.numel()
    return _cross_entropy(main, labels) + _AUXILIARY_WEIGHT * cell * _total(auxiliary, at_map) / _pixels(labels)


def _middles(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Labels (B, H, W, ...) at the middles of the cells of a map of this size."""
    if tuple(size) == tuple(labels.shape[1:3]):
        return labels
    rows, columns = (
        ((torch.arange(there, device=labels.device) + 0.5) * (full / there)).long()
        for there, full in zip(size, labels.shape[1:3], strict=True)
    )
    return labels[:, rows[:, None], columns]


def with_auxiliary(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[tuple[Tensor, Tensor], Tensor], Tensor]:
    """The loss of the main head's maps, and half of that of the auxiliary head's (appendix A of the paper).

    The auxiliary head is judged at the size that its answers have.
    """

    def of_both(predictions: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
        main, auxiliary = predictions
        return loss(main, labels) + _AUXILIARY_WEIGHT * loss(auxiliary, _middles(labels, auxiliary.shape[-2:]))

    return of_both


def _areas(logits: Tensor, labels: Tensor) -> Evidence:
    """Pixels of each image's intersection and union with each class, int64 (B, K) each, of logits (B, K, H, W)."""
    chosen, truth, classes = logits.argmax(dim=1), labels.long(), logits.shape[1]
    counts = truth != IGNORED
    first = classes * torch.arange(len(labels), device=labels.device).view(-1, 1, 1)

    def pixels(found: Tensor, where: Tensor) -> Tensor:
        return torch.bincount((first + found)[where], minlength=len(labels) * classes).view(-1, classes)

    both = pixels(truth, counts & (chosen == truth))
    return both.cpu(), (pixels(truth, counts) + pixels(chosen, counts) - both).cpu()


def mean_iou(batches: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """Mean over classes of intersection / union, in [0, 1], from pixels of both, (B, K) each; see `Task.weighted`.

    A class that neither is there nor is predicted takes no part. TaskError where no pixel counts.
    """
    both, either = (weights @ torch.cat(areas).double().numpy() for areas in zip(*batches, strict=True))
    if not any(union.any() for _, union in batches):
        raise TaskError("semseg: no pixel of the evaluation set has a class, so mIoU is undefined")
    return mean_over_classes(both / np.maximum(either, _NOTHING), either > 0)


TASKS = {"semseg": Task(task_facts("semseg"), "mIoU", DeepLab, _loss, mean_iou, _areas, valid=_valid)}
