"""What a test set of finite size can tell apart."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analysis.estimator.law_fit import LawFit

_TWO_SIDED_95 = 1.96


@dataclass(frozen=True)
class Resolution:
    """Of `size` test images, at an error of `error`: fractions.

    `alone`: how far the error on these images may lie from that on all there could be, with 95 %. `apart`: the smallest
    difference between a run of one arm and a run of another on the same images that is not theirs, with 95 %.
    `is_measured`: from resampled test images; otherwise from the binomial law, as if the two were tested on different
    images, which is the most it can be.
    """

    size: int
    error: float
    alone: float
    apart: float
    is_measured: bool

    @property
    def in_words(self) -> str:
        """What a reader may expect of this test set, in a sentence."""
        how = "95%, by resampling them" if self.is_measured else "95%, by their number alone"
        return (
            f"{self.size:,} test images tell two arms apart from {100 * self.apart:.1f} points on, and know an error of"
            f" {self.error:.0%} to {100 * self.alone:.1f} points ({how})."
        )


def resolution(fits: Iterable[LawFit]) -> Resolution | None:
    """Of the test set that these arms share, at the lowest of their errors at their largest n; None where its size is
    not known."""
    known = [fit for fit in fits if fit.test_size is not None]
    if not known:
        return None
    fit = min(known, key=lambda each: float(each.median_curve(each.n.max())))
    assert fit.test_size is not None
    error, size = float(fit.median_curve(fit.n.max())), int(np.median(fit.test_size))
    if fit.images is None:
        binomial = float(np.sqrt(max(error * (1 - error), 0.0) / size))
        return Resolution(size, error, _TWO_SIDED_95 * binomial, _TWO_SIDED_95 * binomial * float(np.sqrt(2)), False)
    own = float(np.mean(fit.images.own)) + fit.images.in_arm
    alone = _TWO_SIDED_95 * error * float(np.sqrt(own + fit.images.in_all))
    # Nothing is finer than one image.
    return Resolution(
        size, error, max(alone, 1 / size), max(_TWO_SIDED_95 * error * float(np.sqrt(2 * own)), 1 / size), True
    )
