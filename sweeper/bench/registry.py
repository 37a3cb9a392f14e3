"""`sweeper bench NAME`: the project's own measurements, each value beside a reference of the same run.

To add a bench: a file with a function (data_root) -> figures, and its line in BENCHES.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from sweeper.errors import BadInput
from sweeper.storage.strict_json import dumps

# Name of the bench, and the function that measures it; imported when it is asked for.
BENCHES = {
    "fit": "sweeper.bench.fit:measure",
    "overhead": "sweeper.bench.overhead:measure",
    "overlap": "sweeper.bench.overlap:measure",
    "policy": "sweeper.bench.policy:measure",
    "policy-design": "sweeper.bench.policy:measure_design",
    "policy-cost": "sweeper.bench.policy:measure_cost",
    "policy-renderings": "sweeper.bench.policy:measure_renderings",
    "policy-drawn-renderings": "sweeper.bench.policy:measure_drawn_renderings",
    "pretrain": "sweeper.bench.pretrain:measure",
    "render": "sweeper.bench.render:measure",
}


@dataclass(frozen=True)
class Figure:
    """One measured number beside its reference of the same run, in `unit`."""

    value: float
    reference: float
    unit: str


def run_bench(name: str, data_root: Path | None, runs: int | None = None) -> dict[str, Figure]:
    """Measure; raises BadInput where there is no such bench. `runs`: how many, where the bench is over runs."""
    if name not in BENCHES:
        raise BadInput(f"there is no bench {name!r}; choose one of {', '.join(BENCHES)}")
    if runs is not None and (name != "overhead" or runs < 1):
        raise BadInput(f"--runs is {runs} for bench {name}; give 1 or more, and only to bench overhead")
    module, function = BENCHES[name].split(":")
    given = {} if runs is None else {"runs": runs}
    figures: dict[str, Figure] = getattr(import_module(module), function)(data_root, **given)
    return figures


def as_json(name: str, figures: dict[str, Figure]) -> str:
    """The object that DESIGN.md lays down."""
    machine = {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}
    shown = {
        key: {"value": f.value, "reference": f.reference, "ratio": _ratio(f), "unit": f.unit}
        for key, f in figures.items()
    }
    return dumps({"bench": name, "machine": machine, "figures": shown})


def as_text(name: str, figures: dict[str, Figure]) -> str:
    """One line a figure."""
    width = max(len(key) for key in figures)
    lines = [f"bench {name}", f"{'figure':{width}}  {'value':>10} {'reference':>10} {'ratio':>7}  unit"]
    for key, f in figures.items():
        ratio = "-" if not f.reference else f"{f.value / f.reference:.3f}"
        lines.append(f"{key:{width}}  {f.value:10.5g} {f.reference:10.5g} {ratio:>7}  {f.unit}")
    return "\n".join(lines)


def _ratio(figure: Figure) -> float | None:
    return figure.value / figure.reference if figure.reference else None
