"""Models, data and recipes that the tests of the training loop share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import multiprocessing, nn

from tasks.base import ArraySet, Task, task
from tasks.data.drawn import shapes
from tasks.models.backbones import StagedBackbone
from tasks.models.transfer import TransferModel, seeded_model
from tasks.recipes.recipe import Recipe
from tests.tasks.arrays import coloured_squares

SINCLASS = task("sinclass")
RECIPE = Recipe(
    iterations=24, batch_size=16, lr=3e-3, warmup_images=64, augment=("flip", "crop", "colour"), eval_every=6
)
# importing torch costs seconds: one server imports it, every worker is forked from that
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["tests.tasks.test_train"])


def _model(seed: int = 0) -> TransferModel:
    return seeded_model("small_resnet", SINCLASS, 4, seed)


def _plain_model(seed: int = 0) -> TransferModel:
    """Without batch norm, every image is a case of its own: how a batch is cut can change rounding only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stage = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU())
        backbone = StagedBackbone(nn.Identity(), [stage], (16,))
        return TransferModel(backbone, SINCLASS.head(backbone.channels, 4))


def _narrow_convnext(seed: int = 0) -> TransferModel:
    """torchvision's ConvNeXt of three blocks, of which it leaves out none, a quarter and half; no batch norm."""
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blocks = [CNBlockConfig(16, 32, 1), CNBlockConfig(32, 32, 1), CNBlockConfig(32, None, 1)]
        stem, *stages = ConvNeXt(blocks, stochastic_depth_prob=0.5, layer_scale=1.0).features
        return TransferModel(StagedBackbone(stem, [nn.Sequential(*stages)], (32,)), SINCLASS.head((32,), 4))


def _dense_model(seed: int = 0) -> TransferModel:
    """DeepLab, which drops half of what its pyramid gathers, and its auxiliary head, which drops a tenth."""
    return seeded_model("small_resnet", task("semseg"), 4, seed)


def _squares(count: int, seed: int) -> ArraySet:
    return coloured_squares(count, seed=seed)


def _maps(count: int, seed: int) -> ArraySet:
    return shapes(count, 16, seed, "semantic")


def _holed_normals(count: int, seed: int) -> ArraySet:
    """Normals of which image k has (k + 1) / 16 at most, the first of each sixteen hardly any."""
    data = shapes(count, 16, seed, "normals")
    for place, normals in enumerate(data.labels):
        normals[place % 16 + 1 :] = 0
    return data


def _pixelwise(seed: int = 0) -> TransferModel:
    """A normal for every pixel, without batch norm and dropout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stage = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, 3, 3, padding=1))
    return TransferModel(StagedBackbone(nn.Identity(), [stage], (3,)), _LastMap())


class _LastMap(nn.Module):
    def forward(self, stages: list[torch.Tensor], size: tuple[int, int], labels: torch.Tensor | None) -> Any:
        """The map that the last stage made, in training as an auxiliary head's, too."""
        return (stages[-1], stages[-1]) if self.training else stages[-1]


@dataclass(frozen=True)
class Case:
    """A model, what it learns, and labelled images by (count, seed); of module-level parts, for other processes."""

    task: Task
    model: Callable[[int], TransferModel]
    images: Callable[[int, int], ArraySet]


CASES = {
    "batch norm": Case(SINCLASS, _model, _squares),
    "plain": Case(SINCLASS, _plain_model, _squares),
    "stochastic depth": Case(SINCLASS, _narrow_convnext, _squares),
    "dropout": Case(task("semseg"), _dense_model, _maps),
    "holes": Case(task("normal"), _pixelwise, _holed_normals),
}


def _states_equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
