"""What the finite test set does to errors, measured by resampling its images.

Every fine-tune keeps its error on the same resamples of the test images (`tasks`). The covariance of two runs' log
errors over the resamples says how far they would move together on other test images. It is taken apart into what all
runs of a sweep have in common, what the runs of one arm have in common besides, and what is a run's own. The first
moves every answer about the error itself; the second also moves differences between arms; only the third is noise about
an arm's law.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.laws import Floats


@dataclass(frozen=True, eq=False)
class ImageVariance:
    """Variances of an arm's log errors from the finite test set: `own` (runs,), `in_arm` and `in_all`, all >= 0."""

    own: Floats
    in_arm: float
    in_all: float


def image_variances(resampled: Mapping[str, Sequence[Floats]]) -> dict[str, ImageVariance]:
    """Of each arm, from the log errors of its runs on the same resamples, (resamples,) each.

    Runs of one test set only; resamples that are undefined (nan) for one are left out for all. An arm with a single run
    has no `in_arm`: the other arms' mean stands for it, and 0 where no arm has two runs.
    """
    defined = np.isfinite([run for runs in resampled.values() for run in runs]).all(axis=0)
    # Of a single resample, or of none, nothing follows.
    if np.sum(defined) < 2:
        return {}
    deviations = {arm: _deviations(np.asarray(runs)[:, defined]) for arm, runs in resampled.items() if len(runs)}
    within = {arm: _mean_pair(runs, runs) for arm, runs in deviations.items() if len(runs) > 1}
    typical = float(np.mean(list(within.values()))) if within else 0.0
    across = [_mean_pair(deviations[a], deviations[b], same=False) for a, b in combinations(deviations, 2)]
    in_all = max(float(np.mean(across)) if across else typical, 0.0)
    return {
        arm: ImageVariance(
            np.maximum((runs**2).mean(axis=1) - max(within.get(arm, typical), 0.0), 0.0),
            max(within.get(arm, typical) - in_all, 0.0),
            in_all,
        )
        for arm, runs in deviations.items()
    }


def _deviations(runs: Floats) -> Floats:
    """Deviations from each run's mean, (runs, resamples), scaled so that their mean square is the sample variance."""
    found = runs - runs.mean(axis=1, keepdims=True)
    scaled: Floats = found * np.sqrt(found.shape[1] / (found.shape[1] - 1))
    return scaled


def _mean_pair(one: Floats, other: Floats, *, same: bool = True) -> float:
    """Mean covariance over the pairs of different runs."""
    covariance = one @ other.T / one.shape[1]
    if not same:
        return float(covariance.mean())
    runs = one.shape[0]
    return float((covariance.sum() - np.trace(covariance)) / (runs * (runs - 1)))
