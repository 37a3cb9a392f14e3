"""What measured curves with repeated seeds say of the estimator: its noise model, its bands and its verdicts.

Unlike the worlds of `evidence.worlds`, nobody knows the law of these curves. What is held out of a fit, a seed or the
largest sizes, is what judges it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.estimator.fit import fit_law
from analysis.laws import Floats
from analysis.verdict.verdict import verdict

# Beyond so many standard errors of the measured gain, a verdict counts as right or wrong; nearer, as neither.
_CLEAR = 2.0
# Fits see sizes up to a quarter of the largest; predictions are of the half and the whole.
_HELD_OUT = 4


@dataclass(frozen=True, eq=False)
class SeededCurve:
    """Every pre-training of one arm on one real task; all of shape (runs,).

    `n`: images. `seed`. `log_error`: the mean over a run's fine-tunes. `variance`: of one fine-tune's log error about
    it, nan where there is one fine-tune. `repeats`: fine-tunes of the run.
    """

    n: Floats
    seed: Floats
    log_error: Floats
    variance: Floats
    repeats: Floats

    def where(self, chosen: np.ndarray) -> "SeededCurve":
        """The runs that a mask (runs,) chooses."""
        return SeededCurve(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True)
class Noise:
    """Run noise at one size over all curves, as standard deviations of log error.

    `finetune`: of one fine-tune. `pretrain`: of one pre-training beyond its fine-tunes' share, 0 where that explains
    all. `dof`: residual degrees of freedom of the latter.
    """

    n: int
    finetune: float
    pretrain: float
    dof: int


@dataclass(frozen=True)
class Coverage:
    """How many held-out runs lay in the 95 % band for a further run, of how many; `identified` of the fits."""

    inside: int
    runs: int
    identified: int
    fits: int


@dataclass(frozen=True)
class Judged:
    """Verdicts on the next doubling from sizes below the largest, judged by the largest: right, wrong, or too near."""

    right: int
    wrong: int
    near: int
    none: int


def noise_by_size(curves: Sequence[SeededCurve]) -> list[Noise]:
    """The noise at each size that has a size's seeds twice in a curve: method of moments, pooled over curves."""
    sizes = sorted({int(n) for curve in curves for n in curve.n})
    return [noise for n in sizes if (noise := _noise(n, [curve.where(curve.n == n) for curve in curves])) is not None]


def _noise(n: int, at_size: Sequence[SeededCurve]) -> Noise | None:
    several = [curve for curve in at_size if curve.n.size > 1]
    dof = sum(curve.n.size - 1 for curve in several)
    repeated = [(curve.variance, curve.repeats - 1) for curve in at_size]
    variances, weights = (np.concatenate(parts) for parts in zip(*repeated, strict=True))
    known = weights > 0
    if not dof or not known.any():
        return None
    within = float(np.average(variances[known], weights=weights[known]))
    between = sum((curve.n.size - 1) * curve.log_error.var(ddof=1) for curve in several) / dof
    shared = within * float(np.mean(np.concatenate([1 / curve.repeats for curve in several])))
    return Noise(n, within**0.5, max(0.0, between - shared) ** 0.5, dof)


def held_out_seeds(curves: Mapping[str, SeededCurve]) -> Coverage:
    """Each seed in turn is hidden, with all sizes above a quarter of the curve's largest; its runs at these are what is
    predicted."""
    inside, identified = list[bool](), list[bool]()
    for curve in curves.values():
        largest_seen = curve.n.max() / _HELD_OUT
        for seed in np.unique(curve.seed):
            seen = curve.where((curve.seed != seed) & (curve.n <= largest_seen))
            later = curve.where((curve.seed == seed) & (curve.n > largest_seen))
            if np.unique(seen.n).size < 3 or not later.n.size:
                continue
            fit = fit_law(seen.n, np.exp(seen.log_error), log_variance=_variance_of_means(seen))
            low, high = fit.band(later.n, 0.95, new_run=True)
            inside += ((low <= np.exp(later.log_error)) & (np.exp(later.log_error) <= high)).tolist()
            identified.append(fit.identified)
    return Coverage(sum(inside), len(inside), sum(identified), len(identified))


def judge_doublings(curves: Mapping[str, SeededCurve], min_gain: float = 0.01) -> Judged:
    """The verdict on the doubling to the largest size, from all smaller sizes, beside what that doubling gained.

    A curve counts where its two largest sizes are a doubling and either has two runs. The gain's standard error is from
    the scatter of these runs; within two of them of `min_gain` the verdict is too near to be judged.
    """
    counts = {"right": 0, "wrong": 0, "near": 0, "none": 0}
    for curve in curves.values():
        sizes = np.unique(curve.n)
        if sizes.size < 4 or sizes[-1] != 2 * sizes[-2]:
            continue
        last, top = (curve.where(curve.n == n) for n in sizes[-2:])
        if min(last.n.size, top.n.size) < 2:
            continue
        seen = curve.where(curve.n < sizes[-1])
        fit = fit_law(seen.n, np.exp(seen.log_error), log_variance=_variance_of_means(seen))
        counts[_outcome(verdict(fit, min_gain=min_gain).label, last, top, min_gain)] += 1
    return Judged(**counts)


def _outcome(label: str, last: SeededCurve, top: SeededCurve, min_gain: float) -> str:
    if label not in ("render more", "change the rendering"):
        return "none"
    fall = last.log_error.mean() - top.log_error.mean() + np.log1p(-min_gain)
    pooled = np.concatenate([each.log_error - each.log_error.mean() for each in (last, top)])
    variance = (pooled**2).sum() / (pooled.size - 2)
    if abs(fall) < _CLEAR * np.sqrt(variance * (1 / last.n.size + 1 / top.n.size)):
        return "near"
    return "right" if (fall > 0) == (label == "render more") else "wrong"


def _variance_of_means(curve: SeededCurve) -> Floats:
    """Of the mean over each run's fine-tunes; one fine-tune's variance is the mean over the curve's runs."""
    if np.isnan(curve.variance).all():
        return np.zeros(curve.n.size)
    mean: Floats = np.nanmean(curve.variance) / curve.repeats
    return mean
