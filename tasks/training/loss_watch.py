"""Stops a training at the first loss that is not finite, on all workers at once."""

import math

import torch
from torch import Tensor, distributed

# reading a loss from a GPU waits for it, so losses are looked at this many at a time there
_LOSSES_HELD_CUDA = 20


class LossWatch:
    """Collects the losses of one training; `last` is the latest one read, the mean over `world` workers.

    All workers add and check at the same steps: what one of them sees, all see.
    """

    def __init__(self, task: str, device: torch.device, world: int = 1) -> None:
        self.task, self._world = task, world
        self.last = float("nan")
        self._hold = _LOSSES_HELD_CUDA if device.type == "cuda" else 1
        self._held: list[tuple[int, Tensor]] = []

    def add(self, step: int, loss: Tensor) -> None:
        """Take the loss of `step`, counted from 1, and look at it now or with some later ones."""
        self._held.append((step, loss.detach()))
        if len(self._held) >= self._hold:
            self.check()

    def check(self) -> None:
        """Look at all losses taken; FloatingPointError naming the first step where one is not finite."""
        if not self._held:
            return
        losses = torch.stack([loss for _, loss in self._held]).float()
        if self._world > 1:
            distributed.all_reduce(losses)
            losses /= self._world
        values = losses.tolist()
        for (step, _), value in zip(self._held, values, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{self.task}: the loss is {value} at step {step}; lower the learning rate or use precision fp32"
                )
        self.last = values[-1]
        self._held = []
