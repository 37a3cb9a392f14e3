"""Independent random streams of a scene, one for each thing that is drawn.

A stream comes from (seed, scene index, what is drawn) and from nothing else, so that two settings differ in what their
attributes name and share all the rest: the same objects, places, lights and cameras.
"""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Streams:
    """The streams of scene `index` under `seed`. Raises ValueError for a negative one of them."""

    seed: int
    index: int

    def __post_init__(self) -> None:
        if self.seed < 0 or self.index < 0:
            raise ValueError(f"scene {self.index} of seed {self.seed}: both must be 0 or more")

    def of(self, subject: str, number: int = 0) -> np.random.Generator:
        """The stream of one subject, for example ("size", 2) of the third object; each call starts it anew."""
        words = np.frombuffer(hashlib.sha256(f"{subject} {number}".encode()).digest()[:16], dtype="<u4")
        return np.random.default_rng(np.random.SeedSequence([self.seed, self.index, *words.tolist()]))
