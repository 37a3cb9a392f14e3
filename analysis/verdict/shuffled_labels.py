"""Controls with shuffled labels: do the labels of the rendered images help, or does pre-training as such?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

# A difference of fewer standard errors than this counts as noise.
_PLAIN = 2.0


def what_it_says(control: Control) -> str:
    """One sentence. The noise is judged from the fine-tunes; how far pre-trainings differ by chance is not in it."""
    if not control.taught:
        return f"the arm itself was not run at n = {control.n:,}: nothing to compare with"
    gain, error = _difference(control.shuffled, control.taught)
    if error is None:
        return f"true labels: {100 * gain:+.1f} points less error; one fine-tune each, so the noise is not known"
    noise = f"{100 * gain:.1f} points, standard error {100 * error:.1f}"
    if gain > _PLAIN * error:
        return f"what the labels teach lowers the error ({noise})"
    if gain < -_PLAIN * error:
        return f"shuffled labels do better ({noise}): these labels teach nothing that helps"
    return f"no difference beyond the noise ({noise}): any gain may owe nothing to the labels"


def _difference(one: Sequence[float], two: Sequence[float]) -> tuple[float, float | None]:
    """Difference of the means and its standard error, None where a side has a single value (Welch)."""
    gain = fmean(one) - fmean(two)
    if min(len(one), len(two)) < 2:
        return gain, None
    return gain, math.sqrt(variance(one) / len(one) + variance(two) / len(two))


@dataclass(frozen=True)
class Control:
    """An arm pre-trained on n images with shuffled labels, beside the arm itself at the same n and its reference.

    Each holds the errors of the fine-tunes over all seeds and repeats; empty where they were not run.
    """

    arm: str
    n: int
    shuffled: tuple[float, ...]
    taught: tuple[float, ...]
    without: tuple[float, ...]
