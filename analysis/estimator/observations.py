"""The runs of an arm as a fit takes them, and the checks on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.laws import Floats

# An error of exactly 0 has no logarithm; half a part in ten thousand is below any test split's resolution.
SMALLEST_ERROR = 5e-5
# Nobody measures outside these limits, and there powers of n and squares of log errors lose the digits a fit needs.
SIZES = (1e-6, 1e15)
LEAST_ERROR = 1e-12


def log_errors(errors: ArrayLike) -> Floats:
    """Logarithms of errors in [0, 1], those below `SMALLEST_ERROR` raised to it; same shape."""
    logs: Floats = np.log(np.maximum(np.asarray(errors, dtype=np.float64), SMALLEST_ERROR))
    return logs


_SIZES_RULE = f"sizes must lie between {SIZES[0]:g} and {SIZES[1]:g}"


@dataclass(frozen=True, eq=False)
class Repeated:
    """Runs of one arm, each the mean of its fine-tunes; arrays of shape (runs,).

    `n`: images. `error`: geometric mean over the fine-tunes. `spread`: sample variance of their log errors, anything
    where there is one. `repeats` >= 1: fine-tunes.
    """

    n: ArrayLike
    error: ArrayLike
    spread: ArrayLike
    repeats: ArrayLike


def with_pooled_variance(
    arms: Mapping[str, Repeated], groups: Mapping[str, str]
) -> dict[str, tuple[ArrayLike, ArrayLike, Floats]]:
    """(n, error, log variance) of each arm, as `fit_laws` takes it: fine-tunes of a group's arms have one variance.

    A run's own spread cannot serve as its known variance: where few fine-tunes agree by chance, their run would
    outweigh all others. The variance is 0 where no run of the group has two fine-tunes.
    """
    variance = {group: _within([arms[arm] for arm in arms if groups[arm] == group]) for group in set(groups.values())}
    return {
        arm: (runs.n, runs.error, variance[groups[arm]] / np.asarray(runs.repeats, dtype=np.float64))
        for arm, runs in arms.items()
    }


def _within(arms: Sequence[Repeated]) -> float:
    """Variance of a fine-tune's log error about its run's mean."""
    spread = np.concatenate([np.asarray(runs.spread, dtype=np.float64) for runs in arms] or [np.zeros(0)])
    freedom = np.concatenate([np.asarray(runs.repeats, dtype=np.float64) - 1 for runs in arms] or [np.zeros(0)])
    several = freedom > 0
    return float(np.average(spread[several], weights=freedom[several])) if several.any() else 0.0


@dataclass(frozen=True, eq=False)
class Observed:
    """One entry a run, arrays of shape (runs,).

    `n` > 0: images. `error` in (0, 1]. `log_variance` >= 0: known variance of the log error.
    """

    n: Floats
    error: Floats
    log_variance: Floats

    @property
    def sizes(self) -> int:
        """How many distinct n there are."""
        return int(np.unique(self.n).size)


def check_runs(arm: str, n: ArrayLike, error: ArrayLike, log_variance: ArrayLike | None = None) -> Observed:
    """The observations as float arrays; ValueError of one line where they cannot be fitted."""
    where = name_arm(arm)
    sizes, errors = _floats(where, "n", n), _floats(where, "error", error)
    given = np.zeros_like(sizes) if log_variance is None else _floats(where, "log_variance", log_variance)
    if not sizes.size == errors.size == given.size:
        counts = f"{sizes.size} n, {errors.size} error" + f", {given.size} log_variance" * (log_variance is not None)
        raise ValueError(f"{where}lengths differ ({counts}); give one entry a run")
    if not sizes.size:
        raise ValueError(f"{where}no runs to fit; give at least one")
    if (sizes == 0).any():
        raise ValueError(f"{where}n = 0 (no pre-training) is the reference point; leave it outside the fit")
    _require(where, "n", sizes, sizes > 0, "sizes must be above 0 and finite")
    _require(where, "error", errors, (errors > 0) & (errors <= 1), "errors must lie in (0, 1]")
    _require(where, "n", sizes, (sizes >= SIZES[0]) & (sizes <= SIZES[1]), _SIZES_RULE)
    _require(where, "error", errors, errors >= LEAST_ERROR, f"no test set tells errors below {LEAST_ERROR:g} from 0")
    _require(where, "log_variance", given, given >= 0, "variances must be 0 or more and finite")
    return Observed(sizes, errors, given)


def name_arm(arm: str) -> str:
    """How an error line begins: the arm where it has a name."""
    return f"arm {arm!r}: " if arm else ""


def _floats(where: str, name: str, values: ArrayLike) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{where}{name} holds something that is no number; give numbers") from None
    if array.ndim != 1:
        raise ValueError(f"{where}{name} has {array.ndim} dimensions; give a flat list, one entry a run")
    return array


def _require(where: str, name: str, values: Floats, good: NDArray[np.bool_], rule: str) -> None:
    bad = np.flatnonzero(~(good & np.isfinite(values)))
    if bad.size:
        raise ValueError(f"{where}{name} holds {values[bad[0]]:g} (entry {bad[0] + 1}); {rule}")
