"""A task's head on a backbone, and the transfer of the backbone alone from pre-training to fine-tuning."""

from typing import Any

import torch
from torch import Tensor, nn

from tasks.base import Task, TaskError
from tasks.label_forms import FORMS
from tasks.models.backbones import Backbone, begin_as_shortcuts, build_backbone

State = dict[str, Tensor]


class TransferModel(nn.Module):
    """A backbone, which is transferred, and a head, which is not."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Any:
        """The head's predictions for float images (B, 3, H, W); in training it may look at the labels."""
        return self.head(self.backbone(images), images.shape[-2:], labels)


def build_model(
    backbone: str, task: Task, outputs: int, keypoints: int = 0, *, zero_init_last_norm: bool = False
) -> TransferModel:
    """A backbone with fresh weights and `task`'s head for `outputs` classes; TaskError where the two do not fit.

    keypoints: of each object, for a task that learns from such labels. zero_init_last_norm: as a recipe has it.
    """
    if outputs < 1:
        raise TaskError(f"{task.name}: a model needs at least one output, not {outputs}")
    if FORMS[task.label_kind].keypoints != (keypoints > 0):
        raise TaskError(f"{task.name}: a model of {keypoints} keypoints cannot be; give as many as the labels have")
    body = build_backbone(backbone, task.facts)
    if zero_init_last_norm:
        begin_as_shortcuts(body)
    sizes = (outputs, keypoints) if keypoints else (outputs,)
    return TransferModel(body, task.head(body.channels, *sizes))


def seeded_model(
    backbone: str, task: Task, outputs: int, seed: int, keypoints: int = 0, *, zero_init_last_norm: bool = False
) -> TransferModel:
    """`build_model` with weights that depend on `seed` alone; leaves the global random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_model(backbone, task, outputs, keypoints, zero_init_last_norm=zero_init_last_norm)


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
