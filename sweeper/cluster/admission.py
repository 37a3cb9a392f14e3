"""The scheduler of stages: which renderings and pre-trainings run side by side on the nodes.

As many run as the nodes hold, those of earlier runs first, and nothing is made twice at a time.
"""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sweeper.cluster.resources import Need, fit_together

# Waiting runs look again this often: nodes come and go meanwhile.
LOOK_S = 5.0

# Waits until a run may begin a stage (first argument), which makes the thing of this name (second); called before each.
Admit = Callable[[str, str], None]


class Admission:
    """The stages that run and those that wait. Thread-safe.

    `needed`: the resources of each stage. While fine-tunes run or wait, those of one stay free, since fine-tunes finish
    runs. A run that is alone is admitted whatever the nodes have: more may be on their way.
    """

    def __init__(self, nodes: Callable[[], Sequence[Mapping[str, float]]], needed: Sequence[Need]) -> None:
        self._nodes, self._needed = nodes, needed
        self._tickets = itertools.count()
        # (stage, what it makes), by ticket.
        self._running: dict[int, tuple[str, str]] = {}
        self._waiting: dict[int, tuple[str, str]] = {}
        # Runs that still look up what the store has: later ones must not overtake them meanwhile.
        self._looking: set[int] = set()
        self._finetuning = True
        self._changed = threading.Condition()

    @contextmanager
    def turn(self) -> Iterator[Admit]:
        """A run's turn, in the order of coming. The function that it yields is called before each of its stages."""
        with self._changed:
            ticket = next(self._tickets)
            self._looking.add(ticket)
        try:
            yield lambda stage, what: self._wait_and_enter(ticket, (stage, what))
        finally:
            with self._changed:
                self._looking.discard(ticket)
                self._running.pop(ticket, None)
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

    def _wait_and_enter(self, ticket: int, work: tuple[str, str]) -> None:
        with self._changed:
            # In one step, so that no later run gets in between two stages of this one.
            self._looking.discard(ticket)
            self._running.pop(ticket, None)
            self._waiting[ticket] = work
            self._changed.notify_all()
            try:
                while not self._is_next_and_fits(ticket):
                    self._changed.wait(LOOK_S)
                self._running[ticket] = work
            finally:
                # Also where asking for the nodes failed: nobody waits behind a run that has gone.
                del self._waiting[ticket]
                self._changed.notify_all()

    def _is_next_and_fits(self, ticket: int) -> bool:
        """Whether this run is next and its stage fits. A run that waits for what another makes is passed over."""
        running = set(self._running.values())
        if any(earlier < ticket for earlier in self._looking):
            return False
        if ticket != min((t for t, work in self._waiting.items() if work not in running), default=None):
            return False
        if not running:
            return True
        wanted = [self._waiting[ticket][0], *(stage for stage, _ in running)]
        if self._finetuning:
            wanted.append("finetune")
        needed = [need for stage in wanted for need in self._needed if need.stage == stage]
        return fit_together(needed, self._nodes())
