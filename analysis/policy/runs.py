"""Runs as a policy sees them, and the arms they belong to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from analysis.estimator.law_fit import LawFit


@dataclass(frozen=True, order=True)
class Run:
    """One pre-train and fine-tune: what is proposed, priced, reserved, observed and fitted.

    `arm`: its name. `n`: synthetic images. `s`: real training images; 0 where errors are simulated or recorded.
    `tells_s`: whether messages say its s, as those of a sweep over several s do.
    """

    arm: str
    n: int
    seed: int
    s: int = 0
    tells_s: bool = field(default=False, compare=False)

    @property
    def what(self) -> str:
        """The run in words, for messages."""
        return f"{self.arm} n={self.n}{f' s={self.s}' if self.tells_s else ''} seed={self.seed}"


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

    def next_run(self, n: int, seeds: Mapping[tuple[str, int], int]) -> Run:
        """A further run at n; `seeds`: of `next_seeds`."""
        return Run(self.arm, n, seeds.get((self.arm, n), self.first_seed), self.s)


def next_seeds(arms: Sequence[ArmState], pending: Sequence[Run]) -> dict[tuple[str, int], int]:
    """For each (arm, n) that has a run, finished or pending, the smallest seed above all it has had."""
    seeds: dict[tuple[str, int], int] = {}
    for run in (*(run for state in arms for run in state.done), *pending):
        seeds[run.arm, run.n] = max(seeds.get((run.arm, run.n), 0), run.seed + 1)
    return seeds
