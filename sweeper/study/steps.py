"""How many steps fine-tunes have, chosen on folds before the first run: enough for n = 0 and for a large n. Pure."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from sweeper.config.schema import SweepConfig


@dataclass(frozen=True)
class StepsTried:
    """A number of steps that was tried on an arm at a size: the mean error over the folds, and that on each."""

    arm: str
    n: int
    iterations: int
    error: float
    folds: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class StepsChoice:
    """The steps that all fine-tunes of a sweep have, and the trials that decided it."""

    iterations: int
    tried: tuple[StepsTried, ...]

    @property
    def reason(self) -> str:
        """In a sentence, for people."""
        each = [f"{steps:,} for n = {n:,} of {arm}" for (arm, n), steps in enough_for(self.tried).items()]
        values = sorted({one.iterations for one in self.tried})
        most = "; more were not tried" if self.iterations == values[-1] else ""
        return (
            f"fine-tunes have {self.iterations:,} steps, whatever their n: on the folds {' and '.join(each)} are enough"
            f" (the fewest of {', '.join(f'{value:,}' for value in values)} within a standard error of the best){most}"
        )

    def event(self, key: str) -> dict[str, Any]:
        """The line of the decision log; `key`: of all that the errors depend on besides the steps."""
        tried = [dataclasses.asdict(one) for one in self.tried]
        return {"steps": self.iterations, "steps_key": key, "reason": self.reason, "tried": tried}


def chosen_in(events: Iterable[Mapping[str, Any]], key: str) -> StepsChoice | None:
    """The choice that the decision log holds under this key; None where there is none."""
    for event in events:
        if event.get("steps_key") == key:
            tried = (StepsTried(**one | {"folds": tuple(one["folds"])}) for one in event["tried"])
            return StepsChoice(event["steps"], tuple(tried))
    return None


def choose(tried: Sequence[StepsTried]) -> StepsChoice:
    """The larger of what is enough for each arm and size."""
    return StepsChoice(max(enough_for(tried).values()), tuple(tried))


def enough_for(tried: Iterable[StepsTried]) -> dict[tuple[str, int], int]:
    """For each arm and size the fewest steps whose error is within a standard error of the lowest.

    The error is that of the mean difference to the best, over the folds that both were tried on.
    """
    groups: dict[tuple[str, int], list[StepsTried]] = defaultdict(list)
    for one in tried:
        groups[one.arm, one.n].append(one)
    enough = {}
    for group, values in groups.items():
        # Means of the same folds' errors may differ in their last digit.
        best = min(values, key=lambda one: (round(one.error, 9), one.iterations))
        enough[group] = min(one.iterations for one in values if one is best or _as_good(one.folds, best.folds))
    return enough


def _as_good(folds: Sequence[float], best: Sequence[float]) -> bool:
    differences = [own - theirs for own, theirs in zip(folds, best, strict=True)]
    return fmean(differences) <= stdev(differences) / math.sqrt(len(differences))


def with_steps(config: SweepConfig, iterations: int) -> SweepConfig:
    """The config whose fine-tunes have so many steps."""
    return _with_recipe(config, config.finetune.recipe | {"iterations": iterations})


def without_steps(config: SweepConfig) -> SweepConfig:
    """The config before its steps were chosen."""
    return _with_recipe(config, {key: value for key, value in config.finetune.recipe.items() if key != "iterations"})


def _with_recipe(config: SweepConfig, recipe: dict[str, Any]) -> SweepConfig:
    return config.model_copy(update={"finetune": config.finetune.model_copy(update={"recipe": recipe})})
