"""What the user sees while a sweep runs: a line for each event, progress bars on a terminal, JSON lines for machines.

Lines go to stderr, JSON lines (`--json`) to stdout. Ray workers report their progress through a small actor.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sweeper.events.eta import Rates, pace
from sweeper.storage.strict_json import dumps

Mode = Literal["auto", "json"]

# Called with the name and the fields of every event; progress is an event named "progress".
EventCallback = Callable[[str, dict[str, Any]], None]

# Seconds between two lines of progress of one stage, where there is no terminal.
QUIET_S = 10.0


class Reporter:
    """Events of one sweep, as lines and to callbacks. Thread-safe: stages run side by side."""

    def __init__(self, mode: Mode = "auto") -> None:
        self._json = mode == "json"
        # Kept, since a command redirects stdout for what libraries print.
        self._out = sys.stdout
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._money: Callable[[], str] = lambda: ""
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._said: dict[str, float] = {}
        self._bars: dict[str, TaskID] = {}
        self._rates = Rates()
        self._callbacks: list[EventCallback] = []
        self._live: Progress | None = None
        if not self._json and self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
            self._live = Progress(*columns, console=self._console, transient=True)
            self._live.start()

    def close(self) -> None:
        """End the progress bars."""
        if self._live is not None:
            self._live.stop()

    def with_money(self, money: Callable[[], str]) -> None:
        """End each line with this text: what was spent and what is left."""
        self._money = money

    def set_callbacks(self, *callbacks: EventCallback) -> None:
        """Call these for every event from now on, in place of those set before."""
        self._callbacks = list(callbacks)

    def event(self, name: str, text: str, **fields: Any) -> None:
        """Report one event: `text` for the user, `name` and `fields` for machines and callbacks."""
        with self._lock:
            self._finish_bar(fields.get("stage"), fields.get("what"))
            self._print(name, text, fields)
            for callback in self._callbacks:
                callback(name, fields)

    def progress(self, stage: str, what: str, done: float, total: float, rate: float, unit: str) -> None:
        """Report how far a stage is: `done` of `total` units, `rate` units a second. What is left is added."""
        key = f"{stage} {what}"
        speed = pace(done, total, rate, unit)
        fields: dict[str, Any] = {
            "stage": stage,
            "what": what,
            "done": done,
            "total": total,
            "rate": rate,
            "unit": unit,
        }
        with self._lock:
            left = self._rates.eta(key, time.monotonic(), done, total, rate)
            if left is not None:
                speed += f", {left}"
                fields |= {"eta_s": left.expected, "eta_low_s": left.low, "eta_high_s": left.high}
            for callback in self._callbacks:
                callback("progress", fields)
            if self._live is not None:
                if key not in self._bars:
                    self._bars[key] = self._live.add_task(key, total=total, rate="")
                self._live.update(self._bars[key], completed=done, total=total, rate=f"{speed}  {self._money()}")
                return
            now = time.monotonic()
            if now - self._said.get(key, self._started) < QUIET_S and done < total:
                return
            self._said[key] = now
            self._print("progress", f"{key}: {speed}", fields)

    def counter(self, stage: str, what: str, total: float, unit: str) -> Callable[[int, float], None]:
        """A function (units just done, seconds they took) that reports the progress of a stage."""
        started, done = time.monotonic(), 0

        def count(units: int, _: float) -> None:
            nonlocal done
            done += units
            self.progress(stage, what, done, total, done / max(1e-3, time.monotonic() - started), unit)

        return count

    def _finish_bar(self, stage: Any, what: Any) -> None:
        self._rates.forget(f"{stage} {what}")
        bar = self._bars.pop(f"{stage} {what}", None)
        if bar is not None and self._live is not None:
            self._live.remove_task(bar)

    def _print(self, name: str, text: str, fields: dict[str, Any]) -> None:
        seconds, money = round(time.monotonic() - self._started, 1), self._money()
        if self._json:
            line = dumps({"event": name, "t": seconds, "text": text, "money": money, **fields})
            print(line, file=self._out, flush=True)
            return
        self._console.print(f"[{seconds:6.0f} s] {text}{'  | ' + money if money else ''}", markup=False)


class Board:
    """Holds the latest progress of each Ray worker until the driver reads it; run as an actor."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[str, str, float, float, float, str]] = {}

    def post(self, stage: str, what: str, done: float, total: float, rate: float, unit: str) -> None:
        """Replace the latest progress of a stage."""
        self._latest[f"{stage} {what}"] = (stage, what, done, total, rate, unit)

    def take(self) -> list[tuple[str, str, float, float, float, str]]:
        """Everything posted since the last call."""
        latest, self._latest = list(self._latest.values()), {}
        return latest
