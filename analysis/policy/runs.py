"""Runs as a policy sees them, and the arms they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.estimator.fit import LawFit


@dataclass(frozen=True, order=True)
class Run:
    """One pre-train and fine-tune: what is proposed, priced, reserved, observed and fitted.

    `arm`: its name. `n`: synthetic images. `s`: real training images; 0 where errors are simulated or recorded.
    """

    arm: str
    n: int
    seed: int
    s: int = 0

    @property
    def what(self) -> str:
        """The run in words, for messages."""
        return f"{self.arm} n={self.n} seed={self.seed}"


@dataclass(frozen=True, eq=False)
class ArmState:
    """What is known of an arm: its fit and the runs that are finished. `first_seed`: of the first run at a new size."""

    arm: str
    fit: LawFit
    done: tuple[Run, ...]
    first_seed: int = 0

    @property
    def s(self) -> int:
        """The number of real training images of its runs."""
        return self.done[0].s if self.done else 0

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

    def next_run(self, n: int, beside: Sequence[Run] = ()) -> Run:
        """A further run at n, with the smallest seed above all that it has had, those `beside` included."""
        seeds = [run.seed for run in (*self.done, *beside) if (run.arm, run.n) == (self.arm, n)]
        return Run(self.arm, n, max(seeds) + 1 if seeds else self.first_seed, self.s)
