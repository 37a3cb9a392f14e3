"""Money and time: what has been reserved and spent, and the hard cap.

The ledger is a file of JSON lines that is only ever appended to, each line forced to disk. A reservation that
a dead driver left open is charged in full when the sweep goes on, if its work had begun: the cap holds whatever
happened.
"""

import logging
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from sweeper.budget.costs import CPU, NOTHING, Cost
from sweeper.config.schema import Budget
from sweeper.storage.json_lines import append_event, read_events

log = logging.getLogger("sweeper")

STAGES = ("render", "pretrain", "finetune")
# Costs are learnt from the latest pieces of work of each stage: a machine may get slower or faster.
LEARNT_FROM = 30
# A kill loses no more of the clock than the time since the last tick.
TICK_S = 10.0


class Ledger:
    """The reservations and spend of one sweep, over all its restarts.

    `wall` spend is the time `sweeper run` has been alive on this run folder. Thread-safe.
    """

    def __init__(self, path: Path, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._budget, self._clock = path, budget, clock
        self._lock = threading.RLock()
        self._started: float | None = None
        self._at_a_time: dict[str, float] = {}
        self._wall_before = 0.0
        self._open: dict[str, dict[str, Any]] = {}
        # Reservations whose work has begun, and how long each has run.
        self._begun: dict[str, float] = {}
        self._ran_until = 0.0
        self._charged = NOTHING
        self._latest: dict[str, str] = {}
        self._stages = {stage: _no_spend() for stage in STAGES}
        self._measured: dict[tuple[str, str], deque[tuple[float, Cost]]] = defaultdict(
            lambda: deque(maxlen=LEARNT_FROM)
        )
        for event in read_events(path):
            try:
                self._replay(event)
            except (KeyError, TypeError, ValueError):
                log.warning("ledger %s: a damaged line is passed over; what it closed is charged in full", path)

    def start(self) -> None:
        """Begin (or go on with) the sweep: start the clock and charge what a dead driver left open."""
        with self._lock:
            self._started = self._clock()
            for id_, event in list(self._open.items()):
                cost = Cost(**event["cost"]) if id_ in self._begun else NOTHING
                self._close(id_, event["stage"], cost, event["units"] if id_ in self._begun else 0.0, lost=True)
            self._note({"event": "start"})

    def spent(self) -> Cost:
        """Wall seconds since the first start, and the device-seconds and dollars settled so far."""
        with self._lock:
            return Cost(self._wall(), self._charged.device_s, self._charged.usd)

    def reserved(self) -> Cost:
        """What running stages may still cost."""
        with self._lock:
            return sum((Cost(**e["cost"]) for e in self._open.values()), NOTHING)

    def go_side_by_side(self, stage: str, at_a_time: float) -> None:
        """From now on `at_a_time` works of a stage are taken to go on beside one another: each takes its share of the
        machine's time. One at a time, before that is said."""
        with self._lock:
            self._at_a_time[stage] = max(1.0, at_a_time)

    def shared(self, parts: Mapping[str, Cost]) -> Cost:
        """The cost of stages (by name) with the machine's time that they take in place of their own."""
        wall_s = sum(cost.wall_s / self._at_a_time.get(stage, 1.0) for stage, cost in parts.items())
        return replace(sum(parts.values(), NOTHING), wall_s=wall_s)

    def left(self) -> dict[str, float]:
        """What each given cap still allows beyond spend and reservations: minutes, device_hours, usd."""
        return self._left_beside({})

    def affords(self, parts: Mapping[str, Cost]) -> bool:
        """Whether further stages (by name) that follow one another stay within every cap."""
        return all(left >= 0 for left in self._left_beside(parts).values())

    def reserve(self, what: str, parts: Mapping[str, tuple[Cost, float]]) -> dict[str, str] | None:
        """Set money aside for stages that follow one another; None when a cap would be passed.

        `parts` maps each stage to its cost and its units (images, runs); the answer maps it to a reservation.
        """
        with self._lock:
            if not self.affords({stage: cost for stage, (cost, _) in parts.items()}):
                return None
            ids = {}
            for stage, (cost, units) in parts.items():
                id_ = uuid.uuid4().hex[:12]
                event = {"event": "reserve", "id": id_, "stage": stage, "what": what, "units": units}
                self._note(event | {"cost": asdict(cost)})
                ids[stage] = id_
            return ids

    def begin(self, id_: str) -> None:
        """The work of a reservation begins now, unless it has begun before: from here on its time runs off."""
        with self._lock:
            if id_ in self._open and id_ not in self._begun:
                # Written down: after a kill it tells what was only reserved from what was under way.
                self._note({"event": "begin", "id": id_})

    def used(self, id_: str) -> Cost:
        """What the work of a reservation has used since it began, at the rate that was reserved."""
        with self._lock:
            self._run_on()
            if id_ not in self._begun:
                return NOTHING
            cost = Cost(**self._open[id_]["cost"])
            return NOTHING if cost.wall_s == 0 else cost.scaled(self._begun[id_] / cost.wall_s)

    def exceeded(self) -> str | None:
        """The cap that work under way has used up, for it may take longer than was reserved; None while all hold."""
        with self._lock:
            spent = sum((self.used(id_) for id_ in self._open), self.spent())
            used = replace(spent, wall_s=self._wall()).by_cap()
            passed = ((name, cap) for name, cap in self._budget.caps().items() if used[name] > cap)
            return next((f"{cap:g} {name.replace('_', '-')}" for name, cap in passed), None)

    def settle(self, id_: str, cost: Cost, units: float, device: str = CPU) -> None:
        """Replace a reservation by what the work did cost; one that was given back already stays as it is. Work that
        was given up or not needed has 0 units.

        `device`: the type of device that did it: what is learnt of one type is not believed of another.
        """
        with self._lock:
            if id_ in self._open:
                self._close(id_, self._open[id_]["stage"], cost, units, device=device)

    def charge(self, stage: str, what: str, cost: Cost, units: float, device: str = CPU) -> None:
        """Charge work that had no reservation: the repair of something that was thought to exist."""
        with self._lock:
            event = {"event": "settle", "id": uuid.uuid4().hex[:12], "stage": stage, "what": what, "units": units}
            self._note(event | {"device": device, "cost": asdict(cost)})

    def close(self) -> None:
        """Charge what open reservations have used, and give the rest back: the driver ends here."""
        with self._lock:
            for id_, event in list(self._open.items()):
                self._close(id_, event["stage"], self.used(id_), 0.0)
            self.tick()

    def tick(self) -> None:
        """Record the wall clock, so that a kill loses no more than the time since the last tick."""
        with self._lock:
            self._note({"event": "tick"})

    def by_stage(self) -> dict[str, dict[str, float]]:
        """For each stage: how often, units made, seconds, device-seconds and dollars; `lost_usd` of them went to what a
        killed driver left, which made no units.
        """
        with self._lock:
            return {stage: dict(row) for stage, row in self._stages.items()}

    def measured(self, stage: str, device: str | None = None) -> list[tuple[float, Cost]]:
        """(units, cost) of the latest pieces of finished work, what was lost or refunded left out.

        `device`: the type of device that did it; None: the type that did this stage last.
        """
        with self._lock:
            return list(self._measured.get((stage, device or self.device(stage)), ()))

    def usd_per_image(self) -> float | None:
        """Measured price of rendering one image; None before any."""
        rendered = self.by_stage()["render"]
        return (rendered["usd"] - rendered["lost_usd"]) / rendered["units"] if rendered["units"] else None

    def device(self, stage: str) -> str:
        """The type of device that did this stage last."""
        with self._lock:
            return self._latest.get(stage, CPU)

    def _left_beside(self, parts: Mapping[str, Cost]) -> dict[str, float]:
        with self._lock:
            taken = self.spent() + self.reserved() + sum(parts.values(), NOTHING)
            amounts = replace(taken, wall_s=self._wall() + self._wall_to_come(parts)).by_cap()
            return {name: cap - amounts[name] for name, cap in self._budget.caps().items()}

    def _wall_to_come(self, parts: Mapping[str, Cost]) -> float:
        """Wall seconds that open reservations and further stages may still take: what they take of the machine, but no
        less than the stages of one run take one after the other."""
        machine, alone = self.shared(parts).wall_s, sum(cost.wall_s for cost in parts.values())
        runs: dict[str, float] = defaultdict(float)
        for id_, event in self._open.items():
            to_come = max(0.0, event["cost"]["wall_s"] - self.used(id_).wall_s)
            machine += to_come / self._at_a_time.get(event["stage"], 1.0)
            runs[event["what"]] += to_come
        return max(machine, alone, *runs.values())

    def _run_on(self) -> None:
        """Let the work that has begun run until now; fine-tunes of several runs share the machine each reserved."""
        now = self._wall()
        sharing = sum(self._open[id_]["stage"] == "finetune" for id_ in self._begun)
        for id_ in self._begun:
            self._begun[id_] += (now - self._ran_until) / (sharing if self._open[id_]["stage"] == "finetune" else 1)
        self._ran_until = now

    def _wall(self) -> float:
        running = 0.0 if self._started is None else self._clock() - self._started
        return self._wall_before + running

    def _close(self, id_: str, stage: str, cost: Cost, units: float, *, device: str = CPU, lost: bool = False) -> None:
        event = {"event": "settle", "id": id_, "stage": stage, "units": units, "device": device, "cost": asdict(cost)}
        self._note(event | ({"lost": True} if lost else {}))

    def _replay(self, event: dict[str, Any]) -> None:
        if self._started is None:
            self._wall_before = max(self._wall_before, event.get("wall_s", 0.0))
        if event["event"] == "reserve":
            self._open[event["id"]] = event
        elif event["event"] == "begin":
            self._run_on()
            if event["id"] in self._open:
                self._begun[event["id"]] = 0.0
        elif event["event"] == "settle":
            self._run_on()
            # Counted first: a reservation that a damaged line closes stays open.
            self._count(event)
            self._open.pop(event["id"], None)
            self._begun.pop(event["id"], None)

    def _count(self, event: dict[str, Any]) -> None:
        """Totals are kept as events come: a sweep of thousands of runs asks for them at every decision."""
        cost, units = Cost(**event["cost"]), event["units"]
        row = self._stages.setdefault(event["stage"], _no_spend())
        self._charged += cost
        lost = bool(event.get("lost"))
        made = {"count": 1, "units": 0.0 if lost else units, "lost_usd": event["cost"]["usd"] if lost else 0.0}
        for name, amount in {**made, **event["cost"]}.items():
            row[name] += amount
        if units > 0 and not lost:
            device = self._latest[event["stage"]] = event.get("device", CPU)
            self._measured[event["stage"], device].append((units, cost))

    def _note(self, event: dict[str, Any]) -> None:
        """Counted first: whoever is interrupted while it is written gives back what may stand in the file."""
        event["wall_s"] = round(self._wall(), 3)
        self._replay(event)
        append_event(self._path, event)


@contextmanager
def ticking(ledger: Ledger) -> Iterator[None]:
    """Keep the ledger's clock meanwhile, closely at first: Ray may take long to start, and whoever is killed before
    anything has begun has used that time all the same."""
    ended = threading.Event()

    def tick() -> None:
        for pause in chain(repeat(2.0, 10), repeat(TICK_S)):
            if ended.wait(pause):
                return
            ledger.tick()

    with ThreadPoolExecutor(max_workers=1) as pool:
        ticks = pool.submit(tick)
        try:
            yield
        finally:
            ended.set()
        ticks.result()


def _no_spend() -> dict[str, float]:
    return dict.fromkeys(("count", "units", "wall_s", "device_s", "usd", "lost_usd"), 0.0)
