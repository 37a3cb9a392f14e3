"""Every measurement of the project by name: `sweeper bench NAME` is the one way to all of them.

To add a bench: a file with a function that returns figures by name, and its entry in BENCHES. The command line imports
this file for its help, so it imports no bench before one is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sweeper.errors import BadInput

if TYPE_CHECKING:
    from sweeper.bench.figures import Figure


@dataclass(frozen=True)
class Bench:
    """What is measured, beside what, by which function of this package ("file:name"), and with which options."""

    measures: str
    reference: str
    function: str
    options: tuple[str, ...] = ()


BENCHES: Mapping[str, Bench] = {
    "fit": Bench("the estimator's speed, its error on recorded curves", "least squares", "fit:measure", ("data_root",)),
    "pretrain": Bench("images/s of the training loop", "a plain torch loop", "pretrain:measure", ("device",)),
    "render": Bench("images/s and memory", "bare Blender and a process a scene", "render:measure"),
    "sweep": Bench("stages an hour", "a plain script of two processes", "sweep:measure", ("small",)),
    "overhead": Bench("driver time a run", "Ray Tune alone", "overhead:measure", ("runs",)),
    "overlap": Bench("core-seconds spent in fine-tunes", "all there were", "overlap:measure"),
    "policy": Bench(
        "the four questions that follow, to every policy", "the fixed grid", "policy:measure", ("data_root",)
    ),
    "policy-design": Bench("variance over the least possible", "the fixed grid", "policy:measure_design"),
    "policy-cost": Bench("cost until C is known", "the fixed grid", "policy:measure_cost"),
    "policy-renderings": Bench(
        "recorded settings named right", "the fixed grid", "policy:measure_renderings", ("data_root",)
    ),
    "policy-drawn-renderings": Bench("the same on drawn settings", "the fixed grid", "policy:measure_drawn_renderings"),
    "policy-ends": Bench("whether a law has ended", "the fixed grid", "policy:measure_ending"),
    "factors": Bench(
        "the best of all settings in 17, 33 runs", "a factorial fraction", "factors:measure", ("data_root",)
    ),
    "factors-calibration": Bench(
        "coverage of effects, new settings",
        "what they say",
        "factors_calibration:measure",
        ("simulations", "strata", "data_root", "out"),
    ),
    "calibration": Bench(
        "coverage and verdicts of simulated sweeps",
        "what they say",
        "calibration:measure",
        ("sweeps", "strata", "out"),
    ),
    "calibration-cells": Bench(
        "coverage on fixed designs",
        "profile likelihood",
        "calibration_cells:measure",
        ("sizes", "simulations", "truths", "out"),
    ),
    "target": Bench(
        "targets missed and overspent in 5 rounds",
        "power-law regression",
        "target:measure",
        ("truths", "data_root"),
    ),
    "selection": Bench(
        "error and evidence of candidate priors",
        "the shipped prior",
        "selection:measure",
        ("data_root", "out", "evidence"),
    ),
    "reality": Bench("noise, bands and verdicts of real runs", "what they say", "reality:measure"),
    "exchange": Bench(
        "laws of renders and labels, sizes hidden",
        "law (2), the grid",
        "exchange:measure",
        ("truths", "data_root"),
    ),
    "theory": Bench("exponents of the paper's appendix E", "its bounds", "theory:measure", ("small", "out")),
    "tasks": Bench(
        "metric of every task and backbone",
        "the same model untrained",
        "task_matrix:measure",
        ("backbones", "tasks", "steps", "test", "device"),
    ),
}

HELP = "The project's own measurements, each beside a reference of the same run.\n\n\b\n" + "\n".join(
    f"{name}: {bench.measures}; beside {bench.reference}" for name, bench in BENCHES.items()
)


def run_bench(name: str | None, given: Mapping[str, Any]) -> dict[str, Figure]:
    """Measure with the options that were `given`; BadInput where there is no such bench or it has no such option."""
    if name is None or name not in BENCHES:
        problem = f"there is no bench {name!r}" if name else "bench needs a name"
        raise BadInput(f"{problem}; choose one of {', '.join(BENCHES)}")
    for option in given:
        if option not in BENCHES[name].options:
            takers = " and ".join(other for other, bench in BENCHES.items() if option in bench.options)
            raise BadInput(f"--{option.replace('_', '-')} is no option of bench {name}, but of {takers}")
    module, function = BENCHES[name].function.split(":")
    figures: dict[str, Figure] = getattr(import_module(f"sweeper.bench.{module}"), function)(**given)
    return figures
