"""What parts of a sweep are expected to cost, by stage, for `sweeper plan`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.policy.runs import Run
from sweeper.budget.cost_model import total
from sweeper.budget.costs import Estimate
from sweeper.commands.steps import finetunes_estimate
from sweeper.config.schema import SweepConfig
from sweeper.config.tune import Scope, Tune, scope_of
from sweeper.search.pricing import Pricing

TITLES = {"opening": "opening (n = 0 and pilot)", "grid": "the whole ladder once (fixed grid)"}


@dataclass(frozen=True)
class Part:
    """One part of a sweep: a key for machines, a title, how many runs or trials, and the estimate of each stage."""

    key: str
    title: str
    runs: int
    stages: dict[str, Estimate]

    @property
    def total(self) -> Estimate:
        """Of all stages."""
        return total(self.stages.values())

    def as_text(self) -> Iterator[str]:
        """A line for the title, one for each stage and one for their total."""
        yield self.title
        for stage, estimate in self.stages.items():
            yield f"  {stage:9s} {_amounts(estimate)}"
        if self.key in TITLES:
            yield f"  {'total':9s} {_amounts(self.total)}"

    def as_plain(self) -> dict[str, Any]:
        """For JSON: low, expected and high of each stage and of their total."""
        stages = {name: asdict(estimate) for name, estimate in self.stages.items()}
        return {"runs": self.runs, "stages": stages, "total": asdict(self.total)}


def part(pricing: Pricing, key: str, runs: Sequence[Run], tune: Tune) -> Part:
    """What a set of runs costs, each shared image and each tuning counted once."""
    stages = {stage: total(estimates) for stage, estimates in _by_stage(pricing, runs, tune).items()}
    return Part(key, f"{TITLES[key]}: {len(runs)} runs", len(runs), stages)


def steps_part(config: SweepConfig, pricing: Pricing, first: Sequence[Run]) -> Iterator[Part]:
    """What choosing the steps costs beside the opening, which has the images and checkpoints that it needs."""
    if first:
        trials, folds = len(first) * len(config.tune.iterations or ()), config.tune.folds
        title = f"choosing the steps: {trials} trials of {folds} folds each, on checkpoints of the opening"
        estimate = total(finetunes_estimate(config, run, pricing.slots) for run in first)
        yield Part("steps", title, trials, {"finetune": estimate})


def over_budget(pricing: Pricing, opening: Part) -> list[str]:
    """A line where what is left of the budget does not hold what the opening is expected to cost."""
    costs = opening.total.expected.by_cap()
    shown = {"minutes": "minutes", "device_hours": "device-hours", "usd": "dollars"}
    return [
        f"mind: the opening alone is expected to take {costs[cap]:.3g} {shown[cap]}, and the budget has"
        f" {max(0.0, left):.3g} left: the sweep will end before a verdict; raise budget.{cap}, or lower the ladder, the"
        " recipes' iterations, tune.trials or finetune.repeats"
        for cap, left in pricing.ledger.left().items()
        if costs[cap] > left
    ]


def _by_stage(pricing: Pricing, runs: Sequence[Run], tune: Tune) -> dict[str, list[Estimate]]:
    by_stage: dict[str, list[Estimate]] = {}
    tuned: set[Scope] = set()
    for i, run in enumerate(runs):
        scope = scope_of(tune, run.arm, run.n, run.s)
        for stage, estimate in pricing.estimates(run, runs[:i], tunes=scope not in tuned).items():
            by_stage.setdefault(stage, []).append(estimate)
        tuned.add(scope)
    return by_stage


def _amounts(estimate: Estimate) -> str:
    low, expected, high = estimate.low, estimate.expected, estimate.high
    return (
        f"{low.wall_s / 60:.1f} / {expected.wall_s / 60:.1f} / {high.wall_s / 60:.1f} min,"
        f" ${low.usd:.3f} / {expected.usd:.3f} / {high.usd:.3f} ({estimate.source})"
    )
