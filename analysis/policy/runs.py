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


def next_seeds(arms: Sequence[ArmState], pending: Sequence[Run]) -> Counter[tuple[str, int]]:
    """For each (arm, n) that has a run, finished or pending, the smallest seed above all it has had; 0 elsewhere."""
    seeds: Counter[tuple[str, int]] = Counter()
    for run in (*(run for state in arms for run in state.done), *pending):
        seeds[run.arm, run.n] = max(seeds[run.arm, run.n], run.seed + 1)
    return seeds
