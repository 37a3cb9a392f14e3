"""The `ladder:` and `policy:` sections of a sweep file: the sizes n that a sweep may measure, and who chooses."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from analysis.policy.registry import OURS, POLICIES
from sweeper.config.types import Count, Model, Number

# Images of one rendering setting that a sweep can ask for: fifteen times the paper's largest set.
LARGEST_SIZE = 20_000_000


class Ladder(Model):
    """The sizes n: either listed, or start * factor^i. They are the rungs of the pilot and of the fixed grid.

    Other policies than the grid may also choose from `between` sizes between any two neighbours, evenly in log n,
    and `beyond` further rungs above the top.
    """

    sizes: tuple[Count, ...] | None = None
    start: Count = 1000
    factor: Annotated[Number, Field(gt=1, le=100)] = 2.0
    rungs: Annotated[int, Field(ge=1, le=40, strict=True)] = 7
    between: Annotated[int, Field(ge=0, le=10, strict=True)] = 0
    beyond: Annotated[int, Field(ge=0, le=10, strict=True)] = 0

    @field_validator("sizes")
    @classmethod
    def _increasing(cls, sizes: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if sizes is not None and len(sizes) == 0:
            raise ValueError("the ladder is empty: list at least three sizes, or give start, factor and rungs")
        if sizes is not None and list(sizes) != sorted(set(sizes)):
            raise ValueError("sizes must increase")
        return sizes

    @model_validator(mode="after")
    def _renderable(self) -> Ladder:
        if max(self.choices()) > LARGEST_SIZE:
            raise ValueError(f"the largest size is {max(self.choices()):,}; sizes go up to {LARGEST_SIZE:,}")
        return self

    def values(self) -> tuple[int, ...]:
        """The sizes n, increasing."""
        if self.sizes is not None:
            return self.sizes
        return tuple(sorted({round(self.start * self.factor**i) for i in range(self.rungs)}))

    def choices(self) -> tuple[int, ...]:
        """All sizes that policies other than the grid may choose, increasing: the rungs, those between and beyond."""
        rungs = self.values()
        step = rungs[-1] / rungs[-2] if len(rungs) > 1 else self.factor
        rungs += tuple(round(rungs[-1] * step**i) for i in range(1, self.beyond + 1))
        parts = self.between + 1
        inner = {round(low * (high / low) ** (i / parts)) for low, high in pairwise(rungs) for i in range(1, parts)}
        return tuple(sorted({*rungs, *inner}))


class Policy(Model):
    """How the next size is chosen: ours, or a baseline (`analysis.policy.registry`). `in_flight` proposals
    are carried out at a time. No size is run more than `max_seeds` times, where nothing is said 5; a fixed grid runs
    each as often, where nothing is said once."""

    name: str = OURS
    in_flight: Annotated[Count, Field(le=1000)] = 2
    reference_seeds: Count = 3
    max_seeds: Count = 5

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in POLICIES:
            raise ValueError(f"choose one of {', '.join(map(repr, POLICIES))}")
        return name

    @model_validator(mode="before")
    @classmethod
    def _a_grid_runs_each_once(cls, given: Any) -> Any:
        return {"max_seeds": 1} | given if isinstance(given, dict) and given.get("name") == "grid" else given
