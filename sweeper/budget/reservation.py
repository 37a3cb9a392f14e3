"""The money of one run: set aside before it begins, charged stage by stage, the rest given back."""

import threading
from collections.abc import Mapping

from sweeper.budget.costs import CPU, NOTHING, Cost
from sweeper.budget.ledger import Ledger


class Reservation:
    """What is set aside for the stages of one run. Thread-safe: the loop and the stages settle side by side.

    Work that turns out necessary without money set aside for it, as a repair, is charged all the same. Once the run is
    given up, stages that had money end without a further charge: what they used was charged then.
    """

    def __init__(self, ledger: Ledger, what: str, ids: Mapping[str, str]) -> None:
        """`what`: the run, for the ledger. `ids`: the ledger's open reservations, by stage."""
        self._ledger, self._what = ledger, what
        self._lock = threading.Lock()
        self._open = dict(ids)
        self._given_up: set[str] = set()

    def begin(self, stage: str) -> None:
        """The work of a stage begins now: from here on its time runs off."""
        with self._lock:
            if stage in self._open:
                self._ledger.begin(self._open[stage])

    def settle(self, stage: str, cost: Cost, units: float, device: str = CPU) -> None:
        """Charge what the work of a stage did cost, in place of what was set aside for it."""
        with self._lock:
            id_ = self._open.pop(stage, None)
            if id_ is not None:
                self._ledger.settle(id_, cost, units, device)
            elif stage not in self._given_up:
                self._ledger.charge(stage, self._what, cost, units, device)

    def refund(self, *stages: str) -> None:
        """Give back what was set aside for stages that turned out unnecessary."""
        with self._lock:
            for stage in stages:
                if stage in self._open:
                    self._ledger.settle(self._open.pop(stage), NOTHING, 0.0)

    def give_up(self) -> None:
        """The run is given up: what its stages have used is charged, and the rest given back."""
        with self._lock:
            for id_ in self._open.values():
                self._ledger.settle(id_, self._ledger.used(id_), 0.0)
            self._given_up |= self._open.keys()
            self._open = {}
