"""`timm:NAME`: timm's networks as backbones, by its `features_only`; an optional library. No weights are fetched."""

import importlib.util
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from tasks.base import TaskError

PREFIX = "timm:"
_INSTALL = "uv pip install --require-hashes -r requirements-timm.txt"
# The most maps that a head reads: a feature pyramid stands on four.
_MAPS = 4
# A dilated network is read at an eighth of the image.
_DILATED_STRIDE = 8
# Networks with learnt positions or windows take images of other sizes only when they are told so, each in its own word.
_ANY_SIZE: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
# What timm's networks raise where something does not suit them.
_REFUSALS = (AssertionError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)


class TimmBackbone(nn.Module):
    """The last maps of a timm network, behind the normalisation of pixels that its published weights were trained with.

    Its first weights are timm's. name: timm's. channels, strides: of each map, finest first.
    """

    def __init__(self, name: str, dilated: bool) -> None:
        super().__init__()
        self.name, self.net = name, _network(name, dilated)
        info = self.net.feature_info
        self.channels: tuple[int, ...] = tuple(info.channels()[-_MAPS:])
        self.strides: tuple[int, ...] = tuple(info.reduction()[-_MAPS:])
        self._channels_last = str(getattr(getattr(self.net, "output_fmt", None), "value", "NCHW")) == "NHWC"
        told = _timm().get_pretrained_cfg(name)
        # of pixels x in [-1, 1]: of p = (x + 1) / 2, (p - mean) / std is scale x + shift
        self._scale = [1 / (2 * std) for std in told.std]
        self._shift = [(0.5 - mean) / std for mean, std in zip(told.mean, told.std, strict=True)]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps, finest first, each (B, channels[i], h_i, w_i), from images (B, 3, H, W) in [-1, 1]."""
        scale, shift = (images.new_tensor(each).view(1, 3, 1, 1) for each in (self._scale, self._shift))
        maps = self.net(images * scale + shift)[-_MAPS:]
        return [each.permute(0, 3, 1, 2) for each in maps] if self._channels_last else list(maps)


def is_timm(network: str) -> bool:
    """Whether a network is one of timm's by its name."""
    return network.startswith(PREFIX)


@cache
def looked_over(network: str, dilated: bool = False) -> TimmBackbone:
    """The backbone without memory for its weights (torch's meta device); TaskError where it cannot be one."""
    with torch.device("meta"):
        backbone = TimmBackbone(network.removeprefix(PREFIX), dilated)
    if len(backbone.channels) < 2:
        raise TaskError(f"{network} cannot be a backbone: it tells {len(backbone.channels)} map; choose another")
    return backbone


@cache
def check_images(network: str, dilated: bool, resolution: int) -> None:
    """TaskError unless the network works on images of `resolution` px, and all of it is learnt from its last map."""
    backbone = looked_over(network, dilated).train()
    try:
        maps = backbone(torch.zeros(2, 3, resolution, resolution, device="meta"))
        maps[-1].sum().backward()
    except _REFUSALS as error:
        raise TaskError(
            f"{network} cannot work on images of {resolution} px ({_said(error)}); choose another size or backbone"
        ) from None
    if [each.shape[1] for each in maps] != list(backbone.channels) or any(each.ndim != 4 for each in maps):
        raise TaskError(f"{network} cannot be a backbone: its maps are not as timm tells them; choose another")
    idle = [name for name, each in backbone.named_parameters() if each.grad is None]
    backbone.zero_grad()
    if idle:
        raise TaskError(f"{network} cannot be a backbone: its last map does not depend on {idle[0]}; choose another")


@cache
def whole_network(name: str) -> frozenset[str]:
    """Names of the whole network's tensors, of which a backbone leaves out some."""
    with torch.device("meta"):
        return frozenset(_timm().create_model(name, pretrained=False).state_dict())


def named_as_ours(name: str) -> str:
    """A tensor's name without what tells a network from its backbone: `stages.0.` and `net.stages_0.` are the same."""
    plain = name.removeprefix("net.").removeprefix("model.")
    return plain.replace(".", "_")


def _network(name: str, dilated: bool) -> Any:
    """timm's network, dilated where it is asked for and can be; its weights are the same."""
    timm = _timm()
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('.')[0]}*")[:3] if "/" not in name else []
        hint = f"; near it are {', '.join(near)}" if near else "; `timm.list_models()` lists the names"
        raise TaskError(f"timm has no network {name!r}{hint}")
    refused: Exception | None = None
    for stride in ({"output_stride": _DILATED_STRIDE}, {}) if dilated else ({},):
        for any_size in _ANY_SIZE:
            try:
                return timm.create_model(name, pretrained=False, features_only=True, **stride, **any_size)
            except _REFUSALS as error:
                # a word that the network does not know, or cannot follow
                refused = error
    raise TaskError(f"{PREFIX}{name} cannot be a backbone ({_said(refused)}); choose another")


def _timm() -> ModuleType:
    if importlib.util.find_spec("timm") is None:
        raise TaskError(f"{PREFIX}NAME needs the library timm, which is not installed; install it: {_INSTALL}")
    # seconds to import, so only where it is used
    import timm

    return timm


def _said(error: Exception | None) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
