"""The fourth question of `sweeper bench policy`: C of cross-task pairs, recorded and drawn, and its bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.drawn_cases import DESIGNS, design_apart, drawn_laws, drawn_pairs
from analysis.optimal_design import TrueLaw
from analysis.pair_bound import KnownPair, MostWithin, most_within
from analysis.policy_contest import (
    C_ALONE,
    RUNGS,
    Apart,
    Case,
    Gap,
    cross_task_trial,
    cross_tasks,
    fitted_law,
    gaps,
    whole_fits,
    whole_gaps,
)
from analysis.pools import STANDARD_PRICES
from analysis.replay import ENTRANTS, OURS
from sweeper.bench import Figure
from sweeper.bench_trials import DRAWN_ENTRANTS, PLAIN, Found, Trial, recorded, suffix

# Half of the grid's cost is the aim; at six tenths four sizes of each pre-training task are to be had.
SHARES = {"half": 0.5, "six_tenths": 0.6}


def plan_pairs(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    """On the recorded pairs, and the bounds at the laws that their whole grid says: over all arms alike, and for one
    who knows beforehand which arms the grid will identify."""
    pairs = cross_tasks(recorded(data_root))
    fits = whole_fits(pairs)
    whole, fitted = gaps(fits), {arm: fitted_law(fit) for arm, fit in fits.items()}
    known = {"bound": gaps(fits, identified=False), "bound foreknown": whole}
    trials = [
        Trial(f"pairs {whose}", pairs_bound, part, (known_pairs(pairs, fitted, of_arms), pairs.cost()))
        for whose, of_arms in known.items()
        for part in SHARES
    ]
    for seed in range(replays["pairs"]):
        trials += _asked("pairs", ENTRANTS, pairs, whole, seed)
    return trials


def plan_drawn_pairs(data_root: Path | None, laws: int, replays: Mapping[str, int]) -> list[Trial]:
    """On drawn pairs: policies, designs fixed beforehand, and the bound."""
    trials = []
    for i in range(replays["drawn-pairs"]):
        case = drawn_pairs(i)
        whole = whole_gaps(case)
        trials += _asked("drawn-pairs", DRAWN_ENTRANTS, case, whole, i)
        trials += [Trial("drawn-pairs designs", design_apart, design, (case, whole)) for design in DESIGNS]
        known = known_pairs(case, drawn_laws(i), whole)
        trials += [Trial("drawn-pairs bound", pairs_bound, part, (known, case.cost())) for part in SHARES]
    return trials


def _asked(question: str, policies: Iterable[str], case: Case, whole: Mapping[str, Gap], seed: int) -> list[Trial]:
    """The policies at each cost, and ours where nothing but C is asked for."""
    trials = []
    for part, share in SHARES.items():
        trials += [Trial(f"{question} {part}", cross_task_trial, name, (case, whole, seed, share)) for name in policies]
        trials.append(Trial(f"{question} alone {part}", cross_task_trial, OURS, (case, whole, seed, share, C_ALONE)))
    return trials


def known_pairs(case: Case, laws: Mapping[str, TrueLaw], whole: Mapping[str, Gap]) -> list[list[KnownPair]]:
    """The pairs of `whole` by pre-training task, each to be within the standard deviation that the whole grid says."""
    pairs: dict[str, list[KnownPair]] = {}
    for arm in case.arms:
        if arm.name in whole:
            pairs.setdefault(arm.checkpoint, []).append(KnownPair(laws[arm.name], whole[arm.name].sd))
    return list(pairs.values())


def pairs_bound(part: str, pairs: Sequence[Sequence[KnownPair]], cost: float) -> MostWithin:
    """The most that a design fixed beforehand knows for this share of the whole grid's cost."""
    return most_within(pairs, RUNGS, SHARES[part] * cost, STANDARD_PRICES)


def pairs_figures(found: Found) -> dict[str, Figure]:
    """Of the recorded pairs."""
    name = "cross_task_c_within_se"
    figures, plain = _by_policy(name, "pairs", ENTRANTS, found)
    own = {policy: found["pairs half", policy] for policy in ENTRANTS}
    reference, _ = _share_within(own[PLAIN], "in_own_errors")
    figures |= _within("cross_task_c_within_own_se_at_half_cost", own, reference, "in_own_errors")
    figures |= _bounds(name, "pairs bound", found, plain)
    return figures | _bounds(f"{name}_foreknown", "pairs bound foreknown", found, plain)


def drawn_pairs_figures(found: Found) -> dict[str, Figure]:
    """Of the drawn pairs."""
    name = "drawn_pairs_c_within_se"
    figures, plain = _by_policy(name, "drawn-pairs", DRAWN_ENTRANTS, found)
    for design in DESIGNS:
        looks = found["drawn-pairs designs", design]
        cost = looks[0][1]
        value, arms = _share_within([apart for apart, _ in looks])
        unit = f"share of {arms} identified arms, by a design fixed beforehand; {cost:.0%} of the grid's cost"
        figures[f"{name}_{design}"] = Figure(value, plain, unit)
    return figures | _bounds(name, "drawn-pairs bound", found, plain)


def _bounds(name: str, question: str, found: Found, plain: float) -> dict[str, Figure]:
    """At each cost the most that a design fixed beforehand knows, mean over the draws."""
    figures = dict[str, Figure]()
    for part in SHARES:
        bounds: list[MostWithin] = found[question, part]
        share, every = (float(np.mean([getattr(bound, each) for bound in bounds])) for each in ("share", "all"))
        unit = f"expected share of arms by a design fixed beforehand, laws and noise known; all in at most {every:.1%}"
        figures[f"{name}_bound_at_{part}_cost"] = Figure(share, plain, unit)
    return figures


def _by_policy(name: str, question: str, policies: Iterable[str], found: Found) -> tuple[dict[str, Figure], float]:
    """What every policy knows at each cost, and ours where nothing but C is asked for; and the grid's at half."""
    figures = dict[str, Figure]()
    for part in SHARES:
        trials = {policy: found[f"{question} {part}", policy] for policy in policies}
        plain, _ = _share_within(trials[PLAIN])
        figures |= _within(f"{name}_at_{part}_cost", trials, plain)
        alone = {OURS: found[f"{question} alone {part}", OURS]}
        figures |= _within(f"{name}_at_{part}_cost_asked_for_c_alone", alone, plain)
    return figures, figures[f"{name}_at_half_cost{suffix(PLAIN)}"].value


def _within(
    name: str, trials: Mapping[str, list[Any]], plain: float, unit: str = "in_grid_errors"
) -> dict[str, Figure]:
    """Of each policy the share of the arms, over its replays, that are at most 1 apart."""
    figures = dict[str, Figure]()
    for policy, of_policy in trials.items():
        value, arms = _share_within(of_policy, unit)
        whole = np.mean([all(abs(getattr(each, unit)) <= 1 for each in trial) for trial in of_policy])
        text = f"share of {arms} identified arms over {len(of_policy)} replays; all arms of a replay in {whole:.0%}"
        figures[f"{name}{suffix(policy)}"] = Figure(value, plain, text)
    return figures


def _share_within(trials: Sequence[Sequence[Apart]], unit: str = "in_grid_errors") -> tuple[float, int]:
    """Share of all arms of the trials that are at most 1 apart, and how many arms there are."""
    inside = [abs(getattr(each, unit)) <= 1 for trial in trials for each in trial]
    return float(np.mean(inside)), len(inside)
