"""What a policy is asked and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import Protocol

from analysis.amounts import money
from analysis.policy.goals import Terms
from analysis.policy.objectives import Expected
from analysis.policy.runs import ArmState, Run

# Marginal cost of a run in the budget's unit, given the pending and chosen runs that will be there by then:
# images that those render, or a checkpoint that exists, cost nothing again.
Cost = Callable[[Run, Sequence[Run]], float]


@dataclass(frozen=True)
class Proposal:
    """The next run, what it costs and why it is proposed.

    `gain`: expected fall of the arm's risk (`analysis.policy.objectives`); None where no posterior was asked (pilot,
    baselines). `cost`: marginal, in the budget's `unit`. `why`: the first words of the reason. `left`: what of the
    budget is left once the run is paid, inf where there is no cap. `expected`: the quantity that the run is for, now
    and then. `recorded`: the reason as it was written down earlier; it then stands in place of a rendered one.
    """

    run: Run
    gain: float | None
    cost: float
    unit: str
    why: str
    left: float = inf
    expected: Expected | None = None
    recorded: str | None = None

    @property
    def reason(self) -> str:
        """Why the run is proposed, what it costs and what is left then, in one line."""
        if self.recorded is not None:
            return self.recorded
        # A comma separates the price from the words, except after what a run is expected to do.
        comma = "," if self.expected is None else ""
        rest = "" if isinf(self.left) else f"; {money(self.left, self.unit)} left then"
        return f"{self.why}{comma} for {money(self.cost, self.unit)}{rest}"


@dataclass(frozen=True)
class Stop:
    """Why nothing further should be run; `kind` for machines, `reason` in words."""

    kind: str
    reason: str


class Policy(Protocol):
    """The interface of `propose` and of the baselines in `analysis.policy.baselines`."""

    def __call__(
        self,
        arms: Sequence[ArmState],
        candidates: Mapping[str, Sequence[int]],
        cost: Cost,
        pending: Sequence[Run] = (),
        k: int = 1,
        seed: int = 0,
        terms: Terms = ...,
    ) -> list[Proposal]:
        """Up to k runs in the order of worth."""
        ...
