"""A model's score on a whole set, and what the device at hand can do."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import distributed, nn

from tasks.base import ArraySet, Evidence, Task, TaskError
from tasks.recipes.recipe import Precision, Recipe
from tasks.training.batches import Feed
from tasks.training.shard import Shard

# images of an evaluation at once: this many, and of large ones no more than fit into as many pixels
EVAL_BATCH = 256
_EVAL_PIXELS = EVAL_BATCH * 64 * 64
# bootstrap resamples of a test set, and the seed that all of them come from
RESAMPLES = 200
_RESAMPLING = 20
_MIXED_WITH = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, eq=False)
class Scored:
    """What a model gets right of a test set of `size` images.

    metric: in [0, 1]. resampled: the error, 1 - metric, on each of the `resamples` of the images, float64 (200,); nan
    where it is undefined. scores: of each image where the metric is their mean, (N,), bool where it is right or not.
    """

    metric: float
    size: int
    resampled: np.ndarray
    scores: np.ndarray | None


def require_device(name: str) -> torch.device:
    """The device called `name`; RuntimeError where cuda is asked for and absent, never another device instead."""
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"device {name!r} was asked for but this machine has no usable GPU; use device 'cpu'")
    return device


def check_precision(device: torch.device, precision: Precision) -> None:
    """TaskError where `device` would have to imitate `precision`: a hundred times slower on a CPU, slower on a GPU."""
    if device.type == "cpu" and not _cpu_has(precision):
        raise TaskError(
            f"precision {precision}: this CPU has no instructions for it and would crawl; use precision fp32"
        )
    if device.type == "cuda" and precision == "bf16" and not gpu_has_bf16(device):
        name = torch.cuda.get_device_name(device)
        raise TaskError(f"precision bf16: {name} cannot compute in it; use precision fp16, or fp32")


def _cpu_has(precision: Precision) -> bool:
    """Whether this CPU has instructions for it."""
    asked = {
        "bf16": torch.ops.mkldnn._is_mkldnn_bf16_supported,
        "fp16": torch.ops.mkldnn._is_mkldnn_fp16_supported,
    }
    return precision not in asked or bool(asked[precision]())


def gpu_has_bf16(device: torch.device | int) -> bool:
    """Whether a GPU computes in bf16 itself: NVIDIA's do from Ampere on."""
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Mixed precision where the recipe asks for it."""
    return torch.autocast(device.type, dtype=_MIXED_WITH.get(precision), enabled=precision in _MIXED_WITH)


def evaluate(
    model: nn.Module,
    task: Task,
    data: ArraySet,
    *,
    device: str = "cpu",
    batch_size: int = EVAL_BATCH,
    recipe: Recipe | None = None,
) -> float:
    """The task's metric of `model` on all of `data`, in [0, 1]; error = 1 - metric. In this process alone.

    recipe: says at which size images are seen, and the precision; without it as they are stored, and in fp32.
    """
    return task.metric(_seen(model, task, data, device, batch_size, recipe))


def on_test_images(
    model: nn.Module, task: Task, data: ArraySet, *, device: str = "cpu", recipe: Recipe | None = None
) -> Scored:
    """The metric as `evaluate` has it, on all of `data` and on resamples of its images. In this process alone."""
    seen = _seen(model, task, data, device, EVAL_BATCH, recipe)
    once, scores = np.ones((1, len(data))), None if task.scores is None else task.scores(seen)
    metric, *resampled = task.weighted(seen, np.concatenate([once, resamples(len(data))]))
    return Scored(float(metric), len(data), 1 - np.array(resampled), scores)


def resamples(size: int) -> np.ndarray:
    """How often each of `size` images is drawn in each of RESAMPLES bootstrap resamples: counts, float64 (200, size).

    The same whoever asks, so that what two models have in common on the same images shows in their errors.
    """
    rng = np.random.default_rng((_RESAMPLING, size))
    return rng.multinomial(size, np.full(size, 1 / size), RESAMPLES).astype(np.float64)


def _seen(
    model: nn.Module, task: Task, data: ArraySet, device: str, batch_size: int, recipe: Recipe | None
) -> list[Evidence]:
    task.check(data)
    where = require_device(device)
    check_precision(where, _precision(recipe))
    return _evidence(model.to(where), task, Feed(data, where), len(data), Shard(), batch_size, recipe)


def _precision(recipe: Recipe | None) -> Precision:
    return "fp32" if recipe is None else recipe.precision


def score(model: nn.Module, task: Task, feed: Feed, size: int, shard: Shard, batch_size: int, recipe: Recipe) -> float:
    """The task's metric, in [0, 1]: each worker predicts its share of a set of `size` images, all score the whole."""
    return task.metric(_evidence(model, task, feed, size, shard, batch_size, recipe))


def _evidence(
    model: nn.Module, task: Task, feed: Feed, size: int, shard: Shard, batch_size: int, recipe: Recipe | None
) -> list[Evidence]:
    """What the task's metric needs of all images: in their order where there is one worker."""
    was_training = model.training
    model.eval()
    mine = np.arange(shard.rank, size, shard.world)
    seen: list[Evidence] = []
    with torch.inference_mode(), autocast(feed.device, _precision(recipe)):
        for batch in _batches(feed.test_sizes(mine, recipe), batch_size):
            images, labels = feed.test(mine[batch], recipe)
            seen.append(task.evidence(model(images).float(), labels))
    model.train(was_training)
    if shard.world > 1:
        parts: list[list[Evidence]] = [[] for _ in range(shard.world)]
        distributed.all_gather_object(parts, seen)
        seen = [batch for part in parts for batch in part]
    return seen


def _batches(sizes: np.ndarray, batch_size: int) -> Iterator[slice]:
    """Neighbours of one size (height, width), as many at once as are allowed; sizes (N, 2) in px."""
    start = 0
    while start < len(sizes):
        most = max(1, min(batch_size, _EVAL_PIXELS // int(sizes[start].prod())))
        others = np.flatnonzero((sizes[start : start + most] != sizes[start]).any(axis=1))
        end = start + int(others[0]) if len(others) else min(start + most, len(sizes))
        yield slice(start, end)
        start = end
