"""The simulated task: errors drawn from a known law, for tests of the loop around real training. It trains nothing."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from tasks.base import TaskError

SIMULATED = "simulated"


@dataclass(frozen=True, kw_only=True)
class SimulatedLaw:
    """A known law (1), error(n) = D n^-alpha + C, with log-normal noise around it.

    sigma: standard deviation of the log error of one observation. repeat_share: the part of that variance drawn anew
    for each repeat (a fine-tuning seed); the rest is common to all repeats of one (arm, n, seed), as a pre-training's
    luck is. zero_error: the median error without pre-training, n = 0, which the law does not cover.
    """

    alpha: float
    C: float
    D: float
    sigma: float
    zero_error: float
    repeat_share: float = 0.5

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and self.D > 0 and 0 <= self.C < 1 and 0 < self.zero_error <= 1):
            raise TaskError(f"{SIMULATED} task: needs alpha > 0, D > 0, 0 <= C < 1, 0 < zero_error <= 1; got {self}")
        if not (self.sigma >= 0 and 0 <= self.repeat_share <= 1):
            raise TaskError(f"{SIMULATED} task: needs sigma >= 0 and repeat_share in [0, 1]; got {self}")

    def median_error(self, n: int) -> float:
        """Law (1) at n > 0, zero_error at n = 0."""
        if n < 0:
            raise TaskError(f"{SIMULATED} task: n must be 0 or more, not {n}")
        return self.D * n**-self.alpha + self.C if n else self.zero_error


def _normal(*key: str | int) -> float:
    digest = hashlib.sha256(repr(key).encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal())


def simulated_error(law: SimulatedLaw, n: int, seed: int, repeat: int, *, arm: str) -> float:
    """A simulated error in (0, 1], a pure function of its arguments: no training happens."""
    run = math.sqrt(1 - law.repeat_share) * _normal("run", arm, n, seed)
    again = math.sqrt(law.repeat_share) * _normal("repeat", arm, n, seed, repeat)
    return min(1.0, law.median_error(n) * math.exp(law.sigma * (run + again)))
