"""The simulated task: errors drawn from a known law, for tests of the loop around real training. It trains nothing."""

import hashlib
import math

import numpy as np

from sweeper.config.schema import SimulatedArm

# The part of the noise's variance that is drawn anew for each repeat (a fine-tuning seed); the rest is common to all
# repeats of one (arm, n, seed), as a pre-training's luck is.
REPEAT_SHARE = 0.5


def _normal(*key: str | int) -> float:
    digest = hashlib.sha256(repr(key).encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal())


def simulated_error(law: SimulatedArm, n: int, seed: int, repeat: int, *, arm: str) -> float:
    """A simulated error in (0, 1], a pure function of its arguments: no training happens.

    The median is law (1), D n^-alpha + C, and the law's `zero_error` at n = 0; the noise around it is log-normal.
    """
    run = math.sqrt(1 - REPEAT_SHARE) * _normal("run", arm, n, seed)
    again = math.sqrt(REPEAT_SHARE) * _normal("repeat", arm, n, seed, repeat)
    median = law.D * n**-law.alpha + law.C if n else law.zero_error
    return min(1.0, median * math.exp(law.sigma * (run + again)))
