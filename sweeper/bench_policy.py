"""`sweeper bench policy`: what the policy pays, beside every baseline and the bound, in one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.drawn_cases import (
    DESIGNS,
    SIZES_AT_BEST,
    chances_at_best,
    design_apart,
    drawn_pairs,
    drawn_rendering_trial,
)
from analysis.policy_contest import (
    CROSS_TASK_PILOT,
    DESIGN_RUNS,
    Apart,
    cross_task_trial,
    cross_tasks,
    design_trial,
    gap_cost_bound,
    gap_cost_trial,
    rendering_trial,
    renderings,
    whole_gaps,
)
from analysis.recorded import Curve, Setting, read_paper
from analysis.replay import ENTRANTS, OURS
from sweeper.bench import Figure
from sweeper.errors import BadInput
from sweeper.parallel import in_parallel

QUESTIONS = ("design", "cost", "renderings", "drawn-renderings", "pairs", "drawn-pairs")
LAWS = 40
# A process meets the same sets of runs of the nine settings again and again; those of the pairs hardly.
REPLAYS = {"renderings": 100, "drawn-renderings": 40, "pairs": 4, "drawn-pairs": 8}
# Half of the grid's cost is the aim; at six tenths four sizes of each pre-training task are to be had.
SHARES = {"half": 0.5, "six_tenths": 0.6}
# Of drawn cases, whose fits no two replays share, the grid and the best of the others on the recorded ones.
_DRAWN_ENTRANTS = (OURS, "grid", "d_optimal")
_PLAIN = "grid"
# What the trials found, by question and policy.
Found = dict[tuple[str, str], list[Any]]
Paper = dict[Setting, Curve]
_MOST_COST = 2.0


@dataclass(frozen=True)
class Trial:
    """One trial of one policy, or design, on one `question`: which function, and its arguments after that name."""

    question: str
    run: Callable[..., Any]
    policy: str
    arguments: tuple[Any, ...]


def measure(
    data_root: Path | None,
    laws: int = LAWS,
    replays: Mapping[str, int] = REPLAYS,
    questions: Sequence[str] = QUESTIONS,
) -> dict[str, Figure]:
    """`questions` (`analysis.policy_contest`) to all policies, over `laws` known laws and so many `replays` of each
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


def measure_pairs(data_root: Path | None) -> dict[str, Figure]:
    """The fourth question alone."""
    return measure(data_root, questions=("pairs",))


def measure_drawn_pairs(data_root: Path | None) -> dict[str, Figure]:
    """The fourth question on drawn pairs; needs no recorded data."""
    return measure(data_root, questions=("drawn-pairs",))


