"""`sweeper bench policy`: what the policy pays, beside every baseline and the bound, in one run.

The questions are those of `analysis.evidence.policy_questions`. A figure's reference is the fixed grid's on the same
trials; of the cost to a standard error, 1, for costs are in grids.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.evidence.policy_questions import (
    DESIGN_RUNS,
    ENDING_RUNS,
    design_trial,
    drawn_rendering_trial,
    ending_trial,
    gap_cost_bound,
    gap_cost_trial,
    rendering_trial,
    renderings,
)
from analysis.policy.registry import OURS, POLICIES
from sweeper.bench.figures import Figure
from sweeper.bench.recorded import paper_curves
from sweeper.cluster.parallel import in_parallel

LAWS, REPLAYS, DRAWS = 40, 100, 40
# The policy beside which every figure is shown.
PLAIN = "grid"
# Of drawn settings, whose fits no two replays share, the grid and the best of the others on the recorded ones.
_DRAWN_POLICIES = (OURS, PLAIN, "d_optimal")
_MOST_COST = 2.0


def measure(data_root: Path | None = None) -> dict[str, Figure]:
    """The first three questions; BadInput where the recorded curves cannot be read, before anything is measured."""
    paper_curves(data_root)
    return measure_design() | measure_cost() | measure_renderings(data_root) | measure_drawn_renderings()


def measure_design(laws: int = LAWS) -> dict[str, Figure]:
    """Variance over the locally optimal design's, of so many known laws."""
    figures = dict[str, Figure]()
    found = _trials(design_trial, POLICIES, [(i,) for i in range(laws)])
    for at, runs in enumerate(DESIGN_RUNS):
        plain = float(np.median([each[at] for each in found[PLAIN]]))
        for policy, results in found.items():
            ratios = [each[at] for each in results]
            unit = f"times the locally optimal design's variance; {_spread(ratios)}"
            figures[f"variance_vs_bound_{runs}_runs{_suffix(policy)}"] = Figure(_median(ratios), plain, unit)
    return figures


def measure_cost(laws: int = LAWS) -> dict[str, Figure]:
    """Cost until C is known as by four rounds of the grid, of so many known laws."""
    found = _trials(gap_cost_trial, POLICIES, [(i,) for i in range(laws)])
    columns = {_suffix(policy): costs for policy, costs in found.items()}
    columns["_bound"] = [gap_cost_bound(i) for i in range(laws)]
    unit = "costs of the fixed grid that reaches this standard error of C"
    return {
        f"cost_to_c_sd_vs_grid{suffix}": Figure(min(_median(costs), _MOST_COST), 1.0, f"{unit}; {_spread(costs)}")
        for suffix, costs in columns.items()
    }


def measure_renderings(data_root: Path | None = None, replays: int = REPLAYS) -> dict[str, Figure]:
    """How often a right one of the recorded settings is named; BadInput where they cannot be read."""
    nine = renderings(paper_curves(data_root))
    found = _trials(rendering_trial, POLICIES, [(nine, seed) for seed in range(replays)])
    return _shares("renderings_right_at_fifth_cost", found)


def measure_drawn_renderings(draws: int = DRAWS) -> dict[str, Figure]:
    """The same of so many draws of nine settings."""
    found = _trials(drawn_rendering_trial, _DRAWN_POLICIES, [(i,) for i in range(draws)])
    return _shares("drawn_renderings_right_at_fifth_cost", found)


def measure_ending(laws: int = LAWS) -> dict[str, Figure]:
    """How sure a sweep is whether a law has ended, of which half have, and how often it identifies the others."""
    found = _trials(ending_trial, _DRAWN_POLICIES, [(i,) for i in range(laws)])
    figures = dict[str, Figure]()
    for at, name, trials in (
        (0, "probability_of_true_end", slice(1, None, 2)),
        (0, "probability_of_no_end", slice(0, None, 2)),
        (1, "identified_without_end", slice(0, None, 2)),
    ):
        means = {policy: float(np.mean([each[at] for each in results[trials]])) for policy, results in found.items()}
        unit = f"mean of {len(found[OURS][trials])} laws after {ENDING_RUNS} runs"
        figures |= {name + _suffix(policy): Figure(mean, means[PLAIN], unit) for policy, mean in means.items()}
    return figures


def _trials(
    trial: Callable[..., Any], policies: Iterable[str], arguments: Sequence[tuple[Any, ...]]
) -> dict[str, list[Any]]:
    """What each policy's trials found, one for each of `arguments`."""
    jobs = [(policy, *each) for each in arguments for policy in policies]
    found: dict[str, list[Any]] = {policy: [] for policy in policies}
    for (policy, *_), result in zip(jobs, in_parallel(trial, jobs, "bench policy"), strict=True):
        found[policy].append(result)
    return found


def _shares(name: str, found: Mapping[str, Sequence[tuple[bool, float]]]) -> dict[str, Figure]:
    """Of each policy the share of its trials that named a right setting."""
    shares = {policy: float(np.mean([right for right, _ in trials])) for policy, trials in found.items()}
    figures = dict[str, Figure]()
    for policy, share in shares.items():
        spent = max(cost for _, cost in found[policy])
        unit = f"share of {len(found[policy])} replays; spent at most {spent:.1%} of the grid's cost"
        figures[f"{name}{_suffix(policy)}"] = Figure(share, shares[PLAIN], unit)
    return figures


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
