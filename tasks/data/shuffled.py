"""Controls: data sets that look like the real ones and have nothing to teach."""

import dataclasses

import numpy as np

from tasks.base import ArraySet

# never the stream of an order or an augmentation of the same seed
_STREAM = 7


def with_shuffled_labels(data: ArraySet, seed: int) -> ArraySet:
    """The same images, each with the label of another drawn by `seed`: every label stays as frequent as it was.

    Pre-training on them sees the images' statistics, the optimiser's steps and the class frequencies, but no relation
    between image and label (Zhang et al. 2017, "Understanding deep learning requires rethinking generalization").
    """
    dealt = np.random.default_rng((seed, _STREAM)).permutation(len(data))
    return dataclasses.replace(data, labels=data.labels[dealt])
