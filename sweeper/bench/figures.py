"""Figures of benches: a value beside its reference of the same run, as JSON and as text, and processor time."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sweeper.storage.strict_json import dumps


@dataclass(frozen=True)
class Figure:
    """One measured number beside its reference of the same run, in `unit`."""

    value: float
    reference: float
    unit: str

    @property
    def ratio(self) -> float | None:
        """The value over its reference; None where that is 0."""
        return self.value / self.reference if self.reference else None


def as_json(name: str, figures: Mapping[str, Figure]) -> str:
    """One object: the bench, the machine, and of each figure its value, reference, ratio and unit."""
    machine = {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}
    shown = {
        key: {"value": f.value, "reference": f.reference, "ratio": f.ratio, "unit": f.unit}
        for key, f in figures.items()
    }
    return dumps({"bench": name, "machine": machine, "figures": shown})


def as_text(name: str, figures: Mapping[str, Figure]) -> str:
    """One line a figure."""
    width = max(len(key) for key in figures)
    lines = [f"bench {name}", f"{'figure':{width}}  {'value':>10} {'reference':>10} {'ratio':>7}  unit"]
    for key, f in figures.items():
        ratio = "-" if f.ratio is None else f"{f.ratio:.3f}"
        lines.append(f"{key:{width}}  {f.value:10.5g} {f.reference:10.5g} {ratio:>7}  {f.unit}")
    return "\n".join(lines)


def processor_seconds(work: Callable[[], object]) -> float:
    """What `work` takes of this process's processor time, in which other work on the machine weighs less."""
    start = time.process_time()
    work()
    return time.process_time() - start
