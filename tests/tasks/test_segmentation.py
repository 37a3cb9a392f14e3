"""mIoU, angles and depths against cases worked out by hand, and mIoU against torchmetrics."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from tasks.base import TaskError, task
from tasks.data.drawn import shapes
from tasks.label_forms import IGNORED
from tasks.models.transfer import build_model, seeded_model
from tasks.recipes.registry import recipe
from tasks.segmentation import atrous_rates
from tasks.training.evaluation import evaluate
from tasks.training.loop import train


def logits_of(classes: torch.Tensor, known: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(classes, known).permute(0, 3, 1, 2).float()


def test_mean_iou_by_hand() -> None:
    # class 0: 2 right, 1 missed, none wrongly so: 2/3; class 1: 1 right, 1 wrong, none missed: 1/2; class 2 nowhere
    truth = torch.tensor([[[0, 0], [0, 1]], [[IGNORED] * 2] * 2])
    guess = torch.tensor([[[0, 0], [1, 1]], [[1, 1], [1, 1]]])
    semseg = task("semseg")

    evidence = [semseg.evidence(logits_of(guess[i : i + 1], 3), truth[i : i + 1].to(torch.uint8)) for i in range(2)]

    assert semseg.metric(evidence) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_mean_iou_agrees_with_torchmetrics_whatever_the_batches() -> None:
    from torchmetrics.functional.classification import multiclass_jaccard_index

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 6, 16, 16, generator=generator)
    truth = torch.randint(0, 7, (8, 16, 16), generator=generator)
    truth[truth == 6] = IGNORED
    semseg = task("semseg")

    theirs = multiclass_jaccard_index(logits, truth, 6, average="macro", ignore_index=IGNORED)

    for size in (3, 8):
        batches = zip(logits.split(size), truth.to(torch.uint8).split(size), strict=True)
        assert semseg.metric([semseg.evidence(*batch) for batch in batches]) == pytest.approx(float(theirs), abs=1e-6)


def test_the_auxiliary_head_counts_half_and_ignored_pixels_not_at_all() -> None:
    semseg, none = task("semseg"), torch.zeros(1, 2, 2, 2)
    sure = none.clone()
    sure[:, 1] = 50
    labels = torch.tensor([[[1, 1], [1, IGNORED]]], dtype=torch.uint8)

    assert float(semseg.loss((none, none), labels)) == pytest.approx(1.5 * math.log(2))
    assert float(semseg.loss((sure, none), labels)) == pytest.approx(0.5 * math.log(2))
    assert float(semseg.loss((none, none), torch.full_like(labels, IGNORED))) == 0


def test_a_small_map_is_judged_by_the_labels_in_the_middles_of_its_cells() -> None:
    # given labels that tell rows and columns, and the auxiliary head's map of a 4th of their size
    semseg, labels = task("semseg"), torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    middles = torch.tensor([[[18, 22], [50, 54]]])
    sure = 50 * logits_of(middles, 64)

    # then being right there is all that it is asked for
    main = torch.zeros(1, 64, 8, 8)
    assert float(semseg.loss((main, sure), labels)) == pytest.approx(math.log(64))
    assert float(semseg.loss((main, sure.flip(2)), labels)) == pytest.approx(math.log(64) + 25)


@pytest.mark.parametrize(("at_map", "side"), [(True, 4), (False, 32)])
def test_a_recipe_says_where_the_auxiliary_head_is_judged(at_map: bool, side: int) -> None:
    model, learnt = build_model("small_resnet", task("semseg"), 7), task("semseg")
    short = replace(
        recipe("pretrain-semseg-quick"), iterations=1, batch_size=4, warmup_images=0, auxiliary_at_map=at_map
    )

    train(model, learnt, shapes(8, 32, 0, "semantic"), short, seed=0)

    assert model.train()(torch.rand(2, 3, 32, 32))[1].shape[2:] == (side, side)


def test_normals_are_compared_by_direction_alone_where_there_are_any() -> None:
    normal = task("normal")
    truth = torch.zeros(1, 1, 4, 3, dtype=torch.float16)
    truth[0, 0, :3] = torch.tensor([0.0, 0.0, 1.0])
    # the same, a right angle, the opposite; the fourth has no normal
    guesses = [[0.0, 0.0, 7.0], [3.0, 0.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]
    predicted = torch.tensor(guesses).T.reshape(1, 3, 1, 4)

    # the auxiliary head's maps, here turned round, count half
    assert float(normal.loss((predicted, -predicted), truth)) == pytest.approx((0 + 1 + 2) / 3 + (2 + 1 + 0) / 6)
    assert 1 - normal.metric([normal.evidence(predicted, truth)]) == pytest.approx((0 + 0.5 + 1) / 3)

    # a map of half the size is judged by the labels in the middles of its cells
    twice = truth.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    main = predicted.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert float(normal.loss((main, -predicted), twice)) == pytest.approx((0 + 1 + 2) / 3 + (2 + 1 + 0) / 6)


def test_depths_within_a_quarter_are_right_and_pixels_without_depth_do_not_count() -> None:
    depth = task("depth")
    truth = torch.tensor([[[2.0, 2.0, 2.0, 0.0]]])
    predicted = torch.tensor([[[[2.0, 2.4, 1.5, 9.0]]]]).log()

    assert depth.metric([depth.evidence(predicted, truth)]) == pytest.approx(2 / 3)
    away = (math.log(1.2) + math.log(2 / 1.5)) / 3
    assert float(depth.loss((predicted, predicted), truth)) == pytest.approx(1.5 * away)


@pytest.mark.parametrize("name", ["semseg", "normal", "depth"])
def test_a_set_without_any_label_has_no_score_rather_than_zero(name: str) -> None:
    learnt = task(name)
    outputs = {"semseg": 2, "normal": 3, "depth": 1}[name]
    labels = {
        "semseg": torch.full((1, 2, 2), IGNORED, dtype=torch.uint8),
        "normal": torch.zeros(1, 2, 2, 3, dtype=torch.float16),
        "depth": torch.zeros(1, 2, 2),
    }[name]
    with pytest.raises(TaskError, match="undefined"):
        learnt.metric([learnt.evidence(torch.rand(1, outputs, 2, 2), labels)])


@pytest.mark.parametrize("name", ["semseg", "normal", "depth"])
def test_the_head_is_half_as_wide_as_a_narrow_backbone_and_torchvisions_behind_a_resnet(name: str) -> None:
    narrow, wide = (build_model(backbone, task(name), 3).head.state_dict() for backbone in ("small_resnet", "resnet18"))

    assert narrow["main.1.weight"].shape == (64, 64, 3, 3)
    assert {key: value.shape for key, value in wide.items() if key.startswith("main.")} == {
        f"main.{key}": value.shape for key, value in DeepLabHead(512, 3, (12, 24, 36)).state_dict().items()
    }


@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_every_tap_of_the_atrous_convolutions_reads_the_map_whatever_its_size(side: int) -> None:
    # given images of which the head sees a map of an 8th: 2 to 16 px
    model = build_model("small_resnet", task("semseg"), 3)

    model.train()(torch.rand(2, 3, side, side))[0].square().sum().backward()

    aspp: Any = model.head.get_submodule("main.0")
    taps = [branch[0].weight.grad.abs().sum(dim=(0, 1)) for branch in aspp.convs[1:-1]]
    assert [int((each > 0).sum()) for each in taps] == [9, 9, 9]


def test_atrous_rates_are_deeplabs_at_the_papers_size_and_in_proportion_below() -> None:
    # images of 480 and 520 px, and of 640, at an 8th
    assert atrous_rates(60) == atrous_rates(65) == atrous_rates(80) == (12, 24, 36)
    # DeepLabV3's own for maps of half the side
    assert atrous_rates(30) == (6, 12, 18)
    assert atrous_rates(8) == (2, 3, 5)
    assert atrous_rates(1) == (1, 1, 1)


@pytest.mark.slow
def test_semseg_learns_drawn_images_of_32_px_on_the_small_backbone() -> None:
    semseg = task("semseg")
    training, held_out = (shapes(count, 32, seed, "semantic") for count, seed in ((512, 0), (64, 1)))
    model = seeded_model("small_resnet", semseg, len(training.class_names), 0)

    train(model, semseg, training, recipe("pretrain-semseg-quick"), seed=0)

    # everything background scores a quarter of its share of the pixels
    assert evaluate(model, semseg, held_out) > 0.5
