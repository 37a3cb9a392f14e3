"""Which rows and decisions of a run folder belong to its sweep as it is now."""

from collections.abc import Callable
from dataclasses import dataclass, field

from analysis.policy.runs import Run


def _any(run: Run) -> str | None:
    return None


@dataclass(frozen=True)
class Studies:
    """By arm, the study that its rows are written and read under.

    A study is the hash of all that an arm's errors depend on (`sweeper.stages.identity`). `sweep` is the hash of all
    that decides when a sweep is finished. `checkpoint_of`: the key of the checkpoint that a run's rows must be measured
    on, where the study alone does not tell it, as with images of a folder that may have changed; else None.
    """

    current: dict[str, str]
    sweep: str
    checkpoint_of: Callable[[Run], str | None] = field(default=_any, compare=False)

    def has(self, arm: str, study: str) -> bool:
        """Whether a row or decision of this arm and study belongs to the sweep."""
        return self.current.get(arm) == study

    def holds(self, run: Run, study: str, checkpoint: str) -> bool:
        """Whether a row belongs to the sweep as its images are now."""
        return self.has(run.arm, study) and self.checkpoint_of(run) in (None, checkpoint)
