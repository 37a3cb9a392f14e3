"""Backbones by name: torchvision's networks cut into stages, a small one of our own, timm's. No weights are fetched."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.base import TaskFacts, network_of
from tasks.models.backbone_facts import PATCH_PX, check_pair
from tasks.models.timm_backbones import PREFIX, TimmBackbone, is_timm

# positions of a plain ViT are learnt on this grid (224 px in patches of 16) and resampled to the image's own
_POSITION_GRID = 14


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


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016), (B, before, H, W) -> (B, width, H / stride, W / stride).

    dilations: of the two convolutions. torchvision has the same block, but importing it takes every fine-tune longer
    than a tenth of its training.
    """

    def __init__(self, before: int, width: int, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        first, second = dilations
        self.convolve = nn.Sequential(
            nn.Conv2d(before, width, 3, stride=stride, padding=first, dilation=first, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=second, dilation=second, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, maps: Tensor) -> Tensor:
        """The block's output maps."""
        return functional.relu(self.convolve(maps) + self.shortcut(maps), inplace=True)


def _small_resnet(stem_stride: int, times: float = 1.0) -> Callable[[bool], StagedBackbone]:
    """3x3 stem and four residual blocks, `times` as wide as 32, 64, 128 and 128 channels: 0.6 M parameters at 1.

    With a stem of stride 2 its last map is a sixteenth of the image, dilated an eighth, and it has ten times
    ResNet-18's speed on a CPU core. A stem of stride 1 keeps the resolution of images of 32 to 64 px: all maps are
    twice as large, for three to four times the work. As in torchvision's ResNets dilation has no weights of its own,
    and the convolution that loses its stride sees as far as before.
    """
    widths = tuple(round(times * width) for width in (32, 64, 128, 128))

    def build(dilated: bool) -> StagedBackbone:
        strides = (2, 2, 1 if dilated else 2, 1)
        dilations = ((1, 1), (1, 1), (1, 2), (2, 2)) if dilated else ((1, 1),) * 4
        convolution = nn.Conv2d(3, widths[0], 3, stride=stem_stride, padding=1, bias=False)
        stem = nn.Sequential(convolution, nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True))
        stages, before = [], widths[0]
        for width, stride, dilation in zip(widths, strides, dilations, strict=True):
            stages.append(ResidualBlock(before, width, stride, dilation))
            before = width
        for module in [*stem.modules(), *(inner for stage in stages for inner in stage.modules())]:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        return StagedBackbone(stem, stages, widths)

    return build


def _resnet(name: str, can_dilate: bool) -> Callable[[bool], StagedBackbone]:
    def build(dilated: bool) -> StagedBackbone:
        # seconds to import, so only where it is used
        import torchvision

        # dilation has no weights of its own: those of a plain ResNet fit a dilated one and the other way round
        options = {"replace_stride_with_dilation": [False, True, True]} if dilated and can_dilate else {}
        net = torchvision.models.get_model(name, weights=None, **options)
        stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        last = net.fc.in_features
        stages = [net.layer1, net.layer2, net.layer3, net.layer4]
        return StagedBackbone(stem, stages, (last // 8, last // 4, last // 2, last))

    return build


def _convnext_tiny(dilated: bool) -> StagedBackbone:
    import torchvision

    net = torchvision.models.convnext_tiny(weights=None)
    parts, norm = net.features, net.classifier[0]
    stages = [parts[1], nn.Sequential(*parts[2:4]), nn.Sequential(*parts[4:6]), nn.Sequential(*parts[6:8], norm)]
    return StagedBackbone(parts[0], stages, (96, 192, 384, 768))


class _ChannelsLast(nn.Module):
    """Modules that work on (B, H, W, C), fed and read as (B, C, H, W)."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*modules)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.inner(maps.permute(0, 2, 3, 1))
        return out.permute(0, 3, 1, 2)


def _swin_t(dilated: bool) -> StagedBackbone:
    import torchvision

    net = torchvision.models.swin_t(weights=None)
    parts = net.features
    stem = nn.Sequential(parts[0], net.permute)
    stages = [
        _ChannelsLast(parts[1]),
        _ChannelsLast(*parts[2:4]),
        _ChannelsLast(*parts[4:6]),
        _ChannelsLast(*parts[6:8], net.norm),
    ]
    return StagedBackbone(stem, stages, (96, 192, 384, 768))


class _Patches(nn.Module):
    """The stem of a ViT: patches of 16 px and where they are, (B, 3, H, W) -> (B, width, H / 16, W / 16)."""

    def __init__(self, embed: nn.Module, width: int) -> None:
        super().__init__()
        self.embed = embed
        self.positions = nn.Parameter(torch.empty(1, width, _POSITION_GRID, _POSITION_GRID).normal_(std=0.02))

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.embed(images)
        size = maps.shape[-2:]
        return maps + functional.interpolate(self.positions, size=size, mode="bilinear", align_corners=False)


class _Tokens(nn.Module):
    """Transformer blocks between two maps of one size."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, maps: Tensor) -> Tensor:
        tokens: Tensor = self.blocks(maps.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(maps.shape)


def _vit(width: int, heads: int) -> Callable[[bool], StagedBackbone]:
    """A ViT of 12 blocks in four stages of three; without a class token, the heads average over positions."""

    def build(dilated: bool) -> StagedBackbone:
        from torchvision.models import VisionTransformer

        net = VisionTransformer(_POSITION_GRID * PATCH_PX, PATCH_PX, 12, heads, width, 4 * width)
        blocks = list(net.encoder.layers)
        stages = [_Tokens(*blocks[first : first + 3]) for first in (0, 3, 6)] + [_Tokens(*blocks[9:], net.encoder.ln)]
        return StagedBackbone(_Patches(net.conv_proj, width), stages, (width,) * 4)

    return build


_BUILDERS: dict[str, Callable[[bool], StagedBackbone]] = {
    "small_resnet": _small_resnet(stem_stride=2),
    "small_resnet_stride1": _small_resnet(stem_stride=1),
    "small_resnet_stride1_quarter": _small_resnet(stem_stride=1, times=0.25),
    "small_resnet_stride1_half": _small_resnet(stem_stride=1, times=0.5),
    "small_resnet_stride1_double": _small_resnet(stem_stride=1, times=2.0),
    **{name: _resnet(name, can_dilate=False) for name in ("resnet18", "resnet34")},
    **{name: _resnet(name, can_dilate=True) for name in ("resnet50", "resnet101", "resnet152")},
    "convnext_tiny": _convnext_tiny,
    "swin_t": _swin_t,
    "vit_s_16": _vit(384, 6),
    "vit_b_16": _vit(768, 12),
}


Backbone = StagedBackbone | TimmBackbone


def build_backbone(name: str, task: TaskFacts) -> Backbone:
    """The backbone called `name` with fresh weights, as `task` wants it: dilated where it asks for it and that can be.

    Raises TaskError where they cannot work together.
    """
    check_pair(name, task)
    if is_timm(network_of(name)):
        return TimmBackbone(network_of(name).removeprefix(PREFIX), task.dilated)
    return _BUILDERS[network_of(name)](task.dilated)


def begin_as_shortcuts(backbone: Backbone) -> None:
    """Let every residual block begin as its shortcut: its last batch norm's weight is 0 (Goyal et al. 2017).

    Backbones without batch norm stay as they are, and timm's: what its networks begin with it has chosen itself.
    """
    if isinstance(backbone, TimmBackbone):
        return
    for block in backbone.modules():
        last = _last_norm(block)
        if last is not None:
            nn.init.zeros_(last.weight)


def _last_norm(block: nn.Module) -> nn.BatchNorm2d | None:
    """The batch norm before the sum of a residual block, ours or torchvision's, which has two or three."""
    of_torchvision = getattr(block, "bn3", getattr(block, "bn2", None))
    last = block.convolve[-1] if isinstance(block, ResidualBlock) else of_torchvision
    return last if isinstance(last, nn.BatchNorm2d) else None
