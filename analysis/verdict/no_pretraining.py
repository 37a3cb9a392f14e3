"""Is pre-training on renders better than none? An arm's law against its n = 0 reference."""

from dataclasses import dataclass

import numpy as np

from analysis.estimator.fit import LawFit
from analysis.laws import Floats


@dataclass(frozen=True)
class Comparison:
    """The arm's mean error at n, by its law, against no pre-training; errors in (0, 1].

    `probability`: that the arm's error is lower. `sentence`: by how much, with the 95% interval.
    """

    n: int
    error: float
    reference: float
    probability: float
    sentence: str


def compare(fit: LawFit, n: int, reference_errors: tuple[float, ...]) -> Comparison:
    """Compare the law at n with the reference's repeats; raises ValueError where there are none."""
    if not reference_errors:
        raise ValueError("the n = 0 reference has no errors; run it at least once")
    arm = fit.samples.error(n)
    none = _reference_draws(fit, np.asarray(reference_errors, float))
    saved = none - arm
    low, high = (float(x) for x in np.quantile(saved, [0.025, 0.975]))
    probability = float((saved > 0).mean())
    sentence = _say(n, float(saved.mean()), low, high)
    return Comparison(n, float(arm.mean()), float(none.mean()), probability, sentence)


def _say(n: int, saved: float, low: float, high: float) -> str:
    found = "Yes" if low > 0 else "No" if high < 0 else "Not shown"
    less, least, most = (saved, low, high) if saved > 0 else (-saved, -high, -low)
    side = "lower" if saved > 0 else "higher"
    interval = f"95% interval {100 * least:.1f} to {100 * most:.1f}"
    return f"{found}: with {n:,} images the error is, by the law, {100 * less:.1f} points {side} ({interval})."


def _reference_draws(fit: LawFit, errors: Floats) -> Floats:
    """Draws of the reference's mean error, whose repeats are taken to scatter at least as the arm's runs do.

    Two or three repeats alone do not determine their scatter.
    """
    rng = np.random.default_rng(0)
    log_error = np.log(errors)
    own = float(log_error.var(ddof=1)) if errors.size > 1 else 0.0
    scatter = np.sqrt(np.maximum(fit.samples.sigma**2, own) / errors.size)
    return np.exp(log_error.mean() + scatter * rng.standard_normal(fit.samples.sigma.size))
