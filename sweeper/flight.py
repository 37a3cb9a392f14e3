"""One run under way: first its checkpoint, then the arm's learning rate, then its fine-tunes, one a repeat."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from analysis.policy import Proposal
from sweeper.artifacts import Manifest
from sweeper.stages import RunKey
from sweeper.trial import Split, Trial
from sweeper.tuning import LearningRate


@dataclass
class Flight:
    """A run that was decided and reserved, and is not measured to the end yet.

    `reserved`: open ledger entries by stage. `checkpoint`: the background work that renders and pre-trains.
    `tunes`: whether this run is the one on whose checkpoint the arm's learning rate is tuned; each trial takes `folds`
    fine-tunes.
    """

    key: RunKey
    proposal: Proposal
    reserved: dict[str, str]
    checkpoint: Future[Manifest | None]
    rate: LearningRate
    tunes: bool
    repeats: int
    folds: int
    lr: float | None = None
    measured: set[int] = field(default_factory=set)
    seconds: float = 0.0
    finetunes: int = 0
    processes: int = 0
    began: float | None = None

    @property
    def is_pilot(self) -> bool:
        """Whether the policy must wait for it: a pre-trained run of the opening."""
        return self.proposal.gain is None and self.key.n > 0

    @property
    def complete(self) -> bool:
        """Whether every repeat has been measured."""
        return len(self.measured) == self.repeats

    def trials(self) -> list[Trial]:
        """The fine-tunes that can start now and were not handed out before."""
        if not self.checkpoint.done() or self.lr is not None:
            return []
        self.began = self.began or time.monotonic()
        trials = []
        while self.tunes and (lr := self.rate.ask()) is not None:
            trials.append(self._trial(0, lr, "validation"))
        if not trials and not self.rate.remaining:
            self.lr = self.rate.best()
            trials = [self._trial(repeat, self.lr, "test") for repeat in range(self.repeats)]
        return trials

    def take(self, trial: Trial, error: float, seconds: float, cached: bool) -> None:
        """Note what a fine-tune measured; a `cached` one cost nothing."""
        if not cached:
            self.seconds += seconds
            self.processes += 1
            self.finetunes += self.folds if trial.split == "validation" else 1
        if trial.split == "validation":
            self.rate.tell(trial.lr, error)
        else:
            self.measured.add(trial.repeat)

    @property
    def finetunes_left(self) -> int:
        """Fine-tunes still to come: learning rates to try, each once a fold, and repeats."""
        tuning = self.rate.remaining * self.folds if self.tunes and self.lr is None else 0
        return tuning + self.repeats - len(self.measured)

    @property
    def wall_s(self) -> float:
        """Seconds since its first fine-tune could start: waiting and starting processes are part of the time."""
        return 0.0 if self.began is None else time.monotonic() - self.began

    def _trial(self, repeat: int, lr: float, split: Split) -> Trial:
        return Trial(self.key.arm, self.key.n, self.key.seed, repeat, lr, split, self.checkpoint.result())
