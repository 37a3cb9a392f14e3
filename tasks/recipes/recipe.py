"""How a model is trained, as plain data: a recipe is part of the identity of the artifact it makes."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from tasks.base import TaskError

Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "constant", "poly"]
Precision = Literal["fp32", "bf16", "fp16"]
Augmentation = Literal["flip", "crop", "colour", "grey", "resized_crop"]

# a field that came later: left out of an identity at its default, so that what was trained before keeps its name
LATER = {"later": True}
# of `shorter_edge`: it is not drawn
NOT_DRAWN = (0, 0)

# least side of a random crop as a share of the image's, where a recipe says nothing else
SMALLEST_CROP = 0.75

# the power of the polynomial schedule in appendix A of the paper
_POLY_POWER = 0.9


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run's settings; a wrong value is refused in one line that names it (TaskError).

    iterations: optimiser steps. batch_size: images a step over all workers together. lr: peak learning rate.
    momentum, nesterov: of SGD (AdamW ignores them). warmup_images: images over which lr rises linearly from 0.
    schedule: after the warm-up, to 0 at the end (cosine, poly with power 0.9) or constant.
    weight_decay: of all parameters; without decay_norms, of all but the weights and biases of normalisations.
    augment: any of flip (left-right), crop (random zoom and shift), colour (brightness and contrast), grey (30 % of the
    images without their colour), resized_crop (8 to 100 % of the photograph's area, its sides as 3 to 4 up to 4 to 3,
    drawn as large as the window). smallest_crop: least side of a crop, as a share of the image's, in (0, 1).
    precision: fp32, or mixed with bf16, or with fp16 for GPUs without bf16. fp16 needs the loss scaled up; the first
    steps find the scale, and a step whose gradient overflows changes no weight.
    eval_every: steps between validations; 0 = only after the last step.
    sync_batch_norm: batch norm over all workers' images, so that their number changes nothing; without it each worker
    normalises its own share, twice as fast on CPU cores (measured for `small_resnet` at 32 px).
    device_batch: the most images that a device takes at once; a larger share of the batch is cut into parts whose
    gradients add up to the batch's. 0 = the whole share. Batch norm sees one part (of all workers) at a time.
    scale_jitter: least and most magnification before a window of the image's own size is cut at a random place; what
    the image does not reach is grey and without label; crop magnifies on top of it. auxiliary_rate: by what lr is
    multiplied for an auxiliary head. auxiliary_at_map: whether that head is judged at its own map's cells, by the
    labels in their middles, and not at every pixel of the image; on CPU cores this saves most of its loss's time.
    zero_init_last_norm: a residual block begins as its shortcut, its last batch
    norm's weight being 0.

    window: side in px of the images that a step sees, whatever the side of the stored squares; 0 = theirs. stretch:
    the photograph alone fills the window, whatever its proportions, and not the square that it lies in.
    shorter_edge: least and most px; the photograph is resized so that its shorter edge is a whole number drawn from
    these, and a window is cut from it; (0, 0) = not so. eval_shorter_edge: px of the shorter edge of photographs that
    are evaluated, eval_window: px of the square that is cut from their middle, 0 = all is seen. Without
    eval_shorter_edge they are seen as in training, less what is drawn.
    """

    iterations: int
    batch_size: int
    lr: float
    optimizer: Optimizer = "adamw"
    weight_decay: float = 1e-2
    momentum: float = 0.9
    warmup_images: int = 0
    schedule: Schedule = "cosine"
    augment: tuple[Augmentation, ...] = ()
    precision: Precision = "fp32"
    eval_every: int = 0
    channels_last: bool = True
    sync_batch_norm: bool = True
    device_batch: int = field(default=0, metadata=LATER)
    scale_jitter: tuple[float, float] = field(default=(1.0, 1.0), metadata=LATER)
    auxiliary_rate: float = field(default=1.0, metadata=LATER)
    auxiliary_at_map: bool = field(default=False, metadata=LATER)
    nesterov: bool = field(default=False, metadata=LATER)
    decay_norms: bool = field(default=True, metadata=LATER)
    zero_init_last_norm: bool = field(default=False, metadata=LATER)
    window: int = field(default=0, metadata=LATER)
    stretch: bool = field(default=False, metadata=LATER)
    shorter_edge: tuple[int, int] = field(default=NOT_DRAWN, metadata=LATER)
    eval_shorter_edge: int = field(default=0, metadata=LATER)
    eval_window: int = field(default=0, metadata=LATER)
    smallest_crop: float = field(default=SMALLEST_CROP, metadata=LATER)

    def __post_init__(self) -> None:
        self._check_whole_numbers()
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise TaskError(f"recipe: lr must be positive, not {self.lr!r}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise TaskError(f"recipe: weight_decay must be 0 or more, not {self.weight_decay!r}")
        if not 0 <= self.momentum < 1:
            raise TaskError(f"recipe: momentum must lie in [0, 1), not {self.momentum!r}")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise TaskError("recipe: nesterov is a kind of momentum; set optimizer sgd and momentum above 0")
        if self.warmup_images > self.iterations * self.batch_size:
            raise TaskError("recipe: warmup_images is longer than the whole training; shorten it")
        least, most = self.scale_jitter
        if not 0 < least <= most <= 10:
            raise TaskError(f"recipe: scale_jitter is least and most, above 0 up to 10, not {self.scale_jitter!r}")
        if not (math.isfinite(self.auxiliary_rate) and self.auxiliary_rate > 0):
            raise TaskError(f"recipe: auxiliary_rate must be positive, not {self.auxiliary_rate!r}")
        self._check_choices()
        self._check_views()

    def _check_whole_numbers(self) -> None:
        lowest = {"iterations": 1, "batch_size": 1, "warmup_images": 0, "eval_every": 0, "device_batch": 0}
        for name, low in (lowest | dict.fromkeys(("window", "eval_shorter_edge", "eval_window"), 0)).items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise TaskError(f"recipe: {name} must be a whole number of at least {low}, not {value!r}")

    def _check_choices(self) -> None:
        for name, known in (("optimizer", Optimizer), ("schedule", Schedule), ("precision", Precision)):
            if getattr(self, name) not in get_args(known):
                choices = ", ".join(get_args(known))
                raise TaskError(f"recipe: unknown {name} {getattr(self, name)!r}; known: {choices}")
        for name in self.augment:
            if name not in get_args(Augmentation):
                known_names = ", ".join(get_args(Augmentation))
                raise TaskError(f"recipe: unknown augmentation {name!r}; known: {known_names}")

    def _check_views(self) -> None:
        least, most = self.shorter_edge
        if self.shorter_edge != NOT_DRAWN and not 0 < least <= most:
            raise TaskError(f"recipe: shorter_edge is least and most in px, from 1 on, not {self.shorter_edge!r}")
        zooms = "crop" in self.augment or self.scale_jitter != (1.0, 1.0)
        said = {
            "shorter_edge": self.draws_shorter_edge,
            "augment resized_crop": "resized_crop" in self.augment,
            "stretch, crop or scale_jitter": self.stretch or zooms,
        }
        chosen = [name for name, is_so in said.items() if is_so]
        if len(chosen) > 1:
            raise TaskError(f"recipe: {chosen[0]} and {chosen[1]} both say which window is seen; leave one out")
        if not 0 < self.smallest_crop < 1:
            raise TaskError(
                f"recipe: smallest_crop is a share of the image's side in (0, 1), not {self.smallest_crop!r}"
            )
        if self.draws_shorter_edge and not self.eval_shorter_edge:
            raise TaskError("recipe: shorter_edge needs eval_shorter_edge, the size at which the model is evaluated")
        if self.eval_window and not self.eval_shorter_edge:
            raise TaskError("recipe: eval_window is cut from a photograph of eval_shorter_edge px; set that too")
        if self.stretch and self.eval_shorter_edge:
            raise TaskError("recipe: stretch and eval_shorter_edge both say what is evaluated; leave one out")

    @property
    def draws_shorter_edge(self) -> bool:
        """Whether a step resizes photographs to a shorter edge that is drawn."""
        return self.shorter_edge != NOT_DRAWN

    def side_of(self, stored: int) -> int:
        """Side in px of the images that a step sees, of squares stored at `stored` px."""
        return self.window or stored

    def smallest_side(self, stored: int) -> int:
        """The least side in px of any image that is learnt from or evaluated."""
        side = self.side_of(stored)
        return min(side, self.eval_window or self.eval_shorter_edge or side)

    def lr_at(self, step: int) -> float:
        """Learning rate of step `step` in 0 .. iterations - 1."""
        warmup = self.warmup_images / self.batch_size
        if step + 1 < warmup:
            return self.lr * (step + 1) / warmup
        done = (step - warmup) / max(1.0, self.iterations - warmup)
        done = min(1.0, max(0.0, done))
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * done))
        return self.lr * (1 - done) ** _POLY_POWER if self.schedule == "poly" else self.lr
