"""What a fit says of an arm's law: its values with their uncertainty, forecasts, and answers about the error itself."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

from analysis.estimator.identified import noise_unknown, slope_is_prior
from analysis.estimator.observations import LEAST_ERROR, binomial_log_variance
from analysis.estimator.test_images import ImageVariance
from analysis.laws import Floats, LawSamples, law_error

Method = Literal["posterior", "nls"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """One inferred number: `mean`, `sd` and the shortest intervals.

    From the posterior: its mean and sd. From least squares: the optimum and its standard error (nan where it
    sits on a bound or there are no spare runs).
    """

    mean: float
    sd: float
    draws: Floats

    @property
    def median(self) -> float:
        """Median of the draws: what stands for a value whose few largest draws decide the mean, as D's may."""
        return float(np.median(self.draws))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The shortest interval that holds `level` (0 to 1) of the draws."""
        low, high = shortest_interval(self.draws, level)
        return float(low), float(high)


@dataclass(frozen=True, eq=False)
class LawFit:
    """What the runs of one arm say of law (1).

    `n`, `error`, `log_variance` (runs,): the runs fitted, in the order given. `alpha`, `C`, `D`: the law's
    values; `sigma`: the run noise as a standard deviation of log error. `samples`: joint draws of the four.
    `identified` is False where the data do not determine alpha or C; `reason` says why in words. `outlier` (runs,): the
    probability that a run is an outlier, 0 unless the prior allows any (`Prior.outlier_share`). `beyond_prior`: why the
    intervals of this fit cannot be trusted; empty where the runs lie within the prior's range. `test_size` (runs,):
    test images, None where that is not known. `left_out`: points of trajectories that were thinned out.
    `images`: what the test images do to the log errors, None where that was not measured. `residual_dof`: runs beyond
    the values that they determine, over the arms of the group; from `FEWEST_RESIDUAL_DOF` on they say how large the run
    noise is.
    """

    n: Floats
    error: Floats
    log_variance: Floats
    method: Method
    alpha: Estimate
    C: Estimate
    D: Estimate
    sigma: Estimate
    samples: LawSamples
    identified: bool
    reason: str
    outlier: Floats
    beyond_prior: str = ""
    test_size: Floats | None = None
    left_out: int = 0
    residual_dof: int = 0
    images: ImageVariance | None = None

    @property
    def noise_unknown(self) -> str:
        """Why these runs and those of the group do not say how large their noise is; empty where they do."""
        return noise_unknown(self.residual_dof, self.n)

    @property
    def slope_is_prior(self) -> bool:
        """Whether the runs do not determine alpha and its posterior is hardly narrower than its prior."""
        return self.method == "posterior" and not self.identified and slope_is_prior(self.samples)

    @cached_property
    def level_shift(self) -> Floats:
        """Draws of the log error on all images there could be over that on the test set, which all runs share; zeros
        where the test set's size is not known; (draws,).

        Answers about the error itself carry it. Where it was not measured on resampled images, the runs' own variance
        already holds a share 1 / runs of it, since each run is then taken as tested on images of its own: how alike
        runs on the same images err is not known from errors.
        """
        if self.images is not None:
            return self.arm_shift + _shift(self.images.in_all, np.random.default_rng(1), self.samples.alpha.size)
        if self.test_size is None:
            return np.zeros(self.samples.alpha.size)
        at_top = np.clip(self.predict(self.n.max()), LEAST_ERROR, 1.0)
        variance = binomial_log_variance(at_top, np.median(self.test_size)) * (1 - 1 / self.n.size)
        return _shift(float(variance), np.random.default_rng(1), self.samples.alpha.size)

    @cached_property
    def arm_shift(self) -> Floats:
        """The part of `level_shift` that this arm does not have in common with others on the same test images, which
        differences between arms carry; (draws,)."""
        variance = 0.0 if self.images is None else self.images.in_arm
        return _shift(variance, np.random.default_rng(crc32(self.error.tobytes())), self.samples.alpha.size)

    def gap(self) -> Floats:
        """Draws of the error that any number of images would leave, on all images there could be; (draws,)."""
        return self.samples.gap() * np.exp(self.level_shift)

    def n_needed(self, target_error: float) -> Floats:
        """Draws of the smallest n whose error on all images is `target_error`, inf where C is above it; (draws,)."""
        return self.samples.n_needed(target_error / np.exp(self.level_shift))

    def predict(self, n: ArrayLike) -> Floats:
        """Error expected at n (any shape): the mean over the draws, which has the least squared error of a forecast, or
        the curve of the least squares optimum."""
        if self.method == "nls":
            return law_error(n, self.alpha.mean, self.C.mean, self.D.mean)
        return self.samples.error(n).mean(axis=0)

    def median_curve(self, n: ArrayLike) -> Floats:
        """The error that is as probably exceeded as not, at each n (any shape): what is drawn and said; of least
        squares its optimum."""
        return self.predict(n) if self.method == "nls" else np.median(self.samples.error(n), axis=0)

    def band(self, n: ArrayLike, level: float = 0.9, *, new_run: bool = False) -> tuple[Floats, Floats]:
        """Lower and upper bound of the mean error at n; with `new_run`, of one further run and its noise."""
        curves = self.samples.error(n)
        if new_run:
            noise = np.random.default_rng(0).standard_normal(curves.shape)
            variance = self.samples.sigma.reshape((-1,) + (1,) * (curves.ndim - 1)) ** 2
            if self.test_size is not None:
                variance = variance + binomial_log_variance(np.minimum(curves, 1.0), self.test_size.min())
            curves = curves * np.exp(np.sqrt(variance) * noise)
        return shortest_interval(curves, level)

    def __str__(self) -> str:
        parts, draws = list[str](), self.gap()
        # C as verdicts have it: what any number of images would leave.
        gap = self.C if self.method == "nls" else Estimate(float(draws.mean()), float(draws.std()), draws)
        for name, value in (("alpha", self.alpha), ("C", gap), ("D", self.D), ("sigma", self.sigma)):
            low, high = value.interval(0.95)
            middle = value.mean if self.method == "nls" else value.median
            parts.append(f"{name} {middle:.4g} ({low:.4g} to {high:.4g})")
        told = "optima" if self.method == "nls" else "medians"
        known = "identified" if self.identified else "not identified"
        thinned = f" ({self.left_out} more points of their trajectories left out)" if self.left_out else ""
        law = f"error(n) = D n^-alpha + C over {self.n.size} runs{thinned}, {told} and 95 % intervals"
        return f"{law}: {', '.join(parts)}; {known}: {self.reason}"


def _shift(variance: float, rng: np.random.Generator, draws: int) -> Floats:
    """Draws of a normal shift of a log error; less half the variance, so that the error is on average the same."""
    return float(np.sqrt(variance)) * rng.standard_normal(draws) - variance / 2


def shortest_interval(draws: Floats, level: float) -> tuple[Floats, Floats]:
    """Ends of the shortest interval that holds `level` of the draws, (draws, ...); each of shape (...).

    The density of C may fall from 0 on. An interval with equal tails would then leave out the most probable values and
    would be wider.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie between 0 and 1, for example 0.95")
    ordered = np.sort(draws, axis=0)
    inside = min(int(np.ceil(level * draws.shape[0])), draws.shape[0] - 1)
    best = (ordered[inside:] - ordered[: draws.shape[0] - inside]).argmin(axis=0)[None]
    low, high = np.take_along_axis(ordered, best, axis=0), np.take_along_axis(ordered, best + inside, axis=0)
    return low[0], high[0]
