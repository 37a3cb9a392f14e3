"""Controls: data sets that look like the real ones and have nothing to teach."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from tasks.base import ArraySet, drop_pages

# never the stream of an order or an augmentation of the same seed
_STREAM = 7
# of maps on disk, so many are in memory
_ROWS_AT_ONCE = 256


def with_shuffled_labels(data: ArraySet, seed: int) -> ArraySet:
    """The same images, each with the label of another drawn by `seed`: every label stays as frequent as it was.

    Pre-training on them sees the images' statistics, the optimiser's steps and the class frequencies, but no relation
    between image and label (Zhang et al. 2017, "Understanding deep learning requires rethinking generalization").
    """
    dealt = np.random.default_rng((seed, _STREAM)).permutation(len(data))
    return dataclasses.replace(data, labels=_dealt(data.labels, dealt))


def _dealt(labels: np.ndarray, order: np.ndarray) -> np.ndarray:
    """labels[order]; where they are on disk, so is the result, in a file that is gone with it."""
    if not isinstance(labels, np.memmap) or labels.filename is None:
        return labels[order]
    with tempfile.TemporaryFile(dir=Path(labels.filename).parent) as file:
        made = np.memmap(file, labels.dtype, "w+", shape=labels.shape)
        for place, index in enumerate(order.tolist()):
            made[place] = labels[index]
            if place % _ROWS_AT_ONCE == 0:
                drop_pages(made)
                drop_pages(labels)
    return made
