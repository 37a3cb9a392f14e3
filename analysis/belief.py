"""What an arm's runs leave open, as a Gaussian that a further run narrows whatever its outcome.

The joint draws of an arm give the covariance of its targets (log alpha and C) with the log error at every
size. A run at n is a noisy look at log error(n), so the variance of the targets falls by cov^2 / (variance +
noise).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.fit import LawFit
from analysis.laws import Floats


@dataclass(frozen=True, order=True)
class Run:
    """One pre-train and fine-tune at (arm, n, seed)."""

    arm: str
    n: int
    seed: int


@dataclass(frozen=True, eq=False)
class ArmState:
    """What is known of an arm: its fit and the runs that are finished."""

    arm: str
    fit: LawFit
    done: tuple[Run, ...]


@dataclass(eq=False)
class Belief:
    """The Gaussian belief over (log alpha, C, log error at each size) of one arm; conditioned in place."""

    state: ArmState
    sizes: list[int]
    covariance: Floats
    noise: float
    scale: Floats

    def spread(self) -> Floats:
        """Standard deviations of alpha and C as the belief stands; shape (2,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance)[:2], 0.0)) * self.scale

    def after(self, size: int) -> Floats:
        """The same after one more run at sizes[size]."""
        column = self.covariance[:2, 2 + size]
        left = np.diag(self.covariance)[:2] - column**2 / (self.covariance[2 + size, 2 + size] + self.noise)
        return np.sqrt(np.maximum(left, 0.0)) * self.scale

    def condition(self, n: int) -> None:
        """Take a run at n as seen: a rank-one update, whatever its outcome."""
        at = 2 + self.sizes.index(n)
        column = self.covariance[:, at].copy()
        self.covariance -= np.outer(column, column) / (column[at] + self.noise)


def believe(state: ArmState, candidates: Mapping[str, Sequence[int]], pending: Sequence[Run]) -> Belief:
    """The arm's belief with its pending runs already conditioned on."""
    if not candidates.get(state.arm):
        raise ValueError(f"arm {state.arm!r} has no candidate sizes; give its ladder or leave the arm out")
    under_way = [run.n for run in pending if run.arm == state.arm]
    sizes = sorted({*candidates[state.arm], *under_way})
    samples = state.fit.samples
    seen = np.column_stack([np.log(samples.alpha), samples.C, np.log(samples.error(sizes))])
    noise = float((samples.sigma**2).mean() + state.fit.log_variance.mean())
    # Log alpha is the better behaved of the two, but people read the sd of alpha: scaled to agree with it.
    scale = np.array([samples.alpha.std() / max(seen[:, 0].std(), 1e-12), 1.0])
    belief = Belief(state, sizes, np.cov(seen, rowvar=False), noise, scale)
    for n in under_way:
        belief.condition(n)
    return belief


def next_seed(arm: str, n: int, runs: Sequence[Run]) -> int:
    """The smallest seed above all that (arm, n) has in `runs`."""
    return max((run.seed for run in runs if (run.arm, run.n) == (arm, n)), default=-1) + 1
