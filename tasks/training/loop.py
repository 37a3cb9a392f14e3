"""The training loop, for pre-training and fine-tuning alike; one process, or DDP where torch.distributed is set up.

Batches, augmentation, learning rate and random numbers are functions of (seed, step), so a training that was killed and
resumed equals an undisturbed one, bit for bit on the CPU, and the number of workers changes only rounding.
"""

import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tasks.base import ArraySet, Task, TaskError
from tasks.data.keypoint_labels import check_flip
from tasks.models.global_norm import synchronise_batch_norm
from tasks.models.random_draws import Place, share_draws
from tasks.models.transfer import State, TransferModel, backbone_state
from tasks.recipes.recipe import Recipe
from tasks.training import checkpoint
from tasks.training.batches import Feed, Order
from tasks.training.evaluation import EVAL_BATCH, autocast, check_precision, require_device, score
from tasks.training.loss_watch import LossWatch
from tasks.training.optimizer import optimizer_of
from tasks.training.shard import Shard

OnProgress = Callable[[int, float, float], None]
OnCheckpoint = Callable[[int, Path], None]
OnValidation = Callable[[int, float], None]

_PROGRESS_EVERY_S = 1.0
# a batch in which no pixel counts has a loss of 0, not 0 / 0
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What a training leaves; metrics are in [0, 1], None without a validation set.

    best_state: {"backbone": ..., "head": ...}, CPU tensors of the step with the best validation metric, or of the
    last step without a validation set. seconds: training and validation; images_per_s: training alone, all workers.
    """

    metric: float | None
    best_metric: float | None
    best_step: int
    best_state: dict[str, State]
    steps: int
    seconds: float
    images_per_s: float


@dataclass
class _Progress:
    """What must survive a kill besides model and optimiser."""

    step: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0
    metric: float | None = None
    best_metric: float | None = None
    best_step: int = 0
    best_state: dict[str, State] | None = None


def _parallel(model: nn.Module, device: torch.device) -> DistributedDataParallel:
    ids = [device] if device.type == "cuda" else None
    with warnings.catch_warnings():
        # the argument's new name is not in older releases of torch; its meaning here is the same under both
        warnings.filterwarnings("ignore", message=".*broadcast_buffers.*", category=FutureWarning)
        return DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False, gradient_as_bucket_view=True)


def _model_state(model: TransferModel) -> dict[str, State]:
    head = {name: value.detach().cpu().clone() for name, value in model.head.state_dict().items()}
    return {"backbone": backbone_state(model), "head": head}


class _Training:
    """One training in progress: the parts that every step needs, and what survives a kill."""

    def __init__(
        self, model: TransferModel, task: Task, data: ArraySet, recipe: Recipe, seed: int, device: torch.device
    ) -> None:
        parallel = distributed.is_available() and distributed.is_initialized()
        self.shard = Shard(distributed.get_rank(), distributed.get_world_size()) if parallel else Shard()
        if recipe.batch_size < self.shard.world:
            raise TaskError(f"recipe: batch_size {recipe.batch_size} leaves some of {self.shard.world} workers idle")
        if data.form.keypoints:
            check_flip(recipe, data.keypoint_names)
        self.parts = self.shard.parts(recipe.batch_size, recipe.device_batch)
        self.task, self.recipe, self.seed, self.device = task, recipe, seed, device
        # what is not cut need not be weighed
        self.valid = task.valid if self.shard.world * len(self.parts) > 1 else None
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        if recipe.auxiliary_at_map:
            model.head.auxiliary_at_map = True  # type: ignore[assignment]  # for torch an attribute is a module
        self.model = model.to(device)
        self.model.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs leave this form out
        self.feed = Feed(data, device)
        self.order = Order(len(data), recipe.batch_size, seed)
        self.progress = _Progress()
        self.runner: nn.Module = self.model
        self.place = Place(seed, recipe.batch_size, 0, self.parts[0])
        share_draws(self.model, self.place)
        self.identity = {"task": task.name, "images": len(data), "seed": seed, "recipe": asdict(recipe)}
        if self.shard.world > 1:
            if recipe.sync_batch_norm:
                synchronise_batch_norm(self.model, device)
            self.runner = _parallel(self.model, device)
        self.optimizer = optimizer_of(self.model, recipe)
        # small gradients would be 0 in fp16; elsewhere it does nothing
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")

    def resume(self, folder: Path) -> None:
        content = checkpoint.load(folder, self.identity)
        if content is not None:
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.scaler.load_state_dict(content.get("scaler", {}))
            self.progress = _Progress(**content["progress"])

    def save(self, folder: Path, on_checkpoint: OnCheckpoint | None) -> None:
        if self.shard.rank == 0:
            content = {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "progress": dict(vars(self.progress)),
            }
            checkpoint.save(folder, self.identity, content)
        if self.shard.world > 1:
            distributed.barrier()
        if on_checkpoint is not None:
            on_checkpoint(self.progress.step, folder / checkpoint.NAME)

    def step(self) -> Tensor:
        """One optimiser step on the next global batch; returns this worker's loss."""
        step = self.place.step = self.progress.step
        # what a task of its own draws comes from (seed, step, worker): nothing to save for an exact resume
        draw = np.random.SeedSequence((self.seed, step, self.shard.rank)).generate_state(1)[0]
        torch.manual_seed(int(draw))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr_at(step) * group["rate"]
        self.optimizer.zero_grad(set_to_none=True)
        batch = self.feed.training(self.order, step, self.recipe, self.seed, self.parts)
        pairs = [self._accumulate(part, *pair) for part, pair in enumerate(batch)]
        loss, weight = torch.stack([torch.stack(pair) for pair in pairs]).sum(dim=0)
        if self.valid is not None:
            self._divide_gradients(weight)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.progress.step = step + 1
        return loss / weight.clamp(min=_NOTHING)

    def _divide_gradients(self, weight: Tensor) -> None:
        """Make of the gradient of a weighed sum that of the mean, over all workers' weights."""
        weight = weight.clone()
        if self.shard.world > 1:
            distributed.all_reduce(weight)
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.div_(weight.clamp(min=_NOTHING))

    def _accumulate(self, part: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Add one part's gradient, times its share of the batch; returns its loss, times the same, and that share."""
        if not self.recipe.channels_last:
            images = images.contiguous()
        self.place.part = self.parts[part]
        # workers exchange gradients once a step, with the last part
        exchanges = self.shard.world == 1 or part == len(self.parts) - 1
        with nullcontext() if exchanges else self.runner.no_sync():  # type: ignore[operator]  # DDP where world > 1
            with autocast(self.device, self.recipe.precision):
                predictions = self.runner(images, labels)
            weight = images.new_full((), len(images) / self.recipe.batch_size)
            if self.valid is not None:
                weight *= self.valid(labels)
            loss = self.task.loss(predictions, labels) * weight
            # DDP takes the mean over the workers
            self.scaler.scale(loss * self.shard.world).backward()
        return loss.detach(), weight

    def validate(self, feed: Feed, size: int) -> None:
        now = self.progress
        if self.shard.world > 1:
            # the model that is judged is the one that is saved: rank 0's, statistics included
            for buffer in self.model.buffers():
                distributed.broadcast(buffer, 0)
        now.metric = score(self.model, self.task, feed, size, self.shard, EVAL_BATCH, self.recipe)
        if now.best_metric is None or now.metric > now.best_metric:
            now.best_metric, now.best_step, now.best_state = now.metric, now.step, _model_state(self.model)


def train(
    model: TransferModel,
    task: Task,
    data: ArraySet,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "cpu",
    validation: ArraySet | None = None,
    checkpoint_dir: Path | None = None,
    checkpoint_every: int = 0,
    on_progress: OnProgress | None = None,
    on_checkpoint: OnCheckpoint | None = None,
    on_validation: OnValidation | None = None,
) -> TrainResult:
    """Train all of `model` in place; it ends as the last iterate, the best one is in the result.

    Under torch.distributed the recipe's batch is split over the workers, each of which calls this with the same
    arguments; `recipe.device_batch` bounds what a worker takes at once, and the rest follows before the step is made.
    checkpoint_dir: where last.pt is written every `checkpoint_every` steps (0 = never) and resumed from where it
    exists. on_progress(step, images_per_s, loss): about once a second. On every worker, on_checkpoint(step, path)
    after each checkpoint and on_validation(step, metric) after each validation. Raises FloatingPointError naming the
    step at a loss that is not finite, TaskError on data or recipes that cannot work, RuntimeError where `device` is
    absent.
    """
    task.check(data)
    where = require_device(device)
    check_precision(where, recipe.precision)
    training = _Training(model, task, data, recipe, seed, where)
    if validation is not None:
        task.check(validation)
    held_out = None if validation is None else (Feed(validation, where), len(validation))
    if checkpoint_dir is not None:
        training.resume(checkpoint_dir)
    devices = [where] if where.type == "cuda" else []
    # shapes stay the same step after step, so a GPU may look for its fastest kernels once
    flags = {"enabled": True, "benchmark": True, "deterministic": torch.backends.cudnn.deterministic}
    fastest = torch.backends.cudnn.flags(**flags) if devices else nullcontext()
    with torch.random.fork_rng(devices=devices), fastest:
        _loop(training, held_out, checkpoint_dir, checkpoint_every, on_progress, on_checkpoint, on_validation)
    return _result(training)


def _loop(
    training: _Training,
    held_out: tuple[Feed, int] | None,
    checkpoint_dir: Path | None,
    checkpoint_every: int,
    on_progress: OnProgress | None,
    on_checkpoint: OnCheckpoint | None,
    on_validation: OnValidation | None,
) -> None:
    now, recipe = training.progress, training.recipe
    watch = LossWatch(training.task.name, training.device, training.shard.world)
    training.model.train()
    mark, mark_step = time.perf_counter(), now.step
    while now.step < recipe.iterations:
        started = time.perf_counter()
        watch.add(now.step + 1, training.step())
        last = now.step == recipe.iterations
        evaluates = held_out is not None and (last or (recipe.eval_every and now.step % recipe.eval_every == 0))
        saves = checkpoint_dir is not None and checkpoint_every and now.step % checkpoint_every == 0
        if evaluates or saves or last:
            watch.check()
        trained = time.perf_counter()
        now.train_seconds += trained - started
        if evaluates and held_out is not None:
            training.validate(*held_out)
        now.seconds += time.perf_counter() - started
        if saves and checkpoint_dir is not None:
            training.save(checkpoint_dir, on_checkpoint)
        if evaluates and on_validation is not None and now.metric is not None:
            on_validation(now.step, now.metric)
        if on_progress is not None and (last or trained - mark > _PROGRESS_EVERY_S):
            speed = (now.step - mark_step) * recipe.batch_size / (trained - mark)
            on_progress(now.step, speed, watch.last)
            mark, mark_step = time.perf_counter(), now.step


def _result(training: _Training) -> TrainResult:
    now = training.progress
    images = now.step * training.recipe.batch_size
    return TrainResult(
        metric=now.metric,
        best_metric=now.best_metric,
        best_step=now.best_step or now.step,
        best_state=now.best_state or _model_state(training.model),
        steps=now.step,
        seconds=now.seconds,
        images_per_s=images / now.train_seconds if now.train_seconds else 0.0,
    )
