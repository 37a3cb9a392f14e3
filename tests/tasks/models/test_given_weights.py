"""Weights of the user's own: torchvision's, timm's and ours are taken whole, anything else is refused in one line."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tasks.base import TaskError, task_facts
from tasks.models.backbones import build_backbone
from tasks.models.given_weights import given_state


def torchvision_state(name: str = "resnet18") -> dict[str, torch.Tensor]:
    import torchvision

    net = torchvision.models.get_model(name, weights=None)
    generator = torch.Generator().manual_seed(0)
    for norm in (each for each in net.modules() if isinstance(each, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_(generator=generator)  # type: ignore[union-attr]
    return net.state_dict()


@pytest.mark.parametrize("form", ["plain", "safetensors", "module", "state_dict", "without counts"])
def test_a_resnets_weights_are_taken_from_any_form(tmp_path: Path, form: str) -> None:
    """Given torchvision's ResNet in a usual form of file, the backbone sees ImageNet's pixels as the network did."""
    import torchvision

    state = torchvision_state()
    file = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pt")
    if form == "safetensors":
        save_file(state, file)
    elif form == "module":
        torch.save({f"module.{name}": value for name, value in state.items()}, file)
    elif form == "without counts":
        torch.save({name: value for name, value in state.items() if "num_batches" not in name}, file)
    else:
        torch.save({"epoch": 3, "state_dict": state} if form == "state_dict" else state, file)
    backbone = build_backbone("resnet18", task_facts("sinclass")).eval()

    backbone.load_state_dict(given_state(file, backbone))

    net = torchvision.models.resnet18(weights=None).eval()
    net.load_state_dict(state)
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        theirs = net.bn1(net.conv1((pixels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)))
        stem: Any = backbone.stem
        ours = stem[1](stem[0](2 * pixels - 1))
    # at the border zeros are padded, which are another grey
    torch.testing.assert_close(ours[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], rtol=1e-3, atol=1e-3)


def test_a_backbone_of_ours_is_taken_as_it_is(tmp_path: Path) -> None:
    backbone = build_backbone("small_resnet", task_facts("sinclass"))
    exported = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    save_file(exported | {"head.weight": torch.zeros(2)}, tmp_path / "w.safetensors")

    state = given_state(tmp_path / "w.safetensors", build_backbone("small_resnet", task_facts("sinclass")))

    assert all(torch.equal(state[name], value) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize("kind", ["missing", "another network", "code", "text", "cut", "tensor"])
def test_what_is_no_use_is_refused_in_a_line(tmp_path: Path, kind: str) -> None:
    file = tmp_path / ("w.safetensors" if kind == "cut" else "w.pt")
    if kind == "another network":
        torch.save(torchvision_state("resnet34"), file)
    elif kind == "code":
        file.write_bytes(pickle.dumps({"conv1.weight": Path.cwd}))
    elif kind in ("text", "cut"):
        file.write_bytes(b"hello, weights")
    elif kind == "tensor":
        torch.save(torch.zeros(3), file)

    with pytest.raises(TaskError) as refused:
        given_state(file, build_backbone("resnet18", task_facts("sinclass")))

    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)
