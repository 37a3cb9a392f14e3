"""Is pre-training on renders better than none? An arm's law against its n = 0 reference."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.estimator.law_fit import LawFit
from analysis.estimator.observations import binomial_log_variance, log_errors
from analysis.estimator.test_images import ImageVariance
from analysis.laws import Floats

Finding = Literal["better", "worse", "not shown"]


@dataclass(frozen=True)
class Comparison:
    """The arm's error at n, by its law, against no pre-training.

    `error`, `reference`: medians, in (0, 1]; `repeats`: fine-tunes without pre-training. `saved`: the median of
    reference - error, below 0 where the arm is worse, and `interval`, which holds 95 % of it with equal tails.
    `probability`: that the arm's error is lower.
    """

    n: int
    error: float
    reference: float
    repeats: int
    saved: float
    interval: tuple[float, float]
    probability: float

    @property
    def finding(self) -> Finding:
        """What is shown: the interval lies on one side of 0, or on both."""
        low, high = self.interval
        return "better" if low > 0 else "worse" if high < 0 else "not shown"

    @property
    def difference(self) -> str:
        """By how much, with the interval; no whole sentence."""
        low, high = self.interval
        less, least, most = (self.saved, low, high) if self.saved > 0 else (-self.saved, -high, -low)
        side = "lower" if self.saved > 0 else "higher"
        interval = f"95% interval {100 * least:.1f} to {100 * most:.1f}"
        return f"with {self.n:,} images the error is, by the law, {100 * less:.1f} points {side} ({interval})"

    @property
    def sentence(self) -> str:
        """The answer to the question whether the arm is better than no pre-training."""
        answer = {"better": "Yes", "worse": "No", "not shown": "Not shown"}[self.finding]
        return f"{answer}: {self.difference}."


def compare(
    fit: LawFit, n: int, reference_errors: tuple[float, ...], reference_images: ImageVariance | None = None
) -> Comparison:
    """Compare the law at n with the errors of the fine-tunes without pre-training; ValueError where there are none.

    Both were tested on the same images. What these do to all runs alike does not count; what they do to the arm's runs
    (`LawFit.arm_shift`) and to those without pre-training (`reference_images`) alone does.
    """
    if not reference_errors:
        raise ValueError("the n = 0 reference has no errors; run it at least once")
    arm = fit.samples.error(n) * np.exp(fit.arm_shift)
    logs = log_errors(reference_errors)
    saved = _reference_draws(fit, logs, 0.0 if reference_images is None else reference_images.in_arm) - arm
    low, middle, high = (float(x) for x in np.quantile(saved, [0.025, 0.5, 0.975]))
    return Comparison(
        n=n,
        error=float(np.median(arm)),
        reference=float(np.exp(logs.mean())),
        repeats=logs.size,
        saved=middle,
        interval=(low, high),
        probability=float((saved > 0).mean()),
    )


def _reference_draws(fit: LawFit, log_error: Floats, shared: float) -> Floats:
    """Draws of the reference's error, whose fine-tunes are taken to scatter at least as the arm's runs do.

    `shared`: the variance that the test images give all of them.

    Two or three of them alone do not determine their scatter. They are independent: without pre-training each begins
    at weights of its own.
    """
    rng = np.random.default_rng(0)
    own = float(log_error.var(ddof=1)) if log_error.size > 1 else 0.0
    known = float(np.median(fit.log_variance))
    if fit.test_size is not None and fit.images is None:
        # Few mistakes are known less well than the arm's many.
        counted = binomial_log_variance(np.exp(log_error), np.median(fit.test_size))
        known = max(known, float(np.mean(counted)))
    of_a_run = fit.samples.sigma**2 + known
    scatter = np.sqrt(np.maximum(of_a_run, own) / log_error.size + shared)
    return np.exp(log_error.mean() + scatter * rng.standard_normal(fit.samples.sigma.size))
