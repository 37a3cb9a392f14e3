"""Renders and photographs in one training: every batch has some of both, one backbone, a head for each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tasks.base import ArraySet, Task
from tasks.models.transfer import TransferModel
from tasks.recipes.recipe import Recipe
from tasks.training.batches import Feed, Order
from tasks.training.evaluation import EVAL_BATCH, autocast, check_precision, require_device, score
from tasks.training.loss_watch import LossWatch
from tasks.training.optimizer import optimizer_of
from tasks.training.shard import Shard, rendered_part

# What is drawn for renders never shares a stream with what is drawn for photographs.
_OF_RENDERS = 1


@dataclass(frozen=True, eq=False)
class Renders:
    """What is learnt beside the photographs, and which share of each batch it has, in (0, 1)."""

    task: Task
    data: ArraySet
    share: float


class _Both(nn.Module):
    """A model for photographs with a second head, which takes the last images of a batch."""

    def __init__(self, model: TransferModel, render_head: nn.Module, photographs: int) -> None:
        super().__init__()
        self.backbone, self.head, self.render_head = model.backbone, model.head, render_head
        self._photographs = photographs

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions for the photographs and for the renders; batch norm sees all of them together."""
        stages, size, count = self.backbone(images), images.shape[-2:], self._photographs
        photographs, renders = [each[:count] for each in stages], [each[count:] for each in stages]
        return self.head(photographs, size), self.render_head(renders, size)


def train_mixed(
    model: TransferModel,
    task: Task,
    data: ArraySet,
    renders: Renders,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "cpu",
    validation: ArraySet | None = None,
    on_validation: Callable[[int, float], None] | None = None,
) -> float | None:
    """Train `model` in place on photographs and renders by one recipe; its metric on `validation`, if there is any.

    The loss is that of either part, times its share of the batch. Batches and augmentation are functions of (seed,
    step), as in `train`. One process; raises as `train` does.
    """
    for each, images in ((task, data), (renders.task, renders.data)):
        each.check(images)
    where = require_device(device)
    check_precision(where, recipe.precision)
    step = _Step(model, task, data, renders, recipe, seed, where)
    held_out = None if validation is None else Feed(validation, where)
    watch, metric = LossWatch(f"{task.name} with {renders.task.name}", where), None
    devices = [where] if where.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        step.both.train()
        for done in range(1, recipe.iterations + 1):
            watch.add(done, step(done - 1))
            looks = done == recipe.iterations or (recipe.eval_every and done % recipe.eval_every == 0)
            if held_out is None or validation is None or not looks:
                continue
            metric = score(model, task, held_out, len(validation), Shard(), EVAL_BATCH, recipe)
            step.both.train()
            if on_validation is not None:
                on_validation(done, metric)
        watch.check()
    return metric


class _Step:
    """One optimiser step on a batch of both kinds."""

    def __init__(
        self,
        model: TransferModel,
        task: Task,
        data: ArraySet,
        renders: Renders,
        recipe: Recipe,
        seed: int,
        device: torch.device,
    ) -> None:
        of_renders = rendered_part(recipe.batch_size, renders.share)
        parts = recipe.batch_size - of_renders, of_renders
        # Its weights are of the seed too, whatever else was drawn before.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence((seed, _OF_RENDERS)).generate_state(1)[0]))
            render_head = renders.task.head(model.backbone.channels, len(renders.data.class_names))
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.both = _Both(model, render_head, parts[0]).to(device)
        self.both.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs leave this form out
        self._losses = task.loss, renders.task.loss
        self._weights = tuple(part / recipe.batch_size for part in parts)
        self._feeds = Feed(data, device), Feed(renders.data, device)
        self._seeds = seed, int(np.random.SeedSequence((seed, _OF_RENDERS, 1)).generate_state(1)[0])
        sizes = len(data), len(renders.data)
        self._orders = [Order(*each) for each in zip(sizes, parts, self._seeds, strict=True)]
        self._recipe, self._device = recipe, device
        self._optimizer = optimizer_of(self.both, recipe)
        self._scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")

    def __call__(self, step: int) -> Tensor:
        """The loss of the step, which counts from 0."""
        torch.manual_seed(int(np.random.SeedSequence((self._seeds[0], step)).generate_state(1)[0]))
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.lr_at(step) * group["rate"]
        self._optimizer.zero_grad(set_to_none=True)
        batches = [
            next(feed.training(order, step, self._recipe, seed, [slice(0, order.batch_size)]))
            for feed, order, seed in zip(self._feeds, self._orders, self._seeds, strict=True)
        ]
        images = torch.cat([images for images, _ in batches])
        with autocast(self._device, self._recipe.precision) if self._recipe.precision != "fp32" else nullcontext():
            predicted = self.both(images if self._recipe.channels_last else images.contiguous())
        told = zip(self._losses, predicted, batches, self._weights, strict=True)
        loss: Tensor = sum(weight * of(answers, labels) for of, answers, (_, labels), weight in told)  # type: ignore[assignment]
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss.detach()
