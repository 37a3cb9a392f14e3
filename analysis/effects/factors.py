"""Factors of a rendering and their levels as columns of a linear model: main effects and the effects of pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from math import prod

import numpy as np

from analysis.laws import Floats

Levels = tuple[str, ...]
# A combination of levels has a posterior, so all of them must fit into memory.
MOST_COMBINATIONS = 4096


@dataclass(frozen=True, eq=False)
class Factors:
    """The factors, each with its levels in words, two or more; a combination has one level of each.

    Raises ValueError, in one line, where that is not so, or where there are more than MOST_COMBINATIONS combinations.
    """

    levels: Mapping[str, Levels]

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("there is no factor; give one that has two levels or more")
        for name, levels in self.levels.items():
            if len(levels) < 2 or len(set(levels)) < len(levels):
                raise ValueError(f"factor {name} has the levels {', '.join(levels)}; give two or more, each once")
        count = prod(len(levels) for levels in self.levels.values())
        if count > MOST_COMBINATIONS:
            raise ValueError(
                f"the factors have {count:,} combinations; at most {MOST_COMBINATIONS:,} are handled: leave some out"
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the factors, in order."""
        return tuple(self.levels)

    @property
    def main_effects(self) -> int:
        """How many contrasts the main effects have: a level less than there are, of each factor."""
        return sum(len(levels) - 1 for levels in self.levels.values())

    @cached_property
    def combinations(self) -> tuple[Levels, ...]:
        """All combinations, the last factor varying fastest."""
        return tuple(product(*self.levels.values()))

    @cached_property
    def index(self) -> dict[Levels, int]:
        """The place of each combination."""
        return {each: i for i, each in enumerate(self.combinations)}

    def place(self, levels: Mapping[str, str]) -> int:
        """The place of the combination with these levels; ValueError where a factor is missing or a level unknown."""
        for name, known in self.levels.items():
            if name not in levels:
                raise ValueError(f"factor {name} is missing; give one of {', '.join(known)}")
            if levels[name] not in known:
                raise ValueError(f"factor {name}: {levels[name]!r} is no level; choose one of {', '.join(known)}")
        return self.index[tuple(levels[name] for name in self.names)]

    def named(self, place: int) -> dict[str, str]:
        """The combination at a place: the level of each factor."""
        return dict(zip(self.names, self.combinations[place], strict=True))

    @cached_property
    def terms(self) -> tuple[tuple[int, ...], ...]:
        """Which factors each block of columns belongs to: single ones, then pairs."""
        count = range(len(self.names))
        return (*((i,) for i in count), *combinations(count, 2))

    @cached_property
    def term_of(self) -> np.ndarray:
        """The term of each column; (columns,)."""
        sizes = [prod(len(self.levels[self.names[i]]) - 1 for i in term) for term in self.terms]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def columns(self) -> Floats:
        """Contrasts of every combination, (combinations, columns): over all combinations each has mean 0, mean square
        1, and any two are orthogonal. With two levels they are -1 and 1, the second level 1."""
        codes = [_contrasts(len(levels)) for levels in self.levels.values()]
        places = np.array(list(product(*(range(len(levels)) for levels in self.levels.values()))))
        mains = [code[places[:, i]] for i, code in enumerate(codes)]
        blocks = [
            mains[term[0]]
            if len(term) == 1
            else (mains[term[0]][:, :, None] * mains[term[1]][:, None, :]).reshape(len(places), -1)
            for term in self.terms
        ]
        return np.concatenate(blocks, axis=1)

    @cached_property
    def level_places(self) -> np.ndarray:
        """The number of each factor's level in every combination; (combinations, factors)."""
        return np.array(list(product(*(range(len(levels)) for levels in self.levels.values()))))


def factors_of(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> tuple[Factors, tuple[str, ...]]:
    """The factors that differ among rows, with the levels that are there, sorted; and the names of the others."""
    found = {name: tuple(sorted({row[name] for row in rows})) for name in names}
    constant = tuple(name for name, levels in found.items() if len(levels) < 2)
    return Factors({name: levels for name, levels in found.items() if len(levels) > 1}), constant


def _contrasts(levels: int) -> Floats:
    """Helmert's contrasts of so many levels, each with mean 0 and mean square 1; (levels, levels - 1)."""
    code = np.zeros((levels, levels - 1))
    for i in range(1, levels):
        code[:i, i - 1], code[i, i - 1] = -1.0, i
    return code * np.sqrt(levels / (code**2).sum(axis=0))
