"""The scheduler of stages: which renderings and pre-trainings run side by side on the nodes.

As many run as the nodes hold, those of earlier runs first, and nothing is made twice at a time.
"""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from sweeper.cluster.resources import Need, fit_together

# Waiting runs look again this often: nodes come and go meanwhile.
LOOK_S = 5.0

# A stage and what it makes.
Work = tuple[str, str]


@dataclass(frozen=True)
class Turn:
    """A run's turn: one of its stages at a time.

    `enter(stage, what)` waits until the run may begin a stage, which makes the thing of that name. `workers(wanted)`:
    how many workers the stage may have now, of so many that it can use: more where others have ended and nobody waits
    for room, fewer where it can use fewer.
    """

    enter: Callable[[str, str], None]
    workers: Callable[[int], int]


class Admission:
    """The stages that run and those that wait. Thread-safe.

    `needed`: the resources of each stage. While fine-tunes run or wait, those of one stay free, since fine-tunes finish
    runs; but a run that is alone is admitted with all its workers whatever the nodes have: more may be on their way.
    """

    def __init__(self, nodes: Callable[[], Sequence[Mapping[str, float]]], needed: Sequence[Need]) -> None:
        self._nodes, self._needed = nodes, needed
        self._tickets = itertools.count()
        # By ticket; of those that run also the number of workers.
        self._running: dict[int, Work] = {}
        self._given: dict[int, int] = {}
        self._waiting: dict[int, Work] = {}
        # Runs that still look up what the store has: later ones must not overtake them meanwhile.
        self._looking: set[int] = set()
        self._finetuning = True
        self._changed = threading.Condition()

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """A run's turn, in the order of coming."""
        with self._changed:
            ticket = next(self._tickets)
            self._looking.add(ticket)
        try:
            yield Turn(partial(self._wait_and_enter, ticket), partial(self._workers_now, ticket))
        finally:
            with self._changed:
                self._looking.discard(ticket)
                self._running.pop(ticket, None)
                self._given.pop(ticket, None)
                self._changed.notify_all()

    def keep_room(self, finetuning: bool) -> None:
        """Whether fine-tunes run or wait from now on; taken for granted until it is said."""
        with self._changed:
            if finetuning != self._finetuning:
                self._finetuning = finetuning
                self._changed.notify_all()

    def running_stages(self) -> set[str]:
        """The names of the stages that run now."""
        with self._changed:
            return {stage for stage, _ in self._running.values()}

    def _wait_and_enter(self, ticket: int, stage: str, what: str) -> None:
        work = (stage, what)
        with self._changed:
            # In one step, so that no later run gets in between two stages of this one.
            self._looking.discard(ticket)
            self._running.pop(ticket, None)
            self._waiting[ticket] = work
            self._changed.notify_all()
            try:
                while not (self._is_next(ticket) and (workers := self._room(ticket, work, begins=True))):
                    self._changed.wait(LOOK_S)
                self._running[ticket], self._given[ticket] = work, workers
            finally:
                # Also where asking for the nodes failed: nobody waits behind a run that has gone.
                del self._waiting[ticket]
                self._changed.notify_all()

    def _workers_now(self, ticket: int, wanted: int) -> int:
        with self._changed:
            given, running = self._given[ticket], set(self._running.values())
            # Who waits for what another makes needs no room now.
            if all(work in running for work in self._waiting.values()):
                given = max(given, self._room(ticket, self._running[ticket], begins=False))
            self._given[ticket] = max(1, min(given, wanted))
            if self._given[ticket] < given:
                self._changed.notify_all()
            return self._given[ticket]

    def _is_next(self, ticket: int) -> bool:
        """Whether no earlier run waits or looks. One that waits for what another makes is passed over."""
        if any(earlier < ticket for earlier in self._looking):
            return False
        running = set(self._running.values())
        return ticket == min((t for t, work in self._waiting.items() if work not in running), default=None)

    def _room(self, ticket: int, work: Work, *, begins: bool) -> int:
        """With how many workers a stage fits beside those of the others; 0 where it does not."""
        others = [(stage, self._given[t]) for t, (stage, _) in self._running.items() if t != ticket]
        most, least = self._workers_of(work[0])
        if begins and not others:
            return most
        if self._finetuning:
            others.append(("finetune", 1))
        held = [need for stage, workers in others for need in self._needs_of(stage, workers)]
        nodes = self._nodes()
        fits = (n for n in range(most, least - 1, -1) if fit_together(held + self._needs_of(work[0], n), nodes))
        return next(fits, 0)

    def _workers_of(self, stage: str) -> tuple[int, int]:
        """The most and the least workers of a stage; 1 and 1 of one whose number is fixed."""
        return next(((n.count, n.least) for n in self._needed if n.stage == stage and n.least), (1, 1))

    def _needs_of(self, stage: str, workers: int) -> list[Need]:
        """What a stage needs with so many workers, where their number is free."""
        own = [need for need in self._needed if need.stage == stage]
        return [replace(need, count=workers) if need.least else need for need in own]