def _plan_design(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    return [Trial("design", design_trial, policy, (i,)) for i in range(laws) for policy in ENTRANTS]


def _plan_cost(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    within = [Trial("cost", gap_cost_trial, policy, (i,)) for i in range(laws) for policy in ENTRANTS]
    return within + [Trial("beyond", gap_cost_trial, OURS, (i, True)) for i in range(laws)]


def _plan_renderings(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    nine = renderings(recorded(data_root))
    seeds = range(replays["renderings"])
    return [Trial("renderings", rendering_trial, name, (nine, seed)) for seed in seeds for name in ENTRANTS]


def _plan_drawn_renderings(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    draws = range(replays["drawn-renderings"])
    return [Trial("drawn-renderings", drawn_rendering_trial, name, (i,)) for i in draws for name in _DRAWN_ENTRANTS]


def _plan_pairs(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    pairs = cross_tasks(recorded(data_root))
    whole = whole_gaps(pairs)
    return [
        Trial(f"pairs {part}", cross_task_trial, name, (pairs, whole, seed, CROSS_TASK_PILOT, share))
        for seed in range(replays["pairs"])
        for name in ENTRANTS
        for part, share in SHARES.items()
    ]


def _plan_drawn_pairs(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    trials = []
    for i in range(replays["drawn-pairs"]):
        case = drawn_pairs(i)
        whole = whole_gaps(case)
        trials += [
            Trial(f"drawn-pairs {part}", cross_task_trial, name, (case, whole, i, CROSS_TASK_PILOT, share))
            for name in _DRAWN_ENTRANTS
            for part, share in SHARES.items()
        ]
        trials += [Trial("drawn-pairs designs", design_apart, design, (case, whole)) for design in DESIGNS]
    return trials


_PLANS = {
    "design": _plan_design,
    "cost": _plan_cost,
    "renderings": _plan_renderings,
    "drawn-renderings": _plan_drawn_renderings,
    "pairs": _plan_pairs,
    "drawn-pairs": _plan_drawn_pairs,
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
        "pairs": _pairs,
        "drawn-pairs": _drawn_pairs,
    }
    asked = dict.fromkeys(first for trial in trials if (first := trial.question.split()[0]) in readers)
    return {name: figure for question in asked for name, figure in readers[question](found).items()}


def recorded(data_root: Path | None) -> Paper:
    """The paper's recorded curves; BadInput where they cannot be read."""
    root = data_root or (Path(os.environ["SWEEPER_DATA_ROOT"]) if os.environ.get("SWEEPER_DATA_ROOT") else None)
    if root is None:
        raise BadInput(
            "bench policy needs the recorded curves; name their folder with --data-root or SWEEPER_DATA_ROOT"
        )
    try:
        return read_paper(root / "curves" / "cg_transfer_finetune.csv")
    except ValueError as error:
        raise BadInput(str(error)) from None


def _design(found: Found) -> dict[str, Figure]:
    figures = dict[str, Figure]()
    for at, runs in enumerate(DESIGN_RUNS):
        plain = float(np.median([each[at] for each in found["design", _PLAIN]]))
        for policy in ENTRANTS:
            ratios = [each[at] for each in found["design", policy]]
            unit = f"times the locally optimal design's variance; {_spread(ratios)}"
            figures[f"variance_vs_bound_{runs}_runs{_of(policy)}"] = Figure(_median(ratios), plain, unit)
    return figures


def _cost(found: Found) -> dict[str, Figure]:
    columns = {f"cost_to_c_sd_vs_grid{_of(policy)}": found["cost", policy] for policy in ENTRANTS}
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
    return _right("renderings_right_at_fifth_cost", {policy: found["renderings", policy] for policy in ENTRANTS})


def _drawn_renderings(found: Found) -> dict[str, Figure]:
    trials = {policy: found["drawn-renderings", policy] for policy in _DRAWN_ENTRANTS}
    return _right("drawn_renderings_right_at_fifth_cost", trials)


def _right(name: str, trials: Mapping[str, list[Any]]) -> dict[str, Figure]:
    """Of each policy the share of its replays that named a right setting."""
    shares = {policy: float(np.mean([right for right, _ in of_policy])) for policy, of_policy in trials.items()}
    figures = dict[str, Figure]()
    for policy, share in shares.items():
        spent = max(cost for _, cost in trials[policy])
        unit = f"share of {len(trials[policy])} replays; spent at most {spent:.1%} of the grid's cost"
        figures[f"{name}{_of(policy)}"] = Figure(share, shares[_PLAIN], unit)
    return figures


def _pairs(found: Found) -> dict[str, Figure]:
    figures = dict[str, Figure]()
    for part in SHARES:
        trials = {policy: found[f"pairs {part}", policy] for policy in ENTRANTS}
        figures |= _within(f"cross_task_c_within_se_at_{part}_cost", trials)
        if part == "half":
            figures |= _within(f"cross_task_c_within_own_se_at_{part}_cost", trials, "in_own_errors")
    return figures


def _drawn_pairs(found: Found) -> dict[str, Figure]:
    figures = dict[str, Figure]()
    for part in SHARES:
        trials = {policy: found[f"drawn-pairs {part}", policy] for policy in _DRAWN_ENTRANTS}
        figures |= _within(f"drawn_pairs_c_within_se_at_{part}_cost", trials)
    plain = figures[f"drawn_pairs_c_within_se_at_half_cost{_of(_PLAIN)}"].value
    for design in DESIGNS:
        looks = found["drawn-pairs designs", design]
        cost = looks[0][1]
        value, arms = _share_within([apart for apart, _ in looks], "in_grid_errors")
        unit = f"share of {arms} identified arms, by a design fixed beforehand; {cost:.0%} of the grid's cost"
        figures[f"drawn_pairs_c_within_se_{design}"] = Figure(value, plain, unit)
    for sizes in SIZES_AT_BEST:
        chances = np.array([chances_at_best(i, sizes) for i in range(len(looks))])
        unit = (
            f"chance of an arm fitted alone, its law and noise known; all of a draw {chances.prod(axis=1).mean():.0%}"
        )
        figures[f"drawn_pairs_c_within_se_best_{sizes}_sizes"] = Figure(float(chances.mean()), plain, unit)
    return figures


def _within(name: str, trials: Mapping[str, list[Any]], unit: str = "in_grid_errors") -> dict[str, Figure]:
    """Of each policy the share of the arms, over its replays, that are at most 1 apart."""
    plain, _ = _share_within(trials[_PLAIN], unit)
    figures = dict[str, Figure]()
    for policy, of_policy in trials.items():
        value, arms = _share_within(of_policy, unit)
        whole = np.mean([all(abs(getattr(each, unit)) <= 1 for each in trial) for trial in of_policy])
        text = f"share of {arms} identified arms over {len(of_policy)} replays; all arms of a replay in {whole:.0%}"
        figures[f"{name}{_of(policy)}"] = Figure(value, plain, text)
    return figures


def _share_within(trials: Sequence[Sequence[Apart]], unit: str) -> tuple[float, int]:
    """Share of all arms of the trials that are at most 1 apart, and how many arms there are."""
    inside = [abs(getattr(each, unit)) <= 1 for trial in trials for each in trial]
    return float(np.mean(inside)), len(inside)


def _of(policy: str) -> str:
    return "" if policy == OURS else f"_{policy}"


def _median(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.5, method="nearest"))


def _spread(values: Sequence[float]) -> str:
    low, high = (float(each) for each in np.quantile(values, [0.25, 0.75], method="nearest"))
    never = float(np.mean(~np.isfinite(values)))
    beside = f", never within twice the grid in {never:.0%}" if never else ""
    return f"median of {len(values)} laws, quartiles {low:.3g} to {high:.3g}{beside}"
