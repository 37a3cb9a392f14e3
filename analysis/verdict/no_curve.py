"""Are these errors a curve? Scores taken for errors rise with n, and errors at chance level say nothing of it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from analysis.laws import Floats

# One flat curve in forty looks as if it rose, and one falling curve in twenty as if it were flat.
_RISES, _FALLS = 0.975, 0.95
# Errors within so much of chance are at chance: where the classes are known, a share of the error and a factor of what
# guessing gets right; where they are guessed, a difference.
_NEAR, _LUCK, _GUESSED = 0.02, 1.5, 0.01
# Above this a flat curve is near the chance level of some number of classes.
_MANY_CLASSES = 0.89


def doubt(n: ArrayLike, error: ArrayLike, classes: int | None = None) -> str:
    """Why these runs may be no curve of errors, and what to do, in a clause; empty where they look like one.

    n > 0, error in (0, 1]: shape (runs,). classes: of the real task, of equal parts in its test set; None: not known.
    A rise is a slope of the errors against log n that is above 0 by a t test over the runs, at three sizes or more.
    """
    sizes, errors = np.asarray(n, dtype=np.float64), np.asarray(error, dtype=np.float64)
    if np.unique(sizes).size < 3:
        return ""
    if guessed := at_chance(sizes, errors, classes):
        return guessed
    if _chance_of_rise(sizes, errors) > _RISES:
        first, last = (float(errors[sizes == end].mean()) for end in (sizes.min(), sizes.max()))
        return (
            f"the errors rise with n, from {first:.1%} at n = {sizes.min():,.0f} to {last:.1%} at {sizes.max():,.0f},"
            " as scores would"
        )
    return ""


def doubt_of_labels(n: ArrayLike, s: ArrayLike, error: ArrayLike, classes: int | None = None) -> str:
    """Why runs over renders and labels may say nothing of labels, in a clause; empty where errors fall with labels.

    n >= 0, s > 0, error in (0, 1]: shape (runs,). classes: as for `doubt`. A fall is a slope of the errors against
    log s, within equal n or at the smallest n alone, that is below 0 by a t test; two degrees of freedom or more are
    needed for the first.
    """
    sizes, labels, errors = (np.asarray(each, dtype=np.float64) for each in (n, s, error))
    if classes is not None and (guessed := at_chance(sizes, errors, classes)):
        return guessed
    row = np.unique(sizes, return_inverse=True)[1].reshape(-1)
    if errors.size - row.max() - 2 < 2:
        return ""
    rise = _chance_of_slope(_within(row, np.log(labels)), _within(row, errors), errors.size - int(row.max()) - 2)
    # Where renders leave hardly anything to labels, the curve without them falls alone.
    least = row == 0
    alone = _chance_of_rise(labels[least], errors[least]) if np.unique(labels[least]).size > 2 else 1.0
    if min(rise, alone) <= 1 - _FALLS:
        return ""
    first, last = (float(errors[labels == end].mean()) for end in (labels.min(), labels.max()))
    ends = f"from {first:.1%} at s = {labels.min():,.0f} to {last:.1%} at {labels.max():,.0f}"
    told = (
        f"the errors rise with s, {ends}, as scores would"
        if rise > _RISES
        else f"the errors do not fall with s, {ends}"
    )
    return f"{told}: nothing says what a label is worth"


def chance_error(classes: int) -> float:
    """The error of guessing among so many classes of equal parts."""
    return 1 - 1 / classes


def at_chance(n: Floats, error: Floats, classes: int | None) -> str:
    """Why these errors say nothing: nobody guesses worse. As `doubt`, for three sizes or more."""
    mean = float(error.mean())
    if classes is not None:
        level = chance_error(classes)
        # Of many classes, one image in fifty right may be far above chance.
        if error.min() < max(level * (1 - _NEAR), 1 - _LUCK / classes):
            return ""
        return (
            f"every error is about {level:.1%} or above, the chance level of {classes} classes, so nothing was learnt"
        )
    flat = _chance_of_rise(n, error) > 1 - _FALLS and float(np.ptp(error)) < 0.1 * mean
    nearest = round(1 / (1 - mean)) if mean < 1 else 0
    near = mean >= _MANY_CLASSES or (nearest >= 2 and abs(mean - (1 - 1 / nearest)) < _GUESSED)
    if not flat or not near:
        return ""
    of = f"the chance level of {nearest} classes" if 2 <= nearest <= 20 else "what guessing gives with many classes"
    return f"the errors do not fall with n and are all about {mean:.0%}, {of}"


def _chance_of_rise(n: Floats, error: Floats) -> float:
    """P(slope > 0) of the errors against log n under a flat prior: Student's t with runs - 2 degrees of freedom."""
    return _chance_of_slope(np.log(n) - np.log(n).mean(), error - error.mean(), error.size - 2)


def _chance_of_slope(x: Floats, y: Floats, dof: int) -> float:
    """P(slope > 0) of y against x, both about their means; (runs,)."""
    slope = float(x @ y / (x @ x))
    left = y - slope * x
    scatter = float(np.sqrt(left @ left / dof / (x @ x)))
    # Rounding alone is no scatter, and no slope either.
    if abs(slope) < 1e-12:
        return 0.5
    return float(stdtr(dof, slope / max(scatter, 1e-12)))


def _within(row: NDArray[np.int_], values: Floats) -> Floats:
    """Values about the mean of their row; (runs,)."""
    return np.asarray(values - (np.bincount(row, values) / np.bincount(row))[row])
