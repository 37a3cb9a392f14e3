"""The simulated task: errors drawn from a known law, for tests of the loop around real training. It trains nothing."""

import hashlib
import math

import numpy as np

from sweeper.config.simulated import SimulatedArm

# The part of the noise's variance that is drawn anew for each repeat (a fine-tuning seed); the rest is common to all
# repeats of one (arm, n, seed), as a pre-training's luck is.
REPEAT_SHARE = 0.5


def _normal(*key: str | int) -> float:
    digest = hashlib.sha256(repr(key).encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal())


def simulated_error(law: SimulatedArm, n: int, seed: int, repeat: int, *, arm: str, s: int = 0) -> float:
    """A simulated error in (0, 1], a pure function of its arguments: no training happens.

    The median is law (1), D n^-alpha + C, and the law's `zero_error` at n = 0; the noise around it is log-normal. `s`:
    of a sweep of several; then runs that share s and seed share the luck of their photographs too.
    """
    if s:
        return _over_both_sizes(law, n, s, seed, repeat, arm)
    run = math.sqrt(1 - REPEAT_SHARE) * _normal("run", arm, n, seed)
    again = math.sqrt(REPEAT_SHARE) * _normal("repeat", arm, n, seed, repeat)
    median = law.D * n**-law.alpha + law.C if n else law.zero_error
    return min(1.0, median * math.exp(law.sigma * (run + again)))


def _over_both_sizes(law: SimulatedArm, n: int, s: int, seed: int, repeat: int, arm: str) -> float:
    """An error at (n, s): zero_error (m / at_s)^-beta for m = s + T labels, T such that law (1) holds at s = at_s.

    Where pre-training harms, T < 0, the labels that are left are s exp(T / s).
    """
    assert law.beta is not None
    assert law.at_s is not None
    pretrained = law.D * n**-law.alpha + law.C if n else law.zero_error
    worth = law.at_s * ((law.zero_error / pretrained) ** (1 / law.beta) - 1)
    labels = s + worth if worth >= 0 else s * math.exp(worth / s)
    shared = _normal("run", arm, n, seed) + _normal("photographs", s, seed)
    own = _normal("repeat", arm, n, s, seed, repeat)
    return min(
        1.0, law.zero_error * (labels / law.at_s) ** -law.beta * math.exp(law.sigma / math.sqrt(3) * (shared + own))
    )
