"""What transfer moves, and what it refuses to move."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest
import torch

from tasks.base import TaskError, task, task_facts, task_names
from tasks.data.drawn import shapes
from tasks.label_forms import NO_BOX
from tasks.models.backbone_facts import BACKBONES, backbone_names, check_pair
from tasks.models.backbones import build_backbone
from tasks.models.transfer import backbone_state, build_model, load_backbone, seeded_model
from tests.tasks.models.steps import one_step


def test_transfer_moves_the_backbone_and_leaves_the_head() -> None:
    source = seeded_model("small_resnet", task("mulclass"), 20, seed=1)
    target = seeded_model("small_resnet", task("sinclass"), 10, seed=2)
    head_before = {name: value.clone() for name, value in target.head.state_dict().items()}

    load_backbone(target, backbone_state(source))

    images = torch.rand(2, 3, 32, 32)
    source.eval(), target.eval()
    assert torch.equal(source.backbone(images)[-1], target.backbone(images)[-1])
    assert all(torch.equal(value, head_before[name]) for name, value in target.head.state_dict().items())


def test_weights_of_another_backbone_are_refused_and_change_nothing() -> None:
    target = seeded_model("small_resnet", task("sinclass"), 10, seed=0)
    before = backbone_state(target)

    with pytest.raises(ValueError, match="these weights are of another backbone"):
        load_backbone(target, backbone_state(build_model("resnet18", task("sinclass"), 10)))

    assert all(torch.equal(value, before[name]) for name, value in backbone_state(target).items())


def test_a_backbone_state_stays_as_it_was_when_training_goes_on() -> None:
    model = build_model("small_resnet", task("sinclass"), 4)
    state = backbone_state(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)

    assert not torch.equal(state["stem.0.weight"], model.backbone.state_dict()["stem.0.weight"])


def test_the_seed_alone_decides_the_first_weights() -> None:
    torch.manual_seed(5)
    expected_draw = torch.rand(1)
    torch.manual_seed(5)
    one, two = (backbone_state(seeded_model("small_resnet", task("sinclass"), 4, seed=3)) for _ in range(2))

    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.rand(1), expected_draw), "building a model must not move the caller's random state"


@pytest.mark.parametrize("name", ["small_resnet", "resnet18", "resnet50"])
def test_a_backbone_predicts_for_every_image_and_states_its_widths(name: str) -> None:
    model = build_model(name, task("sinclass"), 7).eval()
    maps = model.backbone(torch.rand(2, 3, 64, 64))

    assert [stage.shape[1] for stage in maps] == list(model.backbone.channels)
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize("name", ["small_resnet", "resnet18", "resnet50"])
def test_a_residual_block_with_a_zero_last_norm_begins_as_its_shortcut(name: str) -> None:
    plain, zeroed = (
        seeded_model(name, task("mulclass"), 3, 0, zero_init_last_norm=zero).backbone.train() for zero in (False, True)
    )
    blocks = [
        each
        for each in cast(Any, zeroed).stages.modules()
        if any(n in ("shortcut", "bn2") for n, _ in each.named_children())
    ]
    assert len(blocks) == {"small_resnet": 4, "resnet18": 8, "resnet50": 16}[name]
    before, after = plain.state_dict(), zeroed.state_dict()
    changed = [key for key in before if not torch.equal(before[key], after[key])]
    assert len(changed) == len(blocks), "nothing else of the first weights is touched"
    assert all(before[key].eq(1).all() and after[key].eq(0).all() for key in changed)

    for block in blocks:
        shortcut = block.shortcut if name == "small_resnet" else block.downsample or torch.nn.Identity()
        first = next(each for each in block.modules() if isinstance(each, torch.nn.Conv2d))
        maps = torch.rand(2, first.in_channels, 8, 8)
        torch.testing.assert_close(block(maps), torch.relu(shortcut(maps)), rtol=0, atol=0)


def test_a_backbone_without_batch_norm_begins_as_it_always_did() -> None:
    states = [
        backbone_state(seeded_model("convnext_tiny", task("mulclass"), 3, 0, zero_init_last_norm=zero))
        for zero in (False, True)
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_an_unknown_backbone_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="unknown backbone 'vgg'; known backbones: small_resnet, small_resnet_stride1, "
    ) as caught:
        build_model("vgg", task("sinclass"), 2)
    assert all(name in str(caught.value) for name in backbone_names())


@pytest.mark.parametrize(
    ("name", "fine_sides", "plain_sides"),
    [
        pytest.param("resnet50", [16, 8, 8, 8], [16, 8, 4, 2], marks=pytest.mark.slow),
        ("small_resnet", [16, 8, 8, 8], [16, 8, 4, 4]),
        ("small_resnet_stride1", [32, 16, 16, 16], [32, 16, 8, 8]),
    ],
)
def test_weights_move_between_dilated_and_plain_resnets(
    name: str, fine_sides: list[int], plain_sides: list[int]
) -> None:
    fine, plain = build_model(name, task("semseg"), 3), build_model(name, task("mulclass"), 3)
    images = torch.rand(1, 3, 64, 64)

    load_backbone(plain, backbone_state(fine))

    assert [stage.shape[-1] for stage in fine.backbone.eval()(images)] == fine_sides
    assert [stage.shape[-1] for stage in plain.backbone.eval()(images)] == plain_sides
    assert all(torch.equal(value, backbone_state(fine)[name]) for name, value in backbone_state(plain).items())


def test_a_small_resnet_with_a_stem_of_stride_1_is_the_same_network_on_maps_twice_as_large() -> None:
    old, fine = (
        build_model(name, task("mulclass"), 3).backbone.eval() for name in ("small_resnet", "small_resnet_stride1")
    )
    fine.load_state_dict(old.state_dict())
    images = torch.rand(1, 3, 128, 128)
    fine, old = cast(Any, fine), cast(Any, old)

    # the old stem's map is every second place of the new one's
    torch.testing.assert_close(fine.stem(images)[..., ::2, ::2], old.stem(images))
    pairs = list(zip(fine(images), old(images), strict=True))
    assert [(a.shape[-1], b.shape[-1]) for a, b in pairs] == [(64, 32), (32, 16), (16, 8), (16, 8)]


def test_each_width_of_the_small_resnet_is_twice_the_one_before_and_has_four_times_its_parameters() -> None:
    nets = [
        build_model(f"small_resnet_stride1{width}", task("mulclass"), 3).backbone
        for width in ("_quarter", "_half", "", "_double")
    ]

    assert [net.channels for net in nets] == [
        (8, 16, 32, 32),
        (16, 32, 64, 64),
        (32, 64, 128, 128),
        (64, 128, 256, 256),
    ]
    parameters = [sum(each.numel() for each in net.parameters()) for net in nets]
    assert all(3.5 < wider / narrower < 4.5 for narrower, wider in pairwise(parameters))


def test_a_dilated_small_resnet_sees_what_the_plain_one_sees_and_more_places() -> None:
    # every second place of the fine map is a place of the plain one, away from the border that is padded
    fine, plain = build_model("small_resnet", task("semseg"), 3), build_model("small_resnet", task("mulclass"), 3)
    load_backbone(plain, backbone_state(fine))
    images = torch.rand(1, 3, 256, 256)

    coarse, dense = (model.backbone.eval()(images)[-1] for model in (plain, fine))

    torch.testing.assert_close(dense[..., ::2, ::2][..., 4:-4, 4:-4], coarse[..., 4:-4, 4:-4])


@pytest.mark.parametrize("name", ["objdet", "insseg", "keypoint"])
def test_a_pair_that_cannot_work_is_refused_with_the_reason_and_what_fits(name: str) -> None:
    with pytest.raises(
        TaskError, match=r"a feature pyramid.* vit_b_16 has all its maps at one 16th .*choose one of"
    ) as why:
        build_model("vit_b_16", task(name), 3, keypoints=9 * (name == "keypoint"))
    assert "swin_t" in str(why.value)


def test_images_that_are_too_small_for_a_backbone_are_refused() -> None:
    with pytest.raises(TaskError, match="swin_t needs images of 32 px or more, not 24"):
        check_pair("swin_t", task_facts("semseg"), 24)


# a mask for each of a hundred regions takes seconds
QUICK = [
    (backbone, name)
    for backbone in ("small_resnet", "small_resnet_stride1")
    for name in task_names()
    if name != "insseg"
]
FITTING = [
    pytest.param(backbone, name, marks=[] if (backbone, name) in QUICK else pytest.mark.slow)
    for backbone in (
        "small_resnet",
        "small_resnet_stride1",
        "small_resnet_stride1_double",
        "resnet18",
        "resnet50",
        "convnext_tiny",
        "swin_t",
        "vit_s_16",
    )
    for name in task_names()
    if not (backbone.startswith("vit") and name in ("objdet", "insseg", "keypoint"))
]


@pytest.mark.parametrize(("backbone", "name"), FITTING)
def test_every_parameter_of_a_fitting_pair_learns_and_its_predictions_have_a_score(backbone: str, name: str) -> None:
    one_step(backbone, name)


@pytest.mark.parametrize("name", ["objdet", pytest.param("insseg", marks=pytest.mark.slow), "keypoint"])
def test_an_image_without_objects_can_be_learnt_from(name: str) -> None:
    learnt = task(name)
    data = shapes(2, 64, seed=0, kind=learnt.label_kind)
    labels = torch.from_numpy(data.labels)
    labels[1] = 0 if name == "insseg" else NO_BOX
    model = seeded_model("small_resnet", learnt, len(data.class_names), 0, len(data.keypoint_names))

    loss = learnt.loss(model(torch.rand(2, 3, 64, 64), labels), labels)
    loss.backward()

    assert torch.isfinite(loss)


@pytest.mark.parametrize("name", backbone_names())
def test_what_is_known_without_torch_is_so(name: str) -> None:
    facts, plain = BACKBONES[name], task_facts("mulclass")
    backbone = build_backbone(name, plain).eval()

    smallest = facts.smallest_px
    with torch.no_grad():
        maps, last = (
            backbone(torch.zeros(1, 3, 2 * smallest, 2 * smallest)),
            backbone(torch.zeros(1, 3, smallest, smallest)),
        )

    assert (len({stage.shape[-1] for stage in maps}) > 1) == facts.pyramid
    assert any(isinstance(each, torch.nn.BatchNorm2d) for each in backbone.modules()) == facts.batch_norm
    assert last[-1].shape[-2:] == (1, 1) or not facts.batch_norm
