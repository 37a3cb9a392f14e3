"""Classification: `mulclass` (which classes are in the image) and `sinclass` (which one class it is).

Section 4 and appendix A of the paper: pre-training on `mulclass` with binary cross entropy, scored by mAP;
fine-tuning on `sinclass` with cross entropy, scored by top-1 accuracy. The error of a run is 1 - metric.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.base import Task, TaskError, task_facts


class PooledLinear(nn.Module):
    """Global average pooling of the last stage map and one linear layer: stage maps -> (B, outputs) logits."""

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels[-1], outputs)

    def forward(self, stages: Sequence[Tensor], size: tuple[int, int], labels: Tensor | None = None) -> Tensor:
        """Logits (B, outputs) from stage maps of which the last is (B, C, h, w)."""
        logits: Tensor = self.linear(stages[-1].mean(dim=(2, 3)))
        return logits


def _stack(batches: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, Tensor]:
    logits, labels = zip(*batches, strict=True)
    return torch.cat(logits).float(), torch.cat(labels)


def mean_average_precision(batches: Iterable[tuple[Tensor, ...]]) -> float:
    """Macro mAP over the classes present in at least one image, in [0, 1]; logits and class sets are (B, K).

    A class that no image shows has no recall, so it takes no part. TaskError where no class is present at all.
    """
    # torchmetrics has it too, but takes every process that imports it several seconds more.
    from sklearn.metrics import average_precision_score

    logits, labels = _stack(batches)
    present = labels.bool().any(dim=0)
    if not present.any():
        raise TaskError("mulclass: no image of the evaluation set shows any class, so mAP is undefined")
    # logits rank as their probabilities do, which in 32 bits are all 1 for sure answers
    scores, truth = logits[:, present], labels[:, present].long()
    return float(average_precision_score(truth.numpy(), scores.numpy(), average="macro"))


def top1(batches: Iterable[tuple[Tensor, ...]]) -> float:
    """Share of images whose largest logit (B, K) is at the right class index (B,), in [0, 1]."""
    logits, labels = _stack(batches)
    return float((logits.argmax(dim=1) == labels).float().mean())


def _class_set_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits.float(), labels.float())


def _class_index_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), labels)


TASKS = {
    "mulclass": Task(task_facts("mulclass"), "mAP", PooledLinear, _class_set_loss, mean_average_precision),
    "sinclass": Task(task_facts("sinclass"), "top-1", PooledLinear, _class_index_loss, top1),
}
