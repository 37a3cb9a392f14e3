"""What work costs: seconds, device-seconds and dollars, and estimates of them from what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.config.schema import Prices


@dataclass(frozen=True)
class Cost:
    """Wall-clock seconds a stage keeps its devices, the device-seconds that makes, and their price in dollars."""

    wall_s: float
    device_s: float
    usd: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall_s + other.wall_s, self.device_s + other.device_s, self.usd + other.usd)

    def scaled(self, factor: float) -> Cost:
        """The same work, `factor` times."""
        return Cost(self.wall_s * factor, self.device_s * factor, self.usd * factor)

    def by_cap(self) -> dict[str, float]:
        """The same as the keys of `budget:` count it."""
        return {"minutes": self.wall_s / 60, "device_hours": self.device_s / 3600, "usd": self.usd}


NOTHING = Cost(0.0, 0.0, 0.0)

# Types of device: GPUs go by the name that Ray gives their type, or by GPU where it gives none.
CPU, GPU = "cpu", "gpu"


@dataclass(frozen=True)
class Estimate:
    """What a stage is thought to cost; `high` is what is reserved. `source` says what it is measured from."""

    low: Cost
    expected: Cost
    high: Cost
    source: str

    def __add__(self, other: Estimate) -> Estimate:
        sources = sorted({s for e in (self, other) if e.expected != NOTHING for s in e.source.split(" + ")})
        return Estimate(
            self.low + other.low,
            self.expected + other.expected,
            self.high + other.high,
            " + ".join(sources) or self.source,
        )


FREE = Estimate(NOTHING, NOTHING, NOTHING, "cached")


def cost_of(prices: Prices, wall_s: float, *, cpus: float = 0.0, gpus: float = 0.0, device: str | None = None) -> Cost:
    """Price `wall_s` seconds of CPU cores and of GPUs of a type; a GPU second is one device-second, as a core's is."""
    gpu_hour = prices.gpus.get(device or GPU, prices.gpu_hour)
    usd = wall_s / 3600 * (cpus * prices.cpu_core_hour + gpus * gpu_hour)
    return Cost(wall_s, wall_s * (gpus or cpus), usd)


@dataclass(frozen=True)
class Guess:
    """Seconds of a stage before anything was measured: `fixed` for starting it and `per_unit` for each unit."""

    fixed: float
    per_unit: float


def estimate(
    guess: Guess,
    measured: list[tuple[float, Cost]],
    units: float,
    prices: Prices,
    cpus: float,
    gpus: float,
    device: str | None = None,
) -> Estimate:
    """Cost of `units` more (images, or runs): from this sweep's own measurements on such a device, where there are any.

    Guesses are good to a factor of two; measurements spread as they did, and by a tenth at least.
    """
    if units <= 0:
        return FREE
    seconds = guess.fixed + guess.per_unit * units
    spread, source = (0.5, 2.0), "guess"
    if measured:
        ratios = sorted(cost.wall_s / (guess.fixed + guess.per_unit * n) for n, cost in measured)
        middle = ratios[len(ratios) // 2]
        seconds *= middle
        spread = (min(0.9, ratios[0] / middle), max(1.1, ratios[-1] / middle))
        source = "measured"
    low, expected, high = (
        cost_of(prices, seconds * factor, cpus=cpus, gpus=gpus, device=device) for factor in (spread[0], 1.0, spread[1])
    )
    return Estimate(low, expected, high, source)
