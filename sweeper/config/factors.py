"""Rendering settings given as factors: `renderings: {factors: {light: [fix, random], ...}, design: ...}`.

The keys `factors`, `design`, `start` and `common` of `renderings` become one named setting for each combination that
the design has, and the section `factors` of the resolved sweep file. Named settings may stand beside them.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from analysis.effects.design import fraction
from analysis.effects.factors import Factors
from analysis.effects.search import opening_runs
from sweeper.config.types import Count, Model

Design = Literal["full", "fraction", "adaptive"]
# More settings than this are no sweep.
MOST_SETTINGS = 1024
_KEYS = ("factors", "design", "start", "common")
_LONGEST_NAME = 60


class FactorDesign(Model):
    """The factors of a sweep's renderings, and which of their combinations are run.

    `levels`: attribute by attribute, the values that it takes. `design`: "full" (all combinations), "fraction" (`start`
    of them, chosen for what they tell of effects) or "adaptive" (begins with `start` of them; `objective: best` then
    proposes any, for its chance to be the best). `names`: of each combination's setting, in the order of the factors'
    levels, the last varying fastest; of a fraction those that it has.
    """

    levels: Annotated[dict[str, tuple[Any, ...]], Field(min_length=1)]
    design: Design = "full"
    start: Count | None = None
    names: tuple[str, ...] = ()

    @field_validator("levels", mode="before")
    @classmethod
    def _lists(cls, levels: Any) -> Any:
        for name, values in levels.items() if isinstance(levels, dict) else ():
            if not isinstance(values, list | tuple):
                raise ValueError(f"factor {name} is {values!r}; give a list of its levels")
        return levels

    @property
    def factors(self) -> Factors:
        """The factors with their levels in words."""
        return Factors({name: tuple(word(value) for value in values) for name, values in self.levels.items()})

    @property
    def opening(self) -> tuple[str, ...]:
        """The settings that an adaptive design begins with; of the others all there are."""
        if self.design != "adaptive":
            return self.names
        return tuple(self.names[place] for place in _chosen(self.factors, self.start))


def with_settings(renderings: Any, section: Any = None, known: Collection[str] = ()) -> tuple[Any, Any]:
    """`renderings` with a named setting for each combination of its `factors`, and the section of `FactorDesign`.

    Without `factors` both are returned as they are. ValueError, in one line, where the factors cannot be used; `known`:
    the attributes that a rendering has, any where empty.
    """
    if not isinstance(renderings, Mapping) or "factors" not in renderings:
        for key in ("design", "start"):
            if isinstance(renderings, Mapping) and isinstance(renderings.get(key), str | int):
                raise ValueError(f"renderings.{key} is of factors, and there are none: add renderings.factors")
        return renderings, section
    given = {key: renderings[key] for key in _KEYS if renderings.get(key) is not None}
    named = {name: each for name, each in renderings.items() if name not in _KEYS}
    common = given.pop("common", {})
    levels = given.pop("factors", None)
    if not isinstance(levels, Mapping) or not levels:
        raise ValueError("renderings.factors: give each factor the list of its levels")
    if not isinstance(common, Mapping):
        raise ValueError("renderings.common: give the attributes that all settings of the factors share")
    for name in levels if known else ():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            other = f"did you mean {close[0]}?" if close else f"known attributes: {', '.join(known)}"
            raise ValueError(f"renderings.factors: {name} is no attribute of a rendering; {other}")
    twice = [name for name in levels if name in common]
    if twice:
        raise ValueError(f"renderings.common: {twice[0]} is a factor; leave it out of one of them")
    try:
        design = FactorDesign.model_validate({"levels": dict(levels)} | given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]).replace("levels", "factors", 1)
        raise ValueError(f"renderings.{where}: {first['msg'].removeprefix('Value error, ')}") from None
    factors = design.factors
    count = len(factors.combinations)
    if count > MOST_SETTINGS:
        raise ValueError(f"renderings.factors: {count:,} settings; {MOST_SETTINGS:,} are the most: leave factors out")
    if design.design == "full" and design.start is not None:
        raise ValueError("renderings.start is of design: fraction or adaptive, and the design is full; leave it out")
    if design.start is not None and design.start > count:
        raise ValueError(f"renderings.start is {design.start}, and there are {count} settings; give fewer")
    places = _chosen(factors, design.start) if design.design == "fraction" else range(count)
    settings = {}
    for place in places:
        at = factors.level_places[place].tolist()
        values = {name: list(levels[name])[i] for name, i in zip(factors.names, at, strict=True)}
        settings[_name(values, at)] = {**common, **values}
    clash = [name for name in settings if name in named]
    if clash or len(settings) < len(places):
        raise ValueError(
            f"renderings: two settings would be called {(clash or list(settings))[0]}; rename the named one"
        )
    return named | settings, design.model_copy(update={"names": tuple(settings)}).model_dump()


def word(value: Any) -> str:
    """A level in words: on or off, ends of a range with "to" between, else the value itself."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return "to".join(word(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _chosen(factors: Factors, start: int | None) -> list[int]:
    """The fraction that is run first, always the same."""
    count = len(factors.combinations)
    return fraction(factors, min(start or opening_runs(factors, count), count))


def _name(values: Mapping[str, Any], at: list[int]) -> str:
    """A setting's name: its levels in words; where that is too long for a file's name, their numbers."""
    text = ".".join(f"{name}-{re.sub(r'[^A-Za-z0-9_-]', '_', word(value))}" for name, value in values.items())
    return text if len(text) <= _LONGEST_NAME else "setting-" + "".join(str(i) for i in at)
