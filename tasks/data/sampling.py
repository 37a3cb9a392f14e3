"""Which images of a data set are trained on: subsets, folds, and whether they show anything."""

import numpy as np

from tasks.base import ArraySet, TaskError
from tasks.data.cache.split import Split, WholeSplit

# what can be drawn from: labels do, whether or not there are pixels
Labelled = ArraySet | Split | WholeSplit


def shows_anything(data: Labelled, indices: np.ndarray) -> bool:
    """Whether a label of any of these images counts: else there is nothing to learn, and no metric is defined.

    Of a Split whose labels are maps these images are decoded.
    """
    form = data.form
    return form.one_class or any(bool(form.counting(data.labels[i]).any()) for i in indices)


def subset(
    train: Labelled,
    *,
    fraction: float | None = None,
    count: int | None = None,
    seed: int,
    balanced: bool | None = None,
    among: np.ndarray | None = None,
) -> np.ndarray:
    """Indices (s,) of a draw by `count`, or by `fraction` in (0, 1] of the set; int64, in draw order.

    among: indices (M,) of the set, which alone are drawn from; None = all of it.

    For one seed a smaller draw is the beginning of a larger one. balanced: class counts differ by one at most until
    a class has no image left, where an image with several classes counts for the rarest of them; otherwise every image
    is as likely as any. Left out, it is so where each image has one class. No photograph is decoded for it; of labels
    that are maps a balanced draw reads every map once. Raises TaskError for an impossible draw.
    """
    if (fraction is None) == (count is None):
        raise TaskError("subset: give either fraction or count")
    if fraction is not None:
        if not 0 < fraction <= 1:
            raise TaskError(f"subset: fraction must lie in (0, 1], not {fraction}")
        count = round(fraction * len(train))
    there = np.arange(len(train)) if among is None else among
    if count is None or not 1 <= count <= len(there):
        raise TaskError(f"subset: {count} images were asked for, the set has {len(there)}")
    rng = np.random.default_rng(seed)
    if balanced or (balanced is None and train.form.one_class):
        return there[_round_robin(_rarest_classes(train)[there], rng, count)]
    return there[rng.permutation(len(there))[:count]]


def _rarest_classes(data: Labelled) -> np.ndarray:
    """One class (N,) for each image: the rarest of those that it shows, or a class of its own for those without any."""
    if data.form.one_class:
        return data.labels
    shows = _classes_shown(data)
    images_of = np.where(shows, shows.sum(axis=0), len(data) + 1)
    return np.where(shows.any(axis=1), images_of.argmin(axis=1), len(data.class_names))


def _classes_shown(data: Labelled) -> np.ndarray:
    """Which classes each image shows, bool (N, K)."""
    known, form = len(data.class_names), data.form
    if form.shape == "K":
        return np.asarray(data.labels > 0)
    if not form.class_numbers:
        raise TaskError(f"subset: {data.label_kind} labels have no classes to balance; set balanced to false")
    if form.is_map and not isinstance(data, ArraySet):
        return data.classes_shown
    shows = np.zeros((len(data), known), bool)
    for place, label in zip(shows, data.labels, strict=True):
        numbers = np.unique(form.telling(label)).astype(int)
        place[numbers[(numbers >= 0) & (numbers < known)]] = True
    return shows


def folds(indices: np.ndarray, labels: np.ndarray, k: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """k pairs (train, validation) of `indices`, each index in one validation part.

    labels: of the whole set, looked up by `indices`; where they are class indices (N,), the parts are class-balanced.
    Raises TaskError for k outside 2..len(indices).
    """
    if not 2 <= k <= len(indices):
        raise TaskError(f"folds: k must lie in 2..{len(indices)}, not {k}")
    one_class = labels if labels.ndim == 1 else np.zeros(len(labels), np.int64)
    dealt = _sorted_by_class(one_class[indices], np.random.default_rng(seed))
    parts = [indices[dealt[fold::k]] for fold in range(k)]
    return [(np.concatenate(parts[:fold] + parts[fold + 1 :]), parts[fold]) for fold in range(k)]


def _sorted_by_class(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions (N,) grouped by class, shuffled within each."""
    shuffled = rng.permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


def _round_robin(labels: np.ndarray, rng: np.random.Generator, wanted: int) -> np.ndarray:
    """The first `wanted` positions in rounds: one image of every class that has any left, classes shuffled in each."""
    grouped = _sorted_by_class(labels, rng)
    counts = np.bincount(labels)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    rounds = np.arange(len(labels)) - starts
    within_round = rng.random(len(labels))
    # later rounds need no order
    last = np.searchsorted(np.cumsum(np.bincount(rounds)), wanted)
    early = np.flatnonzero(rounds <= last)
    return np.asarray(grouped[early[np.lexsort((within_round[early], rounds[early]))]][:wanted])
