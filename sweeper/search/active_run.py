"""One run under way: first its checkpoint, then the tuning of recipe values, then its fine-tunes, one a repeat."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from analysis.policy.runs import Run
from sweeper.budget.reservation import Reservation
from sweeper.search.choice import Settings, Tried
from sweeper.search.tuning import Tuning
from sweeper.stages.identity import Split, Trial
from sweeper.storage.artifacts import Manifest


@dataclass
class ActiveRun:
    """A run that was decided and reserved, and is not measured to the end yet.

    `reserved`: what is set aside for its stages. `checkpoint`: the background work that renders and pre-trains.
    `tunes`: whether this run is the one on whose checkpoint the recipe values are tuned; each trial takes `folds`
    fine-tunes, a part of that where it is stopped early.
    """

    run: Run
    reserved: Reservation
    checkpoint: Future[Manifest | None]
    tuning: Tuning
    tunes: bool
    repeats: int
    folds: int
    settings: Settings | None = None
    measured: set[int] = field(default_factory=set)
    seconds: float = 0.0
    finetunes: float = 0.0
    processes: int = 0
    began: float | None = None

    @property
    def complete(self) -> bool:
        """Whether every repeat has been measured."""
        return len(self.measured) == self.repeats

    def trials(self) -> list[Trial]:
        """The fine-tunes that can start now and were not handed out before."""
        if not self.checkpoint.done() or self.settings is not None:
            return []
        self.began = self.began or time.monotonic()
        trials = []
        while self.tunes and (settings := self.tuning.ask()) is not None:
            trials.append(self._trial(0, settings, "validation"))
        if not trials and not self.tuning.remaining:
            self.settings = self.tuning.choice()
            trials = [self._trial(repeat, self.settings, "test") for repeat in range(self.repeats)]
        return trials

    def take(
        self,
        trial: Trial,
        error: float,
        seconds: float,
        cached: bool,
        share: float = 1.0,
        folds: tuple[float, ...] = (),
    ) -> None:
        """Note what a fine-tune measured, after a `share` of its training; a `cached` one cost nothing."""
        if not cached:
            self.seconds += seconds
            self.processes += 1
            self.finetunes += self.folds * share if trial.split == "validation" else 1
        if trial.split == "validation":
            self.tuning.tell(Tried(trial.settings, error, share, folds))
        else:
            self.measured.add(trial.repeat)

    def lose(self, seconds: float) -> None:
        """Note an attempt that measured nothing: its time is paid for all the same."""
        self.seconds += seconds
        self.processes += 1

    @property
    def finetunes_left(self) -> int:
        """Fine-tunes still to come: trials of the tuning, each once a fold, and repeats."""
        tuning = self.tuning.remaining * self.folds if self.tunes and self.settings is None else 0
        return tuning + self.repeats - len(self.measured)

    @property
    def wall_s(self) -> float:
        """Seconds since its first fine-tune could start: waiting and starting processes are part of the time."""
        return 0.0 if self.began is None else time.monotonic() - self.began

    def _trial(self, repeat: int, settings: Settings, split: Split) -> Trial:
        return Trial(self.run, repeat, settings, split, self.checkpoint.result())
