"""What a replay may run: a pool of possible runs, recorded or simulated, and what each of them costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.laws import TrueLaw
from analysis.policy.proposal import Cost
from analysis.policy.runs import Run

# Repeats of a simulated size: more than any replay takes.
ENDLESS = 10_000


@dataclass(frozen=True)
class PoolArm:
    """An arm of the pool: arms of one `rendering` share its images, those of one `checkpoint` (rendering,
    pre-training task and backbone) share their pre-trainings, those of one `group` may share D and alpha."""

    name: str
    rendering: str
    checkpoint: str
    group: str = ""


@dataclass(frozen=True, eq=False)
class Pool:
    """Arms with the runs that may be taken: `sizes[arm][n]` runs at n, with seeds 0, 1, ...; `error` of each."""

    arms: tuple[PoolArm, ...]
    sizes: Mapping[str, Mapping[int, int]]
    error: Callable[[Run], float]

    def left(self, taken: Sequence[Run]) -> dict[str, list[int]]:
        """Sizes that still have a run to take, by arm; arms that have none are left out."""
        used: dict[tuple[str, int], int] = {}
        for run in taken:
            used[run.arm, run.n] = used.get((run.arm, run.n), 0) + 1
        found = {
            arm.name: [n for n, runs in sorted(self.sizes[arm.name].items()) if used.get((arm.name, n), 0) < runs]
            for arm in self.arms
        }
        return {arm: sizes for arm, sizes in found.items() if sizes}


@dataclass(frozen=True)
class Prices:
    """What a run costs, in units of one pre-training. An image is paid once for a rendering, a checkpoint once."""

    pretrain: float = 1.0
    finetune: float = 0.15
    image: float = 1 / 64_000

    def cost(self, pool: Pool, done: Sequence[Run]) -> Cost:
        """Marginal cost of a run once `done` and the runs assumed besides are there."""
        arms = {arm.name: arm for arm in pool.arms}
        images, checkpoints = self._made(arms, done)

        def marginal(run: Run, assumed: Sequence[Run]) -> float:
            more, trained = self._made(arms, assumed)
            rendering, checkpoint = arms[run.arm].rendering, (arms[run.arm].checkpoint, run.n, run.seed)
            there = max(images.get(rendering, 0), more.get(rendering, 0))
            known = checkpoint in checkpoints or checkpoint in trained
            return self.finetune + self.pretrain * (not known) + self.image * max(run.n - there, 0)

        return marginal

    def total(self, pool: Pool, runs: Sequence[Run]) -> float:
        """Cost of all these runs together."""
        return sum(self.cost(pool, runs[:i])(run, ()) for i, run in enumerate(runs))

    @staticmethod
    def _made(arms: Mapping[str, PoolArm], runs: Sequence[Run]) -> tuple[dict[str, int], set[tuple[str, int, int]]]:
        images: dict[str, int] = {}
        checkpoints = set()
        for run in runs:
            arm = arms[run.arm]
            images[arm.rendering] = max(images.get(arm.rendering, 0), run.n)
            checkpoints.add((arm.checkpoint, run.n, run.seed))
        return images, checkpoints


STANDARD_PRICES = Prices()


def whole_grid(pool: Pool, times: int = 1) -> list[Run]:
    """Every size of every arm, `times` each."""
    return [Run(arm.name, n, seed) for seed in range(times) for arm in pool.arms for n in sorted(pool.sizes[arm.name])]


def every_run(pool: Pool) -> list[Run]:
    """All that a recorded pool holds."""
    return [
        Run(arm.name, n, seed) for arm in pool.arms for n, runs in pool.sizes[arm.name].items() for seed in range(runs)
    ]


def simulated_pool(law: TrueLaw, sizes: Sequence[int], seed: int) -> Pool:
    """One arm that follows a known law, with endless repeats; a run's noise depends on `seed` and the run alone.

    Whatever a policy does, the same run has the same error. An error cannot exceed 1.
    """

    def error(run: Run) -> float:
        noise = np.random.default_rng([seed, run.n, run.seed]).standard_normal()
        return float(law.observed(run.n, noise))

    arm = PoolArm("simulated", "simulated", "simulated")
    return Pool((arm,), {arm.name: dict.fromkeys(sizes, ENDLESS)}, error)


def recorded_pool(arms: Sequence[PoolArm], errors: Mapping[str, Mapping[int, Sequence[float]]], seed: int) -> Pool:
    """Runs that were measured: `errors[arm][n]` holds the repeats, which are taken in an order drawn by `seed`."""
    rng = np.random.default_rng(seed)
    dealt = {arm: {n: rng.permutation(found) for n, found in sizes.items()} for arm, sizes in errors.items()}
    counts = {arm: {n: len(found) for n, found in sizes.items()} for arm, sizes in dealt.items()}
    return Pool(tuple(arms), counts, lambda run: float(dealt[run.arm][run.n][run.seed]))
