"""Runs as a policy sees them, and the arms they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.estimator.fit import LawFit


@dataclass(frozen=True, order=True)
class Run:
    """One pre-train and fine-tune at (arm, n, seed)."""

    arm: str
    n: int
    seed: int

    @property
    def what(self) -> str:
        """The run in words, for messages."""
        return f"{self.arm} n={self.n} seed={self.seed}"


@dataclass(frozen=True, eq=False)
class ArmState:
    """What is known of an arm: its fit and the runs that are finished."""

    arm: str
    fit: LawFit
    done: tuple[Run, ...]

    @cached_property
    def times(self) -> Counter[int]:
        """How often each size has been run."""
        return Counter(run.n for run in self.done)

    @cached_property
    def next_seeds(self) -> dict[int, int]:
        """For each size that has been run, the smallest seed above all it has had."""
        seeds: dict[int, int] = {}
        for run in self.done:
            seeds[run.n] = max(seeds.get(run.n, 0), run.seed + 1)
        return seeds


def next_seed(arm: str, n: int, runs: Sequence[Run]) -> int:
    """The smallest seed above all that (arm, n) has in `runs`."""
    return max((run.seed for run in runs if (run.arm, run.n) == (arm, n)), default=-1) + 1
