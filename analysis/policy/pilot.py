"""The runs every arm begins with."""

from collections.abc import Callable, Sequence

from analysis.policy.proposal import Proposal
from analysis.policy.runs import Run


def pilot_sizes(ladder: Sequence[int], cost: Callable[[int], float]) -> list[int]:
    """The sizes to begin with, from the smallest: four of the ladder, or all of a shorter one.

    They are the lowest size, the largest whose `cost` (of a single run at n) is at most half the top's or twice the
    lowest's, the one below that, and one between. These sizes show the curvature, and whether the last step still
    lowers the error: where a curve leaves the law near its end, sizes far apart look like a law. The top is not paid
    before it is known to be needed. Where a run costs nearly the same at every size, a smaller range would save little.
    """
    sizes = sorted(set(ladder))
    if not sizes or sizes[0] <= 0:
        raise ValueError(f"the ladder is {list(ladder)}; give sizes above 0")
    costs = [cost(n) for n in sizes]
    affordable = [n for n, price in zip(sizes, costs, strict=True) if price <= max(costs[-1] / 2, 2 * costs[0])]
    upper = affordable[-1] if len(affordable) > 2 else sizes[-1]
    below = max((n for n in sizes if n < upper), default=upper)
    between = [n for n in sizes if sizes[0] < n < below]
    return sorted({sizes[0], between[len(between) // 2] if between else sizes[0], below, upper})


def pilot(
    arms: Sequence[str], sizes: Sequence[int], cost: Callable[[Run], float], unit: str = "$", seed: int = 0, s: int = 0
) -> list[Proposal]:
    """The runs to begin with: these sizes for every arm, a size of all arms at a time, each for its `cost`; then the
    largest again with the next seed.

    The repeat shows the run noise. At the largest size it renders nothing new, and the next step begins there.
    """
    looks = [(Run(arm, n, seed, s), "a first look at") for n in sizes for arm in arms]
    looks += [(Run(arm, max(sizes), seed + 1, s), "the run noise of") for arm in arms]
    return [Proposal(run, None, cost(run), unit, f"pilot: {what} {run.arm}, n = {run.n:,}") for run, what in looks]
