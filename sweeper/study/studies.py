"""Which rows and decisions of a run folder belong to its sweep as it is now."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Studies:
    """By arm, the study that its rows are written and read under.

    A study is the hash of all that an arm's errors depend on (`sweeper.stages.identity`). `sweep` is the hash of all
    that decides when a sweep is finished.
    """

    current: dict[str, str]
    sweep: str

    def has(self, arm: str, study: str) -> bool:
        """Whether a row or decision of this arm and study belongs to the sweep."""
        return self.current.get(arm) == study
