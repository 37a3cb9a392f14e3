"""How long a stage will still take, from how fast it went lately."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

# Reports of a stage that its range is taken from.
RECENT = 12


@dataclass(frozen=True)
class Eta:
    """Seconds that are left: at the rate that was reported, and at the fastest and slowest of the latest rates."""

    expected: float
    low: float
    high: float

    def __str__(self) -> str:
        shown = in_words(self.expected)
        low, high = in_words(self.low), in_words(self.high)
        return f"ETA {shown}" if low == high else f"ETA {shown} ({low} to {high})"


def eta(done: float, total: float, rates: Sequence[float]) -> Eta | None:
    """What is left of `total` units at the latest of `rates` (units a second, oldest first); None before any work."""
    moving = [rate for rate in rates if rate > 0]
    if not moving or not rates[-1] > 0:
        return None
    left = max(0.0, total - done)
    return Eta(left / rates[-1], left / max(moving), left / min(moving))


class Rates:
    """The latest rates of each stage, by its name: as reported, and as measured between two reports."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, float, float]]] = {}

    def eta(self, key: str, now: float, done: float, total: float, rate: float) -> Eta | None:
        """Note a report at `now` seconds of a clock, and say what is left. A stage that begins anew forgets."""
        seen = self._seen.setdefault(key, deque(maxlen=RECENT))
        if seen and done < seen[-1][1]:
            seen.clear()
        between = (done - seen[-1][1]) / (now - seen[-1][0]) if seen and now > seen[-1][0] else 0.0
        seen.append((now, done, between))
        return eta(done, total, [*(each[2] for each in seen), rate])

    def forget(self, key: str) -> None:
        """The stage has ended."""
        self._seen.pop(key, None)


def pace(done: float, total: float, rate: float, unit: str) -> str:
    """How far a stage is and how fast: 40/100 images, 3.2 images/s."""
    return f"{done:.0f}/{total:.0f} {unit}, {rate:{'.0f' if rate >= 10 else '.2g'}} {unit}/s"


def in_words(seconds: float) -> str:
    """40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
