"""Backbones by name, a task's head on top, and the transfer of the backbone alone from pre-training to fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tasks.base import Task, TaskError

State = dict[str, Tensor]


class StagedBackbone(nn.Module):
    """A stem and stages; returns every stage's map, because dense heads read more than the last one."""

    def __init__(self, stem: nn.Module, stages: Sequence[nn.Module], channels: Sequence[int]) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Stage maps, finest first, each (B, channels[i], h_i, w_i), from images (B, 3, H, W)."""
        maps = []
        current = self.stem(images)
        for stage in self.stages:
            current = stage(current)
            maps.append(current)
        return maps


class TransferModel(nn.Module):
    """A backbone, which is transferred, and a head, which is not."""

    def __init__(self, backbone: StagedBackbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """The head's predictions for float images (B, 3, H, W)."""
        predictions: Tensor = self.head(self.backbone(images))
        return predictions


def _torchvision_resnet(name: str) -> Callable[[], StagedBackbone]:
    def build() -> StagedBackbone:
        # seconds to import, so only where it is used
        import torchvision

        net = torchvision.models.get_model(name, weights=None)
        stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        stages = [net.layer1, net.layer2, net.layer3, net.layer4]
        last = net.fc.in_features
        return StagedBackbone(stem, stages, (last // 8, last // 4, last // 2, last))

    return build


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016), (B, before, H, W) -> (B, width, H / stride, W / stride).

    torchvision has the same block, but importing it takes every fine-tune longer than a tenth of its training.
    """

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, maps: Tensor) -> Tensor:
        """The block's output maps."""
        return nn.functional.relu(self.convolve(maps) + self.shortcut(maps), inplace=True)


def _small_resnet() -> StagedBackbone:
    """3x3 stride-2 stem and four residual blocks: 0.6 M parameters, ten times ResNet-18's speed on a CPU core."""
    widths, strides = (32, 64, 128, 128), (2, 2, 2, 1)
    stem = nn.Sequential(
        nn.Conv2d(3, widths[0], 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
    )
    stages, before = [], widths[0]
    for width, stride in zip(widths, strides, strict=True):
        stages.append(ResidualBlock(before, width, stride))
        before = width
    for module in [*stem.modules(), *(inner for stage in stages for inner in stage.modules())]:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return StagedBackbone(stem, stages, widths)


_BACKBONES: dict[str, Callable[[], StagedBackbone]] = {
    "small_resnet": _small_resnet,
    **{name: _torchvision_resnet(name) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")},
}


def backbone_names() -> tuple[str, ...]:
    """All known backbone names."""
    return tuple(_BACKBONES)


def build_model(backbone: str, task: Task, outputs: int) -> TransferModel:
    """A backbone with fresh weights and `task`'s head for `outputs` classes; TaskError listing the known backbones."""
    if backbone not in _BACKBONES:
        raise TaskError(f"unknown backbone {backbone!r}; known backbones: {', '.join(_BACKBONES)}")
    if outputs < 1:
        raise TaskError(f"{task.name}: a model needs at least one output, not {outputs}")
    body = _BACKBONES[backbone]()
    return TransferModel(body, task.head(body.channels, outputs))


def seeded_model(backbone: str, task: Task, outputs: int, seed: int) -> TransferModel:
    """`build_model` with weights that depend on `seed` alone; leaves the global random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_model(backbone, task, outputs)


def backbone_state(model: TransferModel) -> State:
    """A detached copy, on the CPU, of the backbone's tensors by name: what transfer moves."""
    return {name: value.detach().cpu().clone() for name, value in model.backbone.state_dict().items()}


def load_backbone(model: TransferModel, state: State) -> None:
    """Put `state` into the model's backbone and leave its head alone.

    Raises TaskError, changing nothing, where a tensor is missing, unknown or of another shape.
    """
    own = model.backbone.state_dict()
    wrong = sorted(
        name
        for name in own.keys() | state.keys()
        if name not in own or name not in state or own[name].shape != state[name].shape
    )
    if wrong:
        raise TaskError(
            f"these weights are of another backbone: {len(wrong)} of {len(own)} tensors are missing, unknown or of "
            f"another shape, the first is {wrong[0]!r}; pre-train and fine-tune with the same backbone"
        )
    model.backbone.load_state_dict(state)
