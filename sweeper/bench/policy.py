"""`sweeper bench policy`: what the policy pays, beside every baseline and the bound, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analysis.evidence.policy_questions import (
    DESIGN_RUNS,
    design_trial,
    drawn_rendering_trial,
    gap_cost_bound,
    gap_cost_trial,
    rendering_trial,
    renderings,
)
from analysis.policy.registry import OURS, POLICIES
from sweeper.bench.figures import Figure
from sweeper.bench.recorded import paper_curves
from sweeper.cluster.parallel import in_parallel

LAWS = 40
REPLAYS = {"renderings": 100, "drawn-renderings": 40}
# The policy beside which every figure is shown.
PLAIN = "grid"
# Of drawn settings, whose fits no two replays share, the grid and the best of the others on the recorded ones.
_DRAWN_POLICIES = (OURS, PLAIN, "d_optimal")
_MOST_COST = 2.0

# What the trials found, by question and policy.
Found = dict[tuple[str, str], list[Any]]


@dataclass(frozen=True)
class Trial:
    """One trial of one policy on one `question`: which function, and its arguments after the policy's name."""

    question: str
    run: Callable[..., Any]
    policy: str
    arguments: tuple[Any, ...]


def measure(
    data_root: Path | None = None,
    laws: int = LAWS,
    replays: Mapping[str, int] = REPLAYS,
    questions: Sequence[str] = ("design", "cost", "renderings", "drawn-renderings"),
) -> dict[str, Figure]:
    """The questions of `analysis.evidence.policy_questions` to all policies.

    A figure's reference is the fixed grid's on the same trials; of the cost to a standard error, 1, for costs are in
    grids.

    Args:
        data_root: the folder of recorded data, by default SWEEPER_DATA_ROOT; only "renderings" needs it.
        laws: how many known laws "design" and "cost" are asked of.
        replays: trials of each policy in "renderings" and "drawn-renderings".
        questions: which to ask.

    Raises:
        BadInput: where the recorded curves are needed and cannot be read.
    """
    trials = [trial for question in questions for trial in _PLANS[question](data_root, laws, replays)]
    found: Found = {}
    for trial, result in zip(trials, in_parallel(_run, [(trial,) for trial in trials], "bench policy"), strict=True):
        found.setdefault((trial.question, trial.policy), []).append(result)
    return {name: figure for question in questions for name, figure in _FIGURES[question](found).items()}


measure_design = partial(measure, questions=("design",))
measure_cost = partial(measure, questions=("cost",))
measure_renderings = partial(measure, questions=("renderings",))
measure_drawn_renderings = partial(measure, questions=("drawn-renderings",))


def _run(trial: Trial) -> Any:
    return trial.run(trial.policy, *trial.arguments)


def _plan_design(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    return [Trial("design", design_trial, policy, (i,)) for i in range(laws) for policy in POLICIES]


def _plan_cost(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    within = [Trial("cost", gap_cost_trial, policy, (i,)) for i in range(laws) for policy in POLICIES]
    return within + [Trial("beyond", gap_cost_trial, OURS, (i, True)) for i in range(laws)]


def _plan_renderings(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    nine = renderings(paper_curves(data_root))
    seeds = range(replays["renderings"])
    return [Trial("renderings", rendering_trial, name, (nine, seed)) for seed in seeds for name in POLICIES]


def _plan_drawn_renderings(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    draws = range(replays["drawn-renderings"])
    return [Trial("drawn-renderings", drawn_rendering_trial, name, (i,)) for i in draws for name in _DRAWN_POLICIES]


_PLANS = {
    "design": _plan_design,
    "cost": _plan_cost,
    "renderings": _plan_renderings,
    "drawn-renderings": _plan_drawn_renderings,
}


def _design(found: Found) -> dict[str, Figure]:
    figures = dict[str, Figure]()
    for at, runs in enumerate(DESIGN_RUNS):
        plain = float(np.median([each[at] for each in found["design", PLAIN]]))
        for policy in POLICIES:
            ratios = [each[at] for each in found["design", policy]]
            unit = f"times the locally optimal design's variance; {_spread(ratios)}"
            figures[f"variance_vs_bound_{runs}_runs{_suffix(policy)}"] = Figure(_median(ratios), plain, unit)
    return figures


def _cost(found: Found) -> dict[str, Figure]:
    columns = {f"cost_to_c_sd_vs_grid{_suffix(policy)}": found["cost", policy] for policy in POLICIES}
    laws = len(found["cost", OURS])
    columns["cost_to_c_sd_vs_grid_bound"] = [gap_cost_bound(i) for i in range(laws)]
    columns["cost_to_c_sd_vs_grid_sizes_beyond"] = found["beyond", OURS]
    columns["cost_to_c_sd_vs_grid_sizes_beyond_bound"] = [gap_cost_bound(i, True) for i in range(laws)]
    unit = "costs of the fixed grid that reaches this standard error of C"
    return {
        name: Figure(min(_median(costs), _MOST_COST), 1.0, f"{unit}; {_spread(costs)}")
        for name, costs in columns.items()
    }


def _renderings(found: Found, question: str, name: str) -> dict[str, Figure]:
    """Of each policy the share of its replays that named a right setting."""
    trials = {policy: results for (asked, policy), results in found.items() if asked == question}
    shares = {policy: float(np.mean([right for right, _ in of_policy])) for policy, of_policy in trials.items()}
    figures = dict[str, Figure]()
    for policy, share in shares.items():
        spent = max(cost for _, cost in trials[policy])
        unit = f"share of {len(trials[policy])} replays; spent at most {spent:.1%} of the grid's cost"
        figures[f"{name}{_suffix(policy)}"] = Figure(share, shares[PLAIN], unit)
    return figures


_FIGURES: Mapping[str, Callable[[Found], dict[str, Figure]]] = {
    "design": _design,
    "cost": _cost,
    "renderings": partial(_renderings, question="renderings", name="renderings_right_at_fifth_cost"),
    "drawn-renderings": partial(_renderings, question="drawn-renderings", name="drawn_renderings_right_at_fifth_cost"),
}


def _suffix(policy: str) -> str:
    """What the names of a policy's figures end in."""
    return "" if policy == OURS else f"_{policy}"


def _median(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.5, method="nearest"))


def _spread(values: Sequence[float]) -> str:
    low, high = (float(each) for each in np.quantile(values, [0.25, 0.75], method="nearest"))
    never = float(np.mean(~np.isfinite(values)))
    beside = f", never within twice the grid in {never:.0%}" if never else ""
    return f"median of {len(values)} laws, quartiles {low:.3g} to {high:.3g}{beside}"
