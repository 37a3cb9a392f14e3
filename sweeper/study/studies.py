"""Which rows and decisions of a run folder belong to its sweep as it is now."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Studies:
    """By arm, the study that its rows are written under, and all under which they are read.

    A study is the hash of all that an arm's errors depend on (`sweeper.stages.identity`). `sweep` is the hash of all
    that decides when a sweep is finished; `sweeps` holds it and what older versions called the same sweep.
    """

    current: dict[str, str]
    readable: dict[str, frozenset[str]]
    sweep: str
    sweeps: frozenset[str]

    def has(self, arm: str, study: str) -> bool:
        """Whether a row or decision of this arm and study belongs to the sweep."""
        return study in self.readable.get(arm, ())
