"""What a training draws at random: the same for an image however its batch is cut over workers and parts.

torch's own layers draw for the images at hand, so that two workers drop something else than one does. Here every draw
is an image's own, by its place in the global batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

# draws of one purpose never share a stream with those of another, nor with those of tasks/training/batches.py
_DROPOUT, _REGIONS = 2, 3
# the name under which torchvision's detectors keep theirs
_SAMPLER = "fg_bg_sampler"
_Choice = tuple[list[Tensor], list[Tensor]]


@dataclass
class Place:
    """Where in the training the model is: the step, and which images of the global batch it is shown."""

    seed: int
    batch_size: int
    step: int
    part: slice

    def draw(self, purpose: int, *which: int) -> int:
        """A seed for one of this step's draws of a purpose."""
        words = np.random.SeedSequence((self.seed, purpose, self.step, *which)).generate_state(1, np.uint64)
        return int(words[0])


class BatchDropout(nn.Module):
    """Dropout whose mask of an image is a function of (seed, step, layer, place in the batch).

    whole: drops all of an image's tensor or nothing, as stochastic depth does (Huang et al. 2016), not single numbers.
    """

    def __init__(self, p: float, whole: bool, place: Place, layer: int) -> None:
        super().__init__()
        self.p, self.whole, self.place, self.layer = p, whole, place, layer

    def forward(self, x: Tensor) -> Tensor:
        """What is kept of (B, ...), scaled up by what is dropped; in eval mode all of it."""
        if not self.training:
            return x
        kept = self._kept_images(x) if self.whole else self._kept_numbers(x)
        return x * kept.div_(1 - self.p)

    def _kept_images(self, x: Tensor) -> Tensor:
        """1 or 0 an image: so few that all workers draw those of the whole batch, at once."""
        kept = x.new_empty((self.place.batch_size, *[1] * (x.ndim - 1)))
        generator = torch.Generator(x.device).manual_seed(self.place.draw(_DROPOUT, self.layer))
        return kept.bernoulli_(1 - self.p, generator=generator)[self.place.part]

    def _kept_numbers(self, x: Tensor) -> Tensor:
        """1 or 0 a number: so many that each image has a stream of its own, and nobody draws for another worker."""
        kept, generator = x.new_empty(x.shape), torch.Generator(x.device)
        for image, numbers in enumerate(kept, start=self.place.part.start):
            generator.manual_seed(self.place.draw(_DROPOUT, self.layer, image))
            numbers.bernoulli_(1 - self.p, generator=generator)
        return kept


@dataclass
class RegionChoice:
    """The regions of each image that a detector learns from, by (seed, step, head, image), not by who holds the image.

    choose: torchvision's sampler, which draws from the global stream.
    """

    choose: Callable[[list[Tensor]], _Choice]
    place: Place
    head: int

    def __call__(self, matched: list[Tensor]) -> _Choice:
        """Masks of the chosen regions with and without an object, from what every image's regions show."""
        chosen: _Choice = [], []
        for image, regions in enumerate(matched, start=self.place.part.start):
            torch.manual_seed(self.place.draw(_REGIONS, self.head, image))
            for masks, (mask,) in zip(chosen, self.choose([regions]), strict=True):
                masks.append(mask)
        return chosen


def share_draws(model: nn.Module, place: Place) -> None:
    """Let all that `model` draws at random be drawn for the batch at `place`; a second call binds it anew."""
    layers = [(parent, name, child) for parent in model.modules() for name, child in parent.named_children()]
    dropping = [each for each in layers if _rate(each[2]) > 0]
    for layer, (parent, name, child) in enumerate(dropping):
        whole = child.whole if isinstance(child, BatchDropout) else not isinstance(child, nn.Dropout)
        setattr(parent, name, BatchDropout(_rate(child), whole, place, layer))
    choosing = [module for module in model.modules() if hasattr(module, _SAMPLER)]
    for head, module in enumerate(choosing):
        sampler = getattr(module, _SAMPLER)
        choose = sampler.choose if isinstance(sampler, RegionChoice) else sampler
        setattr(module, _SAMPLER, RegionChoice(choose, place, head))


def _rate(layer: nn.Module) -> float:
    """The share that a layer drops; 0 for one of another kind."""
    # torchvision, which has the last of them, takes seconds to import: models without it must not pay for that
    if type(layer).__name__ == "DropPath":
        # timm's name for the same
        return cast(float, layer.drop_prob or 0.0)
    drops = isinstance(layer, nn.Dropout | BatchDropout) or type(layer).__name__ == "StochasticDepth"
    return cast(float, layer.p) if drops else 0.0
