"""Which of the recipe values that were tried runs are fine-tuned with. Pure.

All arms of a fine-tuning task and backbone have the values that n = 0 was tuned to, unless an arm's own folds show that
others are better for it. So a difference between arms, or from n = 0, is not one of luck in their tunings.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from scipy.special import stdtrit

from sweeper.config.schema import SweepConfig
from sweeper.config.tune import Space, Tune, spelled
from sweeper.study.arms import Arm
from sweeper.study.recipes import resolve_recipe
from sweeper.study.results import Observation

Settings = dict[str, Any]

# Of the paired test: two folds leave one degree of freedom, and nothing could be shown.
FEWEST_FOLDS = 3
LEVEL = 0.95


@dataclass(frozen=True)
class Tried:
    """Recipe values that were tried: the validation error after `share` of the training, 1 unless stopped early.

    `folds`: the error on each fold, in their order; empty where the trial was stopped, or errors are simulated.
    """

    settings: Settings
    error: float
    share: float = 1.0
    folds: tuple[float, ...] = ()


def tried_in(rows: Iterable[Observation]) -> list[Tried]:
    """What rows of the results table say was tried."""
    return [Tried(json.loads(row.tuned), row.error, row.share, row.folds) for row in rows]


def own_values(config: SweepConfig, arm: str) -> Settings:
    """The fine-tuning recipe's own values of what is tuned."""
    return {key: recipe_value(config, arm, key) for key in config.tune.space}


def recipe_value(config: SweepConfig, arm: str, key: str) -> Any:
    """A value of the fine-tuning recipe as the config has it; where errors are simulated, any in the range."""
    if config.is_simulated:
        return config.tune.space[key].ends[0] if key in config.tune.space else math.nan
    named = Arm.named(arm)
    return getattr(resolve_recipe("finetune", named.finetune_task, config.finetune.recipe, named.backbone), key)


def choice(tune: Tune, default: Settings, tried: Iterable[Tried], common: Settings | None) -> Settings:
    """The values to fine-tune with, of one tuning.

    `default`: the recipe's own, where no trial came to its end. `common`: those of n = 0, kept unless `is_better` says
    that the tuning's own best are better; None where it stands alone.
    """
    ended = [each for each in tried if each.share == 1]
    own = best(tune, default, ended)
    if common is None:
        return default if own is None else own.settings
    same = next((each for each in ended if spelled(each.settings) == spelled(common)), None)
    return own.settings if own and same and is_better(own.folds, same.folds) else common


def best(tune: Tune, default: Settings, ended: Sequence[Tried]) -> Tried | None:
    """The lowest mean error; of equals the recipe's own values, then the nearest to them, then the lowest."""

    def rank(each: Tried) -> tuple[float, float, tuple[float, ...]]:
        space, values = tune.space, each.settings
        away = sum(_apart(space[key], values[key], default[key]) for key in space)
        # Means of the same folds' errors may differ in their last digit.
        return round(each.error, 9), away, tuple(_place(space[key], values[key]) for key in sorted(space))

    return min(ended, key=rank, default=None)


def is_better(own: Sequence[float], common: Sequence[float]) -> bool:
    """Whether errors on the same folds are lower by a one-sided paired t test at 5 %; never on fewer than 3 folds."""
    if len(own) != len(common) or len(own) < FEWEST_FOLDS:
        return False
    gains = [theirs - ours for ours, theirs in zip(own, common, strict=True)]
    return fmean(gains) > float(stdtrit(len(gains) - 1, LEVEL)) * stdev(gains) / math.sqrt(len(gains))


def _apart(space: Space, value: Any, other: Any) -> float:
    """How far apart two values are: as a share of their range, on its scale; 1 where they differ and have none."""
    if space.choices is not None or not (_is_number(value) and _is_number(other)):
        return float(json.dumps(value) != json.dumps(other))
    return abs(_place(space, value) - _place(space, other))


def _place(space: Space, value: Any) -> float:
    """Where a value lies in its range, 0 at its lower end and 1 at its upper; of choices, its number."""
    if space.choices is not None:
        known = [json.dumps(each) for each in space.choices]
        return float(known.index(json.dumps(value)))
    assert space.low is not None
    assert space.high is not None
    scale = math.log if space.is_log else float
    low, high = scale(space.low), scale(space.high)
    return (scale(min(max(value, space.low), space.high)) - low) / (high - low)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
