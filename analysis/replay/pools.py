"""What a replay may run: a pool of possible runs, recorded or simulated, and what each of them costs.

Every arm has images and pre-trainings of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.laws import TrueLaw
from analysis.policy.proposal import Cost
from analysis.policy.runs import Run

# Repeats of a simulated size: more than any replay takes.
ENDLESS = 10_000


@dataclass(frozen=True, eq=False)
class Pool:
    """The runs that may be taken: `sizes[arm][n]` runs at n, with seeds 0, 1, ...; `error` of each.

    `groups`: the group of each arm; arms of one group may share D and alpha.
    """

    groups: Mapping[str, str]
    sizes: Mapping[str, Mapping[int, int]]
    error: Callable[[Run], float]

    def left(self, taken: Sequence[Run]) -> dict[str, list[int]]:
        """Sizes that still have a run to take, by arm; arms that have none are left out."""
        used: dict[tuple[str, int], int] = {}
        for run in taken:
            used[run.arm, run.n] = used.get((run.arm, run.n), 0) + 1
        found = {
            arm: [n for n, runs in sorted(sizes.items()) if used.get((arm, n), 0) < runs]
            for arm, sizes in self.sizes.items()
        }
        return {arm: sizes for arm, sizes in found.items() if sizes}


@dataclass(frozen=True)
class Prices:
    """What a `run` costs, in pre-trainings: 1 and 0.15 for the fine-tune; an image is paid once an arm."""

    run: float = 1.15
    image: float = 1 / 64_000

    def cost(self, done: Sequence[Run]) -> Cost:
        """Marginal cost of a run once `done` and the runs assumed besides are there."""

        def marginal(run: Run, assumed: Sequence[Run]) -> float:
            there = max((other.n for other in (*done, *assumed) if other.arm == run.arm), default=0)
            return self.run + self.image * max(run.n - there, 0)

        return marginal

    def total(self, runs: Sequence[Run]) -> float:
        """Cost of all these runs together."""
        return sum(self.cost(runs[:i])(run, ()) for i, run in enumerate(runs))


STANDARD_PRICES = Prices()
EQUAL_PRICES = Prices(run=1.0, image=0.0)


def whole_grid(pool: Pool, times: int = 1) -> list[Run]:
    """Every size of every arm, `times` each."""
    return [Run(arm, n, seed) for seed in range(times) for arm, sizes in pool.sizes.items() for n in sorted(sizes)]


def every_run(pool: Pool) -> list[Run]:
    """All that a recorded pool holds."""
    return [Run(arm, n, seed) for arm, sizes in pool.sizes.items() for n, runs in sizes.items() for seed in range(runs)]


def simulated_pool(law: TrueLaw, sizes: Sequence[int], seed: int) -> Pool:
    """One arm that follows a known law, with endless repeats; a run's noise depends on `seed` and the run alone.

    Whatever a policy does, the same run has the same error. An error cannot exceed 1.
    """

    def error(run: Run) -> float:
        noise = np.random.default_rng([seed, run.n, run.seed]).standard_normal()
        return float(law.observed(run.n, noise))

    return Pool({"simulated": ""}, {"simulated": dict.fromkeys(sizes, ENDLESS)}, error)


def recorded_pool(groups: Mapping[str, str], errors: Mapping[str, Mapping[int, Sequence[float]]], seed: int) -> Pool:
    """Runs that were measured: `errors[arm][n]` holds the repeats, which are taken in an order drawn by `seed`."""
    rng = np.random.default_rng(seed)
    dealt = {arm: {n: rng.permutation(found) for n, found in sizes.items()} for arm, sizes in errors.items()}
    counts = {arm: {n: len(found) for n, found in sizes.items()} for arm, sizes in dealt.items()}
    return Pool(groups, counts, lambda run: float(dealt[run.arm][run.n][run.seed]))
