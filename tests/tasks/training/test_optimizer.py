"""Which parameters learn how fast, which of them decay, and what a step of SGD is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from tasks.base import task
from tasks.models.transfer import TransferModel, seeded_model
from tasks.recipes.recipe import Recipe
from tasks.training.loop import train
from tasks.training.optimizer import optimizer_of
from tests.tasks.arrays import coloured_squares
from tests.tasks.training.cases import SINCLASS, _plain_model

SGD = Recipe(iterations=1, batch_size=8, lr=0.1, optimizer="sgd", weight_decay=1e-2, auxiliary_rate=10.0)


def groups_of(model: TransferModel, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The group of each parameter, by its name."""
    groups = optimizer_of(model, recipe).param_groups
    of_each = {id(parameter): group for group in groups for parameter in group["params"]}
    assert len(of_each) == sum(len(group["params"]) for group in groups), "each in one group"
    return {name: of_each[id(parameter)] for name, parameter in model.named_parameters()}


def test_everything_decays_unless_batch_norm_is_not_to() -> None:
    model = seeded_model("small_resnet", task("semseg"), 3, 0)
    norms = {
        f"{name}.{part}"
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for part in ("weight", "bias")
    }

    all_decay = groups_of(model, SGD)
    spared = groups_of(model, replace(SGD, decay_norms=False))

    assert {group["weight_decay"] for group in all_decay.values()} == {1e-2}
    assert {name for name, group in spared.items() if group["weight_decay"] == 0} == norms
    assert "backbone.stem.1.bias" in norms
    # a convolution's own bias decays, as in Goyal et al. 2017
    assert spared["head.main.4.bias"]["weight_decay"] == 1e-2


@pytest.mark.parametrize("name", ["semseg", "normal"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_auxiliary_head_learns_ten_times_as_fast(name: str, optimizer: Any) -> None:
    model = seeded_model("small_resnet", task(name), 3, 0)

    for told in (SGD, replace(SGD, decay_norms=False)):
        rates = {name: group["rate"] for name, group in groups_of(model, replace(told, optimizer=optimizer)).items()}
        fast = {name for name, rate in rates.items() if rate == 10}
        assert fast == {name for name in rates if name.startswith("head.auxiliary.")} != set()
        assert set(rates.values()) == {1, 10}


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_step_is_that_of_the_formula(nesterov: bool) -> None:
    told = replace(SGD, nesterov=nesterov, iterations=3, schedule="constant")
    data = coloured_squares(8)
    model, by_hand = _plain_model(), _plain_model()

    train(model, SINCLASS, data, told, seed=0)

    # all 8 images are every batch: v <- 0.9 v + g + d w; w <- w - lr v, Nesterov's w <- w - lr (g + d w + 0.9 v)
    images, labels = torch.from_numpy(data.images).permute(0, 3, 1, 2) / 127.5 - 1, torch.from_numpy(data.labels)
    velocity = [torch.zeros_like(parameter) for parameter in by_hand.parameters()]
    for _ in range(3):
        loss = SINCLASS.loss(by_hand(images), labels)
        slopes = torch.autograd.grad(loss, list(by_hand.parameters()))
        with torch.no_grad():
            for parameter, slope, v in zip(by_hand.parameters(), slopes, velocity, strict=True):
                slope = slope + 1e-2 * parameter
                v.mul_(0.9).add_(slope)
                parameter.sub_(0.1 * (slope + 0.9 * v if nesterov else v))
    for ours, wanted, start in zip(model.parameters(), by_hand.parameters(), _plain_model().parameters(), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-6)
        assert (wanted - start).abs().max() > 1e-4
