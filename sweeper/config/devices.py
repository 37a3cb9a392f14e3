"""`device: auto | cpu | gpu` of a stage, as the keys that say how much of what it asks for."""

from __future__ import annotations

import os
from collections.abc import Callable

from sweeper.config.schema import SweepConfig


def gpus_here() -> int:
    """How many GPUs torch sees on this machine."""
    import torch

    return torch.cuda.device_count()


def with_devices(config: SweepConfig, count: Callable[[], int] = gpus_here) -> SweepConfig:
    """The config with every `auto` decided and every `device` in the stage's own keys; as it is where none is given.

    Raises ValueError where two keys disagree, and for `auto` where a cluster does the work: it may still start nodes.
    """
    asked = [config.render.device, config.pretrain.device, config.finetune.device]
    if not any(choice in ("auto", "gpu", "cpu") for choice in asked):
        return config
    if "auto" in asked and "RAY_ADDRESS" in os.environ:
        raise ValueError("device: auto asks this machine what it has, and Ray's nodes do the work: say cpu or gpu")
    there = count() if "auto" in asked else 0

    def decided(choice: str | None) -> str | None:
        return ("gpu" if there else "cpu") if choice == "auto" else choice

    render, pretrain, finetune = (decided(choice) for choice in asked)
    update = {
        # cuda: every GPU that Blender knows has it
        "render": config.render.model_copy(update={"device": "cuda" if render == "gpu" else render}),
        "pretrain": _pretrain(config, pretrain),
        "finetune": _finetune(config, finetune),
    }
    return config.model_copy(update=update)


def _pretrain(config: SweepConfig, device: str | None) -> object:
    own = config.pretrain
    if device == "cpu" and own.gpu and own.device == "cpu":
        raise ValueError("pretrain.device: cpu and pretrain.gpu: true disagree; leave one out")
    if own.device == "gpu" and "gpu" in own.model_fields_set and not own.gpu:
        raise ValueError("pretrain.device: gpu and pretrain.gpu: false disagree; leave one out")
    return own if device is None else own.model_copy(update={"device": device, "gpu": device == "gpu"})


def _finetune(config: SweepConfig, device: str | None) -> object:
    own = config.finetune
    if device == "cpu" and own.gpus and own.device == "cpu":
        raise ValueError(f"finetune.device: cpu and finetune.gpus: {own.gpus:g} disagree; leave one out")
    if own.device == "gpu" and "gpus" in own.model_fields_set and not own.gpus:
        raise ValueError("finetune.device: gpu and finetune.gpus: 0 disagree; leave one out")
    if device is None:
        return own
    # A share of a GPU holds for `auto` too: it says how much, where there is one.
    return own.model_copy(update={"device": device, "gpus": (own.gpus or 1.0) if device == "gpu" else 0.0})
