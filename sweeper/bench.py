"""`sweeper bench NAME`: the project's own measurements, each value beside a reference of the same run.

To add a bench: a file with a function (data_root) -> figures, and its line in BENCHES.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from sweeper.errors import BadInput

# Name of the bench, and the function that measures it; imported when it is asked for.
BENCHES = {
    "fit": "sweeper.bench_fit:measure",
    "overhead": "sweeper.bench_overhead:measure",
    "overlap": "sweeper.bench_overlap:measure",
    "policy": "sweeper.bench_policy:measure",
    "policy-design": "sweeper.bench_policy:measure_design",
    "policy-cost": "sweeper.bench_policy:measure_cost",
    "policy-renderings": "sweeper.bench_policy:measure_renderings",
    "policy-pairs": "sweeper.bench_policy:measure_pairs",
    "pretrain": "sweeper.bench_pretrain:measure",
    "render": "sweeper.bench_render:measure",
}


@dataclass(frozen=True)
class Figure:
    """One measured number beside its reference of the same run, in `unit`."""

    value: float
    reference: float
    unit: str


def run_bench(name: str, data_root: Path | None) -> dict[str, Figure]:
    """Measure; raises BadInput where there is no such bench."""
    if name not in BENCHES:
        raise BadInput(f"there is no bench {name!r}; choose one of {', '.join(BENCHES)}")
    module, function = BENCHES[name].split(":")
    figures: dict[str, Figure] = getattr(import_module(module), function)(data_root)
    return figures


def as_json(name: str, figures: dict[str, Figure]) -> str:
    """The object that DESIGN.md lays down."""
    machine = {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}
    shown = {
        key: {"value": f.value, "reference": f.reference, "ratio": _ratio(f), "unit": f.unit}
        for key, f in figures.items()
    }
    return json.dumps({"bench": name, "machine": machine, "figures": shown})


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
