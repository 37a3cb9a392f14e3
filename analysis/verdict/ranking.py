"""Which arm is best, and by how much: the arms' laws side by side at one number of images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.amounts import chance
from analysis.estimator.law_fit import LawFit, shortest_interval


@dataclass(frozen=True)
class Ranking:
    """Arms of one real task at n images, the lowest median error first.

    `best`: the arm that is likeliest to have the lowest error, or one within `tie` of it, with probability `chance`.
    `second`: the next of the others; `lead`: how much higher its error is (median of the differences, a fraction), with
    `interval`, which holds 95 %.
    """

    n: float
    order: tuple[str, ...]
    best: str
    chance: float
    second: str
    lead: float
    interval: tuple[float, float]
    tie: float = 0.0

    @property
    def is_shown(self) -> bool:
        """Whether the best arm's error is surely the lowest: the whole interval of its lead lies above 0."""
        return self.interval[0] > 0

    @property
    def in_words(self) -> str:
        """Which is best and by how much, in a sentence."""
        low, high = (f"{100 * end:.1f}" for end in self.interval)
        at, lead = f"{self.n:,.0f} images", f"{100 * self.lead:.1f} points"
        within = f", or one within {100 * self.tie:g} points of it," if self.tie else ""
        if self.is_shown:
            return (
                f"{self.best} is best: with {at} its error is {lead} lower than that of {self.second}, the next best"
                f" (95% interval {low} to {high}; the lowest error{within} with probability {chance(self.chance)})."
            )
        return (
            f"No arm is shown to be best: {self.best} is likeliest to have the lowest error{within} with {at}"
            f" ({chance(self.chance)}); that of {self.second} is {lead} higher (95% interval {low} to {high})."
        )


def ranking(fits: Mapping[str, LawFit], n: float | None = None, tie: float = 0.0) -> Ranking | None:
    """Rank arms that were tested on the same images; None for fewer than two.

    n: the size to compare at; None: the largest that all of them were run up to, so that no law is extrapolated. What
    the test images do to all arms alike does not change their order, and is left out.
    """
    if len(fits) < 2:
        return None
    at = float(min(fit.n.max() for fit in fits.values())) if n is None else float(n)
    rng = np.random.default_rng(0)
    # The draws of two arms must not be correlated.
    draws = {arm: rng.permutation(fit.samples.error(at) * np.exp(fit.arm_shift)) for arm, fit in fits.items()}
    lowest = np.min(list(draws.values()), axis=0)
    chances = {arm: float((own <= lowest + tie).mean()) for arm, own in draws.items()}
    order = sorted(draws, key=lambda arm: float(np.median(draws[arm])))
    best = max(order, key=lambda arm: chances[arm])
    second = next(arm for arm in order if arm != best)
    lead = draws[second] - draws[best]
    low, high = shortest_interval(lead, 0.95)
    return Ranking(
        n=at,
        order=tuple(order),
        best=best,
        chance=chances[best],
        second=second,
        lead=float(np.median(lead)),
        interval=(float(low), float(high)),
        tie=tie,
    )
