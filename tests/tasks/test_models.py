"""What transfer moves, and what it refuses to move."""

from __future__ import annotations

import pytest
import torch

from tasks.backbones import backbone_names
from tasks.base import task
from tasks.models import backbone_state, build_model, load_backbone, seeded_model


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


def test_an_unknown_backbone_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'vgg'; known backbones: small_resnet, resnet18") as caught:
        build_model("vgg", task("sinclass"), 2)
    assert all(name in str(caught.value) for name in backbone_names())
