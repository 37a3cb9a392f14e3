"""The `tune:` section of a sweep file: which recipe values are tuned, in what ranges, on what, and how often."""

from __future__ import annotations

import itertools
import json
import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sweeper.config.types import Count, Model, Number

# More combinations than this are not listed: no sweep makes so many trials.
_MOST_LISTED = 1000

# What a recipe value can be in a sweep file.
Plain = bool | int | float | str | tuple[str, ...] | tuple[float, ...]


class Space(Model):
    """Where one recipe value is looked for: from `low` to `high`, or among `choices`.

    `[low, high]` is short for a range. A range is drawn on a logarithmic scale where `log` says so; without a word,
    where both ends are positive.
    """

    low: Number | None = None
    high: Number | None = None
    log: bool | None = None
    choices: Annotated[tuple[Plain, ...], Field(min_length=2)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _pair(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise ValueError("a range is [low, high]; for a list of values write {choices: [...]}")
            return {"low": value[0], "high": value[1]}
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Space:
        if (self.low is None) != (self.high is None) or (self.low is None) == (self.choices is None):
            raise ValueError("give low and high, or choices")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("the first value of a range must be below the second")
        if self.log and self.low is not None and self.low <= 0:
            raise ValueError("a range drawn on a logarithmic scale must be positive")
        return self

    @property
    def is_log(self) -> bool:
        """Whether a range is drawn on a logarithmic scale."""
        return (self.low or 0) > 0 if self.log is None else self.log

    @property
    def ends(self) -> tuple[Any, ...]:
        """Both ends of a range, or all choices: where a recipe would refuse a value, if it does at all."""
        return self.choices if self.choices is not None else (self.low, self.high)


class Tune(Model):
    """Recipe values of the fine-tuning, tuned by Optuna on folds of the real training images, never on the test split.

    `space`: recipe key -> where to look; `lr: [low, high]` beside it is short for `space: {lr: [low, high]}`.
    `when`: `once` for each arm, on the checkpoint of size `n` (without it the arm's first run) and then frozen, or
    `each_n`, anew at every size, or `each_s`, anew at every s of finetune.counts. `early_stop`: ASHA stops the worse
    half of the trials after a quarter and after half of their training. An arm keeps the values of n = 0 unless a
    paired test over the folds, three at least, says that its own are better.

    `iterations`: numbers of steps of the fine-tuning, of which the sweep chooses one before its first run and its
    tuning: each is tried on the folds, at the recipe's other values, for n = 0 and for the largest n that the sweep
    begins with. The fewest within a standard error of the best are enough for either; all runs have the larger. It
    takes the place of the recipe's own number.
    """

    space: Annotated[dict[str, Space], Field(min_length=1)] = {"lr": Space(low=3e-4, high=1e-2)}
    trials: Annotated[int, Field(ge=0, strict=True)] = 5
    folds: Annotated[int, Field(ge=2, strict=True)] = 3
    when: Literal["once", "each_n", "each_s"] = "once"
    n: Count | None = None
    early_stop: Literal["asha", "none"] = "asha"
    iterations: Annotated[tuple[Count, ...], Field(min_length=2)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _lr_beside_space(cls, value: Any) -> Any:
        if isinstance(value, dict) and "lr" in value:
            rest = {key: each for key, each in value.items() if key != "lr"}
            space = rest.get("space", {})
            if not isinstance(space, dict):
                raise ValueError("space, beside lr, is a mapping of recipe keys; write it so, or leave it out")
            if "lr" in space:
                raise ValueError("lr stands here and under space; leave one out")
            return rest | {"space": {"lr": value["lr"]} | space}
        return value

    @property
    def combinations(self) -> tuple[dict[str, Any], ...] | None:
        """All that can be tried, each once, where every key has choices and they are few; else None."""
        if any(space.choices is None for space in self.space.values()):
            return None
        choices = [space.choices or () for space in self.space.values()]
        if math.prod(map(len, choices)) > _MOST_LISTED:
            return None
        made = [dict(zip(self.space, values, strict=True)) for values in itertools.product(*choices)]
        return tuple({spelled(each): each for each in made}.values())

    @property
    def trials_made(self) -> int:
        """How many trials a tuning makes: no combination twice."""
        return self.trials if self.combinations is None else min(self.trials, len(self.combinations))

    @field_validator("n")
    @classmethod
    def _only_once(cls, n: int | None, info: Any) -> int | None:
        if n is not None and info.data.get("when") == "each_n":
            raise ValueError("goes with when: once; each_n tunes at every size")
        return n

    @model_validator(mode="after")
    def _steps(self) -> Tune:
        if self.iterations is not None and list(self.iterations) != sorted(set(self.iterations)):
            raise ValueError("iterations: the numbers of steps must increase")
        if self.iterations is not None and "iterations" in self.space:
            raise ValueError("iterations are chosen before the first run and cannot be in space too; leave one out")
        return self


def spelled(settings: dict[str, Any]) -> str:
    """Recipe values as one line of JSON: the same values are always spelled the same."""
    return json.dumps(settings, sort_keys=True)


# What is tuned by itself: an arm, at one n or one s where the config says so.
Scope = tuple[str, int | None]


def scope_of(tune: Tune, arm: str, n: int, s: int = 0) -> Scope:
    """Which study a run takes its recipe values from."""
    return (arm, {"each_n": n, "each_s": s}.get(tune.when))
