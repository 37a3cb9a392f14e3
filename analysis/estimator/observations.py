"""The runs of an arm as a fit takes them, and the checks on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimator.test_images import ImageVariance
from analysis.laws import Floats

# An error of exactly 0 has no logarithm; half a part in ten thousand is below any test split's resolution.
SMALLEST_ERROR = 5e-5
# Nobody measures outside these limits, and there powers of n and squares of log errors lose the digits a fit needs.
SIZES = (1e-6, 1e15)
LEAST_ERROR = 1e-12
# Points of one training run repeat its noise. On 36 recorded few-shot curves, bands of 90 % held 58 % of later points
# when all points of a run were fitted, and 84 to 93 % when a dozen were.
TRAJECTORY_POINTS = 12


def log_errors(errors: ArrayLike) -> Floats:
    """Logarithms of errors in [0, 1], those below `SMALLEST_ERROR` raised to it; same shape."""
    logs: Floats = np.log(np.maximum(np.asarray(errors, dtype=np.float64), SMALLEST_ERROR))
    return logs


def log_counted(errors: ArrayLike, test_size: int | None = None) -> Floats:
    """The same, no mistake on `test_size` images being half of one where that is known; same shape."""
    return log_errors(counted_error(errors, test_size) if test_size else errors)


def error_of_run(errors: ArrayLike, test_size: int | None = None) -> float:
    """A run's error, as fits and decisions have it: the geometric mean over its fine-tunes, (fine-tunes,)."""
    return float(np.exp(log_counted(errors, test_size).mean()))


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

    `n` > 0: images. `error` in (0, 1]. `log_variance` >= 0: known variance of the log error, that of the finite test
    set included. `test_size`: test images of each run; None where it is not known. `images`: what the test images do to
    the log errors, where that was measured. `block`: a number for the block of
    each run; None where no two runs share one. `left_out`: points of trajectories that were thinned out.
    """

    n: Floats
    error: Floats
    log_variance: Floats
    test_size: Floats | None = None
    block: NDArray[np.intp] | None = None
    left_out: int = 0
    images: ImageVariance | None = None

    @property
    def sizes(self) -> int:
        """How many distinct n there are."""
        return int(np.unique(self.n).size)


def check_runs(
    arm: str,
    n: ArrayLike,
    error: ArrayLike,
    log_variance: ArrayLike | None = None,
    *,
    trajectory: ArrayLike | None = None,
    block: ArrayLike | None = None,
    test_size: ArrayLike | None = None,
    images: ImageVariance | None = None,
) -> Observed:
    """The observations as float arrays; ValueError of one line where they cannot be fitted.

    Arguments as in `analysis.fit_law`. `images`: measured, it stands in place of the binomial variance of `test_size`.
    """
    where = name_arm(arm)
    sizes, errors = _floats(where, "n", n), _floats(where, "error", error)
    given = np.zeros_like(sizes) if log_variance is None else _floats(where, "log_variance", log_variance)
    told = {"log_variance": log_variance, "trajectory": trajectory, "block": block}
    _check_lengths(where, {"n": sizes, "error": errors} | told)
    tested = None if test_size is None else _test_sizes(where, test_size, sizes.size)
    if tested is not None:
        errors = counted_error(errors, tested)
    if not sizes.size:
        raise ValueError(f"{where}no runs to fit; give at least one")
    if (sizes == 0).any():
        raise ValueError(f"{where}n = 0 (no pre-training) is the reference point; leave it outside the fit")
    _require(where, "n", sizes, sizes > 0, "sizes must be above 0 and finite")
    _require(where, "error", errors, (errors > 0) & (errors <= 1), "errors must lie in (0, 1]")
    _require(where, "n", sizes, (sizes >= SIZES[0]) & (sizes <= SIZES[1]), _SIZES_RULE)
    _require(where, "error", errors, errors >= LEAST_ERROR, f"no test set tells errors below {LEAST_ERROR:g} from 0")
    _require(where, "log_variance", given, given >= 0, "variances must be 0 or more and finite")
    if images is not None:
        # A run's repeats differ in the images they get wrong, so their variance holds what is its own of the images.
        given = np.maximum(given, images.own)
    elif tested is not None:
        given = given + binomial_log_variance(errors, tested)
    kept = np.arange(sizes.size) if trajectory is None else _thinned(sizes, _codes(trajectory))
    return Observed(
        sizes[kept],
        errors[kept],
        given[kept],
        None if tested is None else tested[kept],
        None if block is None else _shared(_codes(block)[kept]),
        sizes.size - kept.size,
        images,
    )


def counted_error(error: ArrayLike, test_size: ArrayLike) -> Floats:
    """The error of mistakes that were counted on `test_size` images: where there was none, half a mistake stands."""
    return np.where(np.asarray(error) == 0, 0.5 / np.asarray(test_size, dtype=np.float64), error)


def binomial_log_variance(error: Floats, test_size: ArrayLike) -> Floats:
    """Variance of the log of an error in (0, 1] that was counted on `test_size` images: (1 - e) / (e N), the delta
    method on a binomial share. An error of 1 counts as half a mistake less."""
    tested = np.asarray(test_size, dtype=np.float64)
    below_one = np.minimum(error, 1 - 0.5 / tested)
    variance: Floats = (1 - below_one) / (below_one * tested)
    return variance


def _check_lengths(where: str, given: Mapping[str, ArrayLike | None]) -> None:
    shapes = {name: np.shape(values) for name, values in given.items() if values is not None}
    for name, shape in shapes.items():
        if len(shape) != 1:
            raise ValueError(f"{where}{name} has {len(shape)} dimensions; give a flat list, one entry a run")
    if len(set(shapes.values())) > 1:
        counts = ", ".join(f"{size} {name}" for name, (size,) in shapes.items())
        raise ValueError(f"{where}lengths differ ({counts}); give one entry a run")


def _test_sizes(where: str, test_size: ArrayLike, runs: int) -> Floats:
    """One number of test images a run, from one for all or one for each."""
    given = _floats(where, "test_size", np.atleast_1d(np.asarray(test_size)))
    if given.size not in (1, runs):
        raise ValueError(f"{where}{given.size} test_size for {runs} runs; give one for all, or one entry a run")
    _require(where, "test_size", given, given >= 1, "give the number of test images, 1 or more")
    return np.broadcast_to(given, (runs,)).copy()


def _codes(values: ArrayLike) -> NDArray[np.intp]:
    """A number for each distinct value; entries of one value have one number, a missing one (None, nan) its own."""
    given = np.asarray(values, dtype=object).tolist()
    told = [f"\0{i}" if each is None or each != each else str(each) for i, each in enumerate(given)]
    return np.unique(told, return_inverse=True)[1]


def _shared(block: NDArray[np.intp]) -> NDArray[np.intp] | None:
    return block if np.unique(block).size < block.size else None


def _thinned(n: Floats, trajectory: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which points to keep: of a trajectory with more than TRAJECTORY_POINTS, those nearest to so many places that are
    even in log n, its first and last among them."""
    kept: list[int] = []
    for each in range(trajectory.max(initial=-1) + 1):
        points = np.flatnonzero(trajectory == each)
        if points.size > TRAJECTORY_POINTS:
            log_n = np.log(n[points])
            places = np.linspace(log_n.min(), log_n.max(), TRAJECTORY_POINTS)
            points = points[np.unique(np.abs(log_n[:, None] - places).argmin(axis=0))]
        kept += points.tolist()
    return np.array(sorted(kept), dtype=np.intp)


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
