"""Weights of the user's own for a backbone to begin with: torchvision's or timm's state dict, or one of this project's.

Read from safetensors or torch's format, never by running code. Networks that were trained on ImageNet see
(pixel / 255 - mean) / std, ours pixel / 127.5 - 1: the first convolution and the norm behind it take the difference.
"""

import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor

from tasks.base import TaskError
from tasks.models.backbones import Backbone
from tasks.models.timm_backbones import TimmBackbone, named_as_ours, whole_network

State = dict[str, Tensor]

# What ImageNet's pixels are normalised with, of red, green and blue.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Where a whole checkpoint may keep its weights, and what wrappers put before their names.
_INSIDE = ("state_dict", "model", "model_state_dict", "model_ema")
_WRAPPERS = ("module.", "backbone.", "model.")
# A ResNet's parts, as torchvision and timm name them, and ours.
_RESNET = {"conv1.": "stem.0.", "bn1.": "stem.1."} | {f"layer{i + 1}.": f"stages.{i}." for i in range(4)}
_HEADS = ("fc.", "classifier.", "head.")


def given_state(file: Path, backbone: Backbone) -> State:
    """The weights of `file` by the names of `backbone`; a classifier's head is left out.

    Raises TaskError, in one line, where it cannot be read, is of another network, or has weights that no part takes.
    """
    found = {name: tensor for name, tensor in _unwrapped(_read(file)).items() if not name.startswith(_HEADS)}
    own = backbone.state_dict()
    if isinstance(backbone, TimmBackbone):
        found = _of_timm(found, backbone)
    elif not own.keys() & found.keys():
        found = _as_imagenet_sees({_renamed(name): tensor for name, tensor in found.items()})
    # Files of before torch counted batches lack the count, which nothing depends on.
    counts = {name: own[name] for name in own.keys() - found.keys() if name.endswith("num_batches_tracked")}
    state = counts | found
    if wrong := _differences(own, state):
        raise TaskError(
            f"{file} is of another network: {wrong}; give a torchvision or timm state dict of it, or a backbone of ours"
        )
    if bad := [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]:
        raise TaskError(f"{file}: {len(bad)} tensors have numbers that are not finite, the first is {bad[0]!r}")
    return {name: tensor.to(own[name].dtype) for name, tensor in state.items()}


def _differences(own: State, state: State) -> str:
    """What a state lacks of a backbone's own tensors, has beside them or in another shape, with the first of each."""
    kinds = {
        "missing": sorted(own.keys() - state.keys()),
        "unknown": sorted(state.keys() - own.keys()),
        "of another shape": sorted(n for n in own.keys() & state.keys() if own[n].shape != state[n].shape),
    }
    told = [f"{len(names)} {kind} (first {names[0]!r})" for kind, names in kinds.items() if names]
    return f"of its {len(own)} tensors {', '.join(told)}" if told else ""


def _of_timm(found: State, backbone: TimmBackbone) -> State:
    """The tensors by the backbone's names, without those that the whole network has beyond it."""
    ours = {named_as_ours(name): name for name in backbone.state_dict()}
    left_out = {named_as_ours(name) for name in whole_network(backbone.name)} - ours.keys()
    plain = {named_as_ours(name): tensor for name, tensor in found.items()}
    return {ours.get(name, name): tensor for name, tensor in plain.items() if name not in left_out}


def _read(file: Path) -> dict[str, object]:
    try:
        if file.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                return dict(load_file(file))
            except SafetensorError as error:
                raise TaskError(f"{file} cannot be read as safetensors ({error}); give another file") from None
        with warnings.catch_warnings():
            # A pickle of another kind is told below.
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TaskError(f"{file} is not there; correct the path") from None
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, AttributeError, pickle.UnpicklingError) as error:
        # What torch says is of its own switches, and may advise to run code from the file.
        why = (
            "it holds more than tensors" if isinstance(error, pickle.UnpicklingError) else "it is not whole, or no such"
        )
        raise TaskError(f"{file} cannot be read as weights: {why}; save a state dict, or safetensors") from None
    if not isinstance(content, dict):
        raise TaskError(f"{file} holds a {type(content).__name__}; save the model's state dict")
    return content


def _unwrapped(content: dict[str, object]) -> State:
    """The tensors by their plain names."""
    for key in _INSIDE:
        inner = content.get(key)
        if isinstance(inner, dict):
            content = inner
    state = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    for prefix in _WRAPPERS:
        # an exported model has its backbone beside a head
        inside = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        state = inside or state
    return state


def _renamed(name: str) -> str:
    return next((ours + name.removeprefix(theirs) for theirs, ours in _RESNET.items() if name.startswith(theirs)), name)


def _as_imagenet_sees(state: State) -> State:
    """The same for pixels x in [-1, 1]: of p = (x + 1) / 2, (p - mean) / std is x / (2 std) + (0.5 - mean) / std.

    The constant goes into the mean of the norm behind; at the border, where zeros are padded, it is another grey.
    """
    if not {"stem.0.weight", "stem.1.running_mean"} <= state.keys() or state["stem.0.weight"].shape[1] != 3:
        return state
    weight = state["stem.0.weight"]
    mean, std = (torch.tensor(values, dtype=weight.dtype).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    shift = (weight * (0.5 - mean) / std).sum(dim=(1, 2, 3))
    return state | {"stem.0.weight": weight / (2 * std), "stem.1.running_mean": state["stem.1.running_mean"] - shift}
