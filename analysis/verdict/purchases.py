"""How many images to buy at a time, where a target is to be reached in a few rounds: buy, measure, look again.

The n that reaches the target is uncertain. To buy its median is to miss the target half of the time; to buy a high
quantile at once is to pay for images that were not needed. In rounds the first purchases can be modest, because what
they bring is measured before more is bought: near the target the posterior of n is narrow. Only the last must promise.
"""

import numpy as np

from analysis.estimator.law_fit import LawFit

# Quantiles of the n still needed that are bought with 1, 2, ... rounds left. Chosen on simulated tasks of their own
# seeds (docs/concepts/choosing-runs.md), not on those that `sweeper bench target` scores.
QUANTILES = (0.98, 0.6, 0.4, 0.2, 0.1)
# The target may be met, and is worth another look, from this probability on.
OPEN = 0.02
# So many runs may be had at one size: what is measured again is no purchase.
MOST_RUNS_AT_A_SIZE = 12


def next_size(
    fit: LawFit, target_error: float, n_now: float, rounds: int, *, look_again: bool, level: float = 0.95
) -> float | None:
    """The images to have next: more than `n_now`, to be bought; `n_now`, to be measured again first; None to stop.

    It stops where the target is met with probability `level`, or without rounds left. inf where no number of images
    reaches it, with that probability.

    Args:
        fit: the law of all runs so far.
        target_error: in (0, 1].
        n_now: images at hand.
        rounds: purchases left, 0 or more.
        look_again: whether one more run at `n_now` can be paid.
        level: the probability that counts as certain, in (0.5, 1).
    """
    needed = fit.n_needed(target_error)
    met = float((needed <= n_now).mean())
    if met >= level:
        return None
    if met > OPEN and look_again:
        return n_now
    if rounds == 0:
        return None
    more = needed[np.isfinite(needed) & (needed > n_now)]
    if np.isfinite(needed).mean() <= 1 - level:
        return float("inf")
    quantile = QUANTILES[min(rounds, len(QUANTILES)) - 1]
    return float(np.quantile(more, quantile)) if more.size else float("inf")
