# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in the room, made once and then only moved: in view, or out of it.

Blender (4.2) loses memory at each change of an object's mesh, material or visibility; moving one costs nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Props:
    """Blender objects by key. `make(key)` makes one, out of view; `put_away(thing)` moves one out of view."""

    make: Callable[[Any], Any]
    put_away: Callable[[Any], None]
    made: dict[Any, Any] = field(default_factory=dict)
    in_view: frozenset[Any] = frozenset()

    def take(self, keys: Sequence[Any]) -> list[Any]:
        """The things of these keys, for the caller to move into view; what else was in view is put away."""
        for key in self.in_view.difference(keys):
            self.put_away(self.made[key])
        for key in keys:
            if key not in self.made:
                self.made[key] = self.make(key)
        self.in_view = frozenset(keys)
        return [self.made[key] for key in keys]


def copies(kind: str, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
    """Keys of a scene's things of a kind: the first of a number is that one's copy 0, the next its copy 1."""
    seen: Counter[int] = Counter()
    keys: list[tuple[Any, ...]] = []
    for number in numbers:
        keys.append((kind, number, seen[number]))
        seen[number] += 1
    return keys
