"""`sweeper bench policy`: what the policy pays, beside every baseline and the bound, in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.evidence.drawn_cases import drawn_rendering_trial
from analysis.evidence.policy_questions import (
    DESIGN_RUNS,
    design_trial,
    gap_cost_bound,
    gap_cost_trial,
    rendering_trial,
    renderings,
)
from analysis.policy.registry import OURS, POLICIES
from sweeper.bench.registry import Figure
from sweeper.bench.trials import DRAWN_POLICIES, PLAIN, Found, Trial, recorded, suffix
from sweeper.cluster.parallel import in_parallel

QUESTIONS = ("design", "cost", "renderings", "drawn-renderings")
LAWS = 40
REPLAYS = {"renderings": 100, "drawn-renderings": 40}
_MOST_COST = 2.0


def measure(
    data_root: Path | None,
    laws: int = LAWS,
    replays: Mapping[str, int] = REPLAYS,
    questions: Sequence[str] = QUESTIONS,
) -> dict[str, Figure]:
    """`questions` (`policy_questions`) to all policies, over `laws` known laws and so many `replays` of each
    recorded question.

    A figure's reference is the fixed grid's on the same trials; of the cost to a standard error, 1, for costs are in
    grids. The recorded curves lie where `data_root` or SWEEPER_DATA_ROOT says.
    """
    trials = [trial for question in questions for trial in _PLANS[question](data_root, laws, replays)]
    return figures_of(trials, in_parallel(run_trial, [(trial,) for trial in trials], "bench policy"))


def measure_design(data_root: Path | None) -> dict[str, Figure]:
    """The first question alone; needs no recorded data."""
    return measure(data_root, questions=("design",))


def measure_cost(data_root: Path | None) -> dict[str, Figure]:
    """The second question alone; needs no recorded data."""
    return measure(data_root, questions=("cost",))


def measure_renderings(data_root: Path | None) -> dict[str, Figure]:
    """The third question alone."""
    return measure(data_root, questions=("renderings",))


def measure_drawn_renderings(data_root: Path | None) -> dict[str, Figure]:
    """The third question on drawn settings; needs no recorded data."""
    return measure(data_root, questions=("drawn-renderings",))


def _plan_design(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    return [Trial("design", design_trial, policy, (i,)) for i in range(laws) for policy in POLICIES]


def _plan_cost(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    within = [Trial("cost", gap_cost_trial, policy, (i,)) for i in range(laws) for policy in POLICIES]
    return within + [Trial("beyond", gap_cost_trial, OURS, (i, True)) for i in range(laws)]


def _plan_renderings(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    nine = renderings(recorded(data_root))
    seeds = range(replays["renderings"])
    return [Trial("renderings", rendering_trial, name, (nine, seed)) for seed in seeds for name in POLICIES]


def _plan_drawn_renderings(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    draws = range(replays["drawn-renderings"])
    return [Trial("drawn-renderings", drawn_rendering_trial, name, (i,)) for i in draws for name in DRAWN_POLICIES]


_PLANS = {
    "design": _plan_design,
    "cost": _plan_cost,
    "renderings": _plan_renderings,
    "drawn-renderings": _plan_drawn_renderings,
}


def run_trial(trial: Trial) -> Any:
    """What the trial found."""
    return trial.run(trial.policy, *trial.arguments)


def figures_of(trials: Sequence[Trial], results: Sequence[Any]) -> dict[str, Figure]:
    """The figures from all trials and what each found."""
    found: Found = {}
    for trial, result in zip(trials, results, strict=True):
        found.setdefault((trial.question, trial.policy), []).append(result)
    readers = {
        "design": _design,
        "cost": _cost,
        "renderings": _renderings,
        "drawn-renderings": _drawn_renderings,
    }
    asked = dict.fromkeys(first for trial in trials if (first := trial.question.split()[0]) in readers)
    return {name: figure for question in asked for name, figure in readers[question](found).items()}


def _design(found: Found) -> dict[str, Figure]:
    figures = dict[str, Figure]()
    for at, runs in enumerate(DESIGN_RUNS):
        plain = float(np.median([each[at] for each in found["design", PLAIN]]))
        for policy in POLICIES:
            ratios = [each[at] for each in found["design", policy]]
            unit = f"times the locally optimal design's variance; {_spread(ratios)}"
            figures[f"variance_vs_bound_{runs}_runs{suffix(policy)}"] = Figure(_median(ratios), plain, unit)
    return figures


def _cost(found: Found) -> dict[str, Figure]:
    columns = {f"cost_to_c_sd_vs_grid{suffix(policy)}": found["cost", policy] for policy in POLICIES}
    laws = len(found["cost", OURS])
    columns["cost_to_c_sd_vs_grid_bound"] = [gap_cost_bound(i) for i in range(laws)]
    columns["cost_to_c_sd_vs_grid_sizes_beyond"] = found["beyond", OURS]
    columns["cost_to_c_sd_vs_grid_sizes_beyond_bound"] = [gap_cost_bound(i, True) for i in range(laws)]
    unit = "costs of the fixed grid that reaches this standard error of C"
    return {
        name: Figure(min(_median(costs), _MOST_COST), 1.0, f"{unit}; {_spread(costs)}")
        for name, costs in columns.items()
    }


def _renderings(found: Found) -> dict[str, Figure]:
    return _right("renderings_right_at_fifth_cost", {policy: found["renderings", policy] for policy in POLICIES})


def _drawn_renderings(found: Found) -> dict[str, Figure]:
    trials = {policy: found["drawn-renderings", policy] for policy in DRAWN_POLICIES}
    return _right("drawn_renderings_right_at_fifth_cost", trials)


def _right(name: str, trials: Mapping[str, list[Any]]) -> dict[str, Figure]:
    """Of each policy the share of its replays that named a right setting."""
    shares = {policy: float(np.mean([right for right, _ in of_policy])) for policy, of_policy in trials.items()}
    figures = dict[str, Figure]()
    for policy, share in shares.items():
        spent = max(cost for _, cost in trials[policy])
        unit = f"share of {len(trials[policy])} replays; spent at most {spent:.1%} of the grid's cost"
        figures[f"{name}{suffix(policy)}"] = Figure(share, shares[PLAIN], unit)
    return figures


def _median(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.5, method="nearest"))


def _spread(values: Sequence[float]) -> str:
    low, high = (float(each) for each in np.quantile(values, [0.25, 0.75], method="nearest"))
    never = float(np.mean(~np.isfinite(values)))
    beside = f", never within twice the grid in {never:.0%}" if never else ""
    return f"median of {len(values)} laws, quartiles {low:.3g} to {high:.3g}{beside}"
