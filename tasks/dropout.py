"""What is dropped at random, drawn for the global batch: how a batch is cut over workers or parts changes nothing.

torch's own layers draw for the images at hand, so that two workers drop something else than one does. Here each layer
draws for all images of the batch and keeps the rows of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

# draws for dropout never share a stream with those of tasks/batches.py
_DROPOUT = 2


@dataclass
class Place:
    """Where in the training the model is: the step, and which images of the global batch it is shown."""

    seed: int
    batch_size: int
    step: int
    part: slice


class BatchDropout(nn.Module):
    """Dropout whose mask is a function of (seed, step, layer) for the whole batch, cut to the images at hand.

    whole: drops all of an image's tensor or nothing, as stochastic depth does (Huang et al. 2016), not single numbers.
    """

    def __init__(self, p: float, whole: bool, place: Place, layer: int) -> None:
        super().__init__()
        self.p, self.whole, self.place, self.layer = p, whole, place, layer

    def forward(self, x: Tensor) -> Tensor:
        """What is kept of (B, ...), scaled up by what is dropped; in eval mode all of it."""
        if not self.training:
            return x
        words = np.random.SeedSequence((self.place.seed, _DROPOUT, self.place.step, self.layer))
        generator = torch.Generator(x.device).manual_seed(int(words.generate_state(1, np.uint64)[0]))
        one = [1] * (x.ndim - 1) if self.whole else x.shape[1:]
        kept = x.new_empty((self.place.batch_size, *one)).bernoulli_(1 - self.p, generator=generator)
        # a copy, so that no more than this part lives on until the gradient
        return x * kept[self.place.part].div(1 - self.p)


def share_dropout(model: nn.Module, place: Place) -> None:
    """Let every layer of `model` that drops at random draw for the batch at `place`; a second call binds it anew."""
    places = [(parent, name, child) for parent in model.modules() for name, child in parent.named_children()]
    dropping = [each for each in places if _rate(each[2]) > 0]
    for layer, (parent, name, child) in enumerate(dropping):
        whole = child.whole if isinstance(child, BatchDropout) else not isinstance(child, nn.Dropout)
        setattr(parent, name, BatchDropout(_rate(child), whole, place, layer))


def _rate(layer: nn.Module) -> float:
    """The share that a layer drops; 0 for one of another kind."""
    # torchvision, which has the last of them, takes seconds to import: models without it must not pay for that
    drops = isinstance(layer, nn.Dropout | BatchDropout) or type(layer).__name__ == "StochasticDepth"
    return cast(float, layer.p) if drops else 0.0
