"""Which stages go on side by side: as many as the nodes hold, earlier runs first; nothing is made twice at a time."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sweeper.cluster.resources import Need, fit_together

# Nodes come and go while somebody waits.
LOOK_S = 5.0

# Gives the run a place for a stage that makes the thing of this name, and takes the place it had before.
Take = Callable[[str, str], None]


class Room:
    """What is under way on the nodes. Thread-safe.

    `needed`: what each stage asks for. Room for one fine-tune stays free: those finish runs. Whoever is alone gets in
    whatever the nodes have: they may be on their way.
    """

    def __init__(self, nodes: Callable[[], Sequence[Mapping[str, float]]], needed: Sequence[Need]) -> None:
        self._nodes, self._needed = nodes, needed
        self._tickets = itertools.count()
        # (stage, what it makes), by ticket.
        self._inside: dict[int, tuple[str, str]] = {}
        self._waiting: dict[int, tuple[str, str]] = {}
        # Who still looks up what is there already: who came later must not overtake them meanwhile.
        self._looking: set[int] = set()
        self._changed = threading.Condition()

    @contextmanager
    def place(self) -> Iterator[Take]:
        """A run's turn: what is yielded waits for each of its stages; who came earlier goes first."""
        with self._changed:
            ticket = next(self._tickets)
            self._looking.add(ticket)
        try:
            yield lambda stage, what: self._take(ticket, (stage, what))
        finally:
            with self._changed:
                self._looking.discard(ticket)
                self._inside.pop(ticket, None)
                self._changed.notify_all()

    def stages(self) -> set[str]:
        """The stages that are under way."""
        with self._changed:
            return {stage for stage, _ in self._inside.values()}

    def _take(self, ticket: int, work: tuple[str, str]) -> None:
        with self._changed:
            # In one step: nobody who came later gets in between two stages of a run.
            self._looking.discard(ticket)
            self._inside.pop(ticket, None)
            self._waiting[ticket] = work
            self._changed.notify_all()
            try:
                while not self._lets_in(ticket):
                    self._changed.wait(LOOK_S)
                self._inside[ticket] = work
            finally:
                # Also where the nodes could not be asked for: nobody waits behind who has gone.
                del self._waiting[ticket]
                self._changed.notify_all()

    def _lets_in(self, ticket: int) -> bool:
        """Whether this one is next and has room. Who waits for what another makes keeps nobody waiting."""
        made = set(self._inside.values())
        if any(earlier < ticket for earlier in self._looking):
            return False
        if ticket != min((t for t, work in self._waiting.items() if work not in made), default=None):
            return False
        if not self._inside:
            return True
        wanted = ["finetune", self._waiting[ticket][0], *(stage for stage, _ in made)]
        needed = [need for stage in wanted for need in self._needed if need.stage == stage]
        return fit_together(needed, self._nodes())
