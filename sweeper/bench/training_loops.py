"""How fast the training loop is beside a plain one: the same model, batch and precision, one block of steps in turn.

The plain loop is what anybody would write first, with augmentation, validation and care for a resume left out, and its
batches normalised and in the device's memory before it starts.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from sweeper.errors import bad_input
from tasks.base import ArraySet, task
from tasks.models.transfer import TransferModel, seeded_model
from tasks.recipes.recipe import Precision, Recipe
from tasks.training.evaluation import require_device
from tasks.training.loop import train

CLASSES = 20
# the loss of a plain loop must not be nan: the same optimiser settings for both
_LR, _MOMENTUM, _WEIGHT_DECAY = 0.01, 0.9, 1e-4
_PLAIN_BATCHES = 4
_PATIENCE_S = 900.0

Block = Callable[[], None]


@dataclass(frozen=True)
class Setting:
    """What both loops train: images of `side` px in batches; a block is so many `steps`."""

    backbone: str
    side: int
    batch: int
    precision: Precision
    device: str
    steps: int

    @property
    def images(self) -> int:
        """Images of one block."""
        return self.batch * self.steps

    @property
    def recipe(self) -> Recipe:
        """Momentum SGD with the augmentation that pre-training has."""
        return Recipe(
            iterations=self.steps,
            batch_size=self.batch,
            lr=_LR,
            momentum=_MOMENTUM,
            weight_decay=_WEIGHT_DECAY,
            optimizer="sgd",
            schedule="constant",
            augment=("flip", "crop"),
            precision=self.precision,
        )

    def model(self) -> TransferModel:
        """Fresh weights, the same every time."""
        return seeded_model(self.backbone, task("mulclass"), CLASSES, 0)


def check_device(name: str) -> None:
    """BadInput where this machine has no device called `name`."""
    with bad_input("", RuntimeError):
        require_device(name)


def our_block(setting: Setting, data: ArraySet) -> Block:
    """One call of `train`: its set-up counts as well."""
    model = setting.model()

    def block() -> None:
        train(model, task("mulclass"), data, setting.recipe, seed=0, device=setting.device)

    return block


def plain_block(setting: Setting) -> Block:
    """The plain loop over batches that lie ready."""
    device = torch.device(setting.device)
    model = setting.model().to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs leave this form out
    optimizer = torch.optim.SGD(model.parameters(), _LR, _MOMENTUM, weight_decay=_WEIGHT_DECAY, fused=True)
    batches = [_plain_batch(setting, device) for _ in range(_PLAIN_BATCHES)]
    loss_of = task("mulclass").loss

    def block() -> None:
        for step in range(setting.steps):
            images, labels = batches[step % _PLAIN_BATCHES]
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=setting.precision == "bf16"):
                predictions = model(images)
            loss = loss_of(predictions, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        _ = loss.item()

    return block


def _plain_batch(setting: Setting, device: torch.device) -> tuple[Tensor, Tensor]:
    images = torch.rand(setting.batch, 3, setting.side, setting.side, device=device) * 2 - 1
    labels = (torch.rand(setting.batch, CLASSES, device=device) < 0.1).to(torch.uint8)
    return images.contiguous(memory_format=torch.channels_last), labels


def side_by_side(setting: Setting, data: ArraySet, rounds: int) -> tuple[float, float]:
    """Images/s of our loop and of the plain one, in this process, block after block; medians of `rounds`."""
    ours, plain = our_block(setting, data), plain_block(setting)
    times: tuple[list[float], list[float]] = ([], [])
    # the first round of both is for the device to warm up and to choose its kernels
    with torch.backends.cudnn.flags(enabled=True, benchmark=True):
        for _ in range(rounds + 1):
            for block, seconds in zip((ours, plain), times, strict=True):
                seconds.append(_seconds(block))
    return setting.images / median(times[0][1:]), setting.images / median(times[1][1:])


def in_turns(folder: Path, name: str, other: str, block: Block, rounds: int, *, begins: bool) -> float:
    """Median seconds of a block; the process called `other` does its own blocks in between, never at the same time.

    They tell each other through files in `folder`. The first round is not counted: the other may still be starting.
    Raises TimeoutError where the other does not answer for a quarter of an hour.
    """
    seconds = []
    for i in range(rounds + 1):
        awaited = i - 1 if begins else i
        deadline = time.monotonic() + _PATIENCE_S
        while awaited >= 0 and not (folder / f"{other}-{awaited}").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} waited {_PATIENCE_S:.0f} s for {other}")
            time.sleep(0.001)
        seconds.append(_seconds(block))
        (folder / f"{name}-{i}").touch()
    return median(seconds[1:])


def _seconds(block: Block) -> float:
    started = time.perf_counter()
    block()
    return time.perf_counter() - started


def plain_rate(setting: Setting, folder: Path, rounds: int) -> float:
    """Images/s of the plain loop alone in this process, in turns with another that measures our loop."""
    torch.set_num_threads(1)
    return setting.images / in_turns(folder, "plain", "ours", plain_block(setting), rounds, begins=False)
