"""Classification: `mulclass` (which classes are in the image) and `sinclass` (which one class it is).

Section 4 and appendix A of the paper: pre-training on `mulclass` with binary cross entropy, scored by mAP;
fine-tuning on `sinclass` with cross entropy, scored by top-1 accuracy. The error of a run is 1 - metric.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.average_precision import ranked_precision
from tasks.base import Evidence, Task, TaskError, mean_over_classes, task_facts


class PooledLinear(nn.Module):
    """Global average pooling of the last stage map and one linear layer: stage maps -> (B, outputs) logits."""

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels[-1], outputs)

    def forward(self, stages: Sequence[Tensor], size: tuple[int, int], labels: Tensor | None = None) -> Tensor:
        """Logits (B, outputs) from stage maps of which the last is (B, C, h, w)."""
        logits: Tensor = self.linear(stages[-1].mean(dim=(2, 3)))
        return logits


def _stack(batches: Sequence[Evidence]) -> tuple[Tensor, Tensor]:
    logits, labels = zip(*batches, strict=True)
    return torch.cat(logits).float(), torch.cat(labels)


def mean_average_precision(batches: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """Macro mAP over the classes that an image shows, in [0, 1]; logits and class sets (B, K); see `Task.weighted`.

    A class that no image shows has no recall, so it takes no part. TaskError where no class is present at all,
    FloatingPointError where a logit is not finite.
    """
    # logits rank as their probabilities do, which in 32 bits are all 1 for sure answers
    logits, labels = _stack(batches)
    shown = labels.numpy() > 0
    if not shown.any():
        raise TaskError("mulclass: no image of the evaluation set shows any class, so mAP is undefined")
    if not torch.isfinite(logits).all():
        raise FloatingPointError("mulclass: a logit is not finite, so mAP is undefined; lower the learning rate")
    of_classes = [ranked_precision(*of_class, weights) for of_class in zip(logits.numpy().T, shown.T, strict=True)]
    return mean_over_classes(np.stack(of_classes, axis=1), weights @ shown > 0)


def right_answers(batches: Sequence[Evidence]) -> np.ndarray:
    """Whether each image's largest logit (B, K) is at the right class index (B,); bool (N,)."""
    logits, labels = _stack(batches)
    return (logits.argmax(dim=1) == labels).numpy()


def top1(batches: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """Share of images with the right answer, in [0, 1]; see `Task.weighted`."""
    share: np.ndarray = weights @ right_answers(batches) / weights.sum(axis=1)
    return share


def _class_set_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits.float(), labels.float())


def _class_index_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), labels)


TASKS = {
    "mulclass": Task(task_facts("mulclass"), "mAP", PooledLinear, _class_set_loss, mean_average_precision),
    "sinclass": Task(task_facts("sinclass"), "top-1", PooledLinear, _class_index_loss, top1, scores=right_answers),
}
