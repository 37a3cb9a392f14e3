"""Which images a step sees and how they are changed: a function of (seed, step), for any number of workers."""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tasks.base import ArraySet
from tasks.data.keypoint_labels import mirrored_order
from tasks.recipes.recipe import Recipe
from tasks.training import windows
from tasks.training.views import placed

_COLOUR_JITTER = 0.3
# of all images, by `augment` grey; and what red, green and blue count in it (ITU-R BT.601, as Pillow has it)
_GREY_SHARE, _LUMA = 0.3, (0.299, 0.587, 0.114)
# a data set may fill this share of an accelerator's free memory; else it stays on the host
_RESIDENT_SHARE = 0.5
# draws for augmentation never share a stream with draws for the order
_ORDER, _AUGMENT = 0, 1


class Order:
    """Image indices of each global batch: epoch after epoch, each a fresh permutation by (seed, epoch)."""

    def __init__(self, size: int, batch_size: int, seed: int) -> None:
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self._epochs: dict[int, np.ndarray] = {}

    def _epoch(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            self._epochs = {key: value for key, value in self._epochs.items() if key == epoch - 1}
            self._epochs[epoch] = np.random.default_rng((self.seed, _ORDER, epoch)).permutation(self.size)
        return self._epochs[epoch]

    def batch(self, step: int) -> np.ndarray:
        """Indices (batch_size,) of the global batch of `step`; no step needs the ones before it."""
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = positions // self.size
        return np.concatenate([self._epoch(e)[positions[epochs == e] % self.size] for e in np.unique(epochs)])


def _as_tensor(array: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # read-only memory maps are only ever read here
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(array)


def _resident(data: Tensor, device: torch.device) -> Tensor:
    """The data on an accelerator where it fits there, else on the host."""
    if device.type == "cuda" and data.nbytes >= _RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        return data
    return data.to(device)


class Feed:
    """Batches of one data set on one device: gathered, augmented and normalised in single vectorised steps."""

    def __init__(self, data: ArraySet, device: torch.device) -> None:
        self.device, self.kind = device, data.label_kind
        self.mirror = mirrored_order(data.keypoint_names)
        self.images = _resident(_as_tensor(data.images), device)
        self.labels = _resident(_as_tensor(np.ascontiguousarray(data.labels)), device)
        self.stored = (data.images.shape[1], data.images.shape[2])
        whole = np.broadcast_to(np.array(self.stored, dtype=np.float64), (len(data), 2))
        # height and width in px of what of each square is photograph
        self.photographs = whole if data.content is None else data.content[:, ::-1].astype(np.float64)

    def plain(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Images as they are, float (B, 3, H, W) in [-1, 1], and their labels."""
        chosen = placed(indices, self.images.device)
        labels = self.labels[chosen.to(self.labels.device)].to(self.device)
        return normalised(self.images[chosen].to(self.device)), labels

    def test_sizes(self, indices: np.ndarray, recipe: Recipe | None) -> np.ndarray:
        """Height and width in px at which `test` shows these images, int64 (B, 2)."""
        if recipe is None:
            return np.broadcast_to(self.stored, (len(indices), 2))
        return windows.test_sizes(recipe, self.stored, self.photographs[indices])

    def test(self, indices: np.ndarray, recipe: Recipe | None) -> tuple[Tensor, Tensor]:
        """Images, all of one size, and labels as the recipe evaluates them; as they are without a recipe."""
        seen = None if recipe is None else windows.under_test(recipe, self.stored, self.photographs[indices])
        if seen is None or seen.are_whole(self.stored):
            return self.plain(indices)
        chosen = placed(indices, self.images.device)
        images = normalised(seen.of_images(self.images, chosen).to(self.device))
        # what is small counts: it is not to be learnt but to be found
        to_labels = chosen.to(self.labels.device), self.kind, self.stored, self.mirror
        labels = seen.of_labels(self.labels, *to_labels, least_side=0.0)
        return images, labels.to(self.device)

    def training(
        self, order: Order, step: int, recipe: Recipe, seed: int, parts: list[slice]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """These parts of the batch of `step`, augmented as the recipe says, each made when it is asked for."""
        rng = np.random.default_rng((seed, _AUGMENT, step))
        where, indices = self.images.device, order.batch(step)
        # drawn for the whole global batch, then cut, so that every number of workers sees the same images
        views = windows.drawn(rng, recipe, self.stored, self.photographs[indices])
        gains = rng.uniform(-1, 1, (2, order.batch_size))
        grey = rng.uniform(size=order.batch_size) < _GREY_SHARE
        for part in parts:
            chosen, seen = placed(indices[part], where), views.part(part)
            images = normalised(seen.of_images(self.images, chosen).to(self.device))
            if "grey" in recipe.augment:
                images = _without_colour(images, placed(grey[part], self.device))
            if "colour" in recipe.augment:
                images = _jitter(images, placed(gains[:, part].astype(np.float32), self.device))
            to_labels = chosen.to(self.labels.device), self.kind, self.stored, self.mirror
            labels = seen.of_labels(self.labels, *to_labels)
            yield images, labels.to(self.device)


def normalised(images: Tensor) -> Tensor:
    """Images (B, H, W, 3) of 0 to 255 as float (B, 3, H, W) of -1 to 1."""
    # a (B, H, W, 3) buffer seen as (B, 3, H, W) already is channels_last: no copy
    return images.permute(0, 3, 1, 2).float().mul_(1 / 127.5).sub_(1)


def _without_colour(images: Tensor, grey: Tensor) -> Tensor:
    """Images (B, 3, H, W) of which those that `grey`, bool (B,), names have one channel three times."""
    luma = torch.einsum("bchw,c->bhw", images, images.new_tensor(_LUMA))[:, None]
    return torch.where(grey.view(-1, 1, 1, 1), luma, images)


def _jitter(images: Tensor, gains: Tensor) -> Tensor:
    """Brightness and contrast changed by up to `_COLOUR_JITTER`; gains (2, B) in [-1, 1]."""
    shift, stretch = (_COLOUR_JITTER * gains).view(2, -1, 1, 1, 1)
    centre = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - centre) * (1 + stretch) + centre + shift
