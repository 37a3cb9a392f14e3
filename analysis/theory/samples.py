"""Samples of the circle: uniform over so many equal steps that no mode in use can tell, and a target's values there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.laws import Floats

# Equal steps around the circle; more than twice the highest frequency of a spectrum.
POINTS = 1 << 13


@dataclass(frozen=True, eq=False)
class Samples:
    """Fresh samples in their order and the target's values: `at`, steps around the circle, and `y`, (seeds, T)."""

    at: NDArray[np.int64]
    y: Floats

    def steps(self) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Cosine, sine, each (seeds, 1), and target (seeds,) of one sample after another."""
        angle = np.arange(POINTS) * (2 * np.pi / POINTS)
        cosine, sine = np.cos(angle), np.sin(angle)
        for at, y in zip(self.at.T, self.y.T, strict=True):
            yield cosine[at][:, None], sine[at][:, None], y


def fresh(target: Floats, steps: int, rng: np.random.Generator) -> Samples:
    """Noiseless samples of targets given at POINTS steps around the circle, shape (seeds, POINTS)."""
    at = rng.integers(0, POINTS, (target.shape[0], steps))
    return Samples(at, np.take_along_axis(target, at, axis=1))
