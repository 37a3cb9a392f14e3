"""What to run next, from what is known: references and pilot first, then the policy; and when to stop. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import LawFit, fit_laws
from analysis.baselines import propose_grid, propose_random
from analysis.belief import ArmState, Run
from analysis.policy import Goals, Policy, Proposal, Stop, Terms, money, pilot, propose, should_stop
from analysis.verdict import Verdict, verdict
from sweeper.config import SweepConfig
from sweeper.ledger import read_events
from sweeper.plan import Plan
from sweeper.results import Run as MeasuredRun

# A law has three unknowns: below three sizes there is nothing to fit.
FEWEST_SIZES = 3

DECISIONS = "decisions.jsonl"

POLICIES: dict[str, Policy] = {"adaptive": propose, "grid": propose_grid, "random": propose_random}


def decision_events(path: Path, studies: Mapping[str, str]) -> list[dict[str, Any]]:
    """The decisions written down so far for these studies of the arms, in order, as they were written.

    Those made for another recipe, data set or rendering setting are passed over, and so are damaged lines.
    """
    keys = {"step", "arm", "n", "seed", "gain", "cost", "unit", "reason", "study"}
    return [e for e in read_events(path) if keys <= set(e) and studies.get(e["arm"]) == e["study"]]


def read_decisions(path: Path, studies: Mapping[str, str]) -> list[Proposal]:
    """The same as proposals."""
    events = decision_events(path, studies)
    return [Proposal(e["arm"], e["n"], e["seed"], e["gain"], e["cost"], e["reason"]) for e in events]


@dataclass(frozen=True)
class Knowledge:
    """What the results table says: a fit and a verdict for each arm that has enough runs."""

    runs: tuple[MeasuredRun, ...]
    fits: dict[str, LawFit]
    verdicts: dict[str, Verdict]


def learn(config: SweepConfig, plan: Plan, runs: Sequence[MeasuredRun], usd_per_image: float | None) -> Knowledge:
    """Fit every arm's law (n = 0 stays outside) and judge it."""
    observed = {arm.name: [r for r in runs if r.arm == arm.name and r.n > 0] for arm in plan.arms}
    ready = {name: rows for name, rows in observed.items() if len({r.n for r in rows}) >= FEWEST_SIZES}
    columns = {
        name: ([r.n for r in rows], [r.error for r in rows], [r.variance or 0.0 for r in rows])
        for name, rows in ready.items()
    }
    # What they may share of D and alpha, they share because task and backbone are the same.
    groups = {arm.name: f"{arm.finetune_task}/{arm.backbone}" for arm in plan.arms}
    fits = fit_laws(columns, seed=config.seed, groups=groups) if columns else {}
    target = config.target
    verdicts = {
        name: verdict(
            fit,
            arm=name,
            target_error=target.error,
            min_gain=target.min_gain,
            n_limit=target.n_limit,
            cost_per_image=usd_per_image,
            level=target.level,
        )
        for name, fit in fits.items()
    }
    return Knowledge(tuple(runs), fits, verdicts)


def goals_of(config: SweepConfig) -> Goals:
    """The precision the config wants, or the policy's own where it says nothing."""
    given = {"alpha_sd": config.stop.alpha_sd, "c_sd": config.stop.c_sd}
    return Goals(**{name: value for name, value in given.items() if value is not None})


def opening(config: SweepConfig, plan: Plan, cost: Callable[[Run], float], unit: str) -> list[Proposal]:
    """The runs every sweep begins with: n = 0 for each reference, then the pilot of each arm, then the controls.

    An arm's largest size comes first, since rendering it renders the others too; but before it the size at which the
    config wants the arm tuned.
    """
    references = []
    for arm in plan.references:
        for seed in range(config.policy.reference_seeds):
            price = cost(Run(arm.name, 0, seed))
            reason = f"reference: the error without pre-training, seed {seed}, for {money(price, unit)}"
            references.append(Proposal(arm.name, 0, seed, None, price, reason))
    names = [arm.name for arm in plan.arms]
    if not names:
        return references
    first = names[0]
    looks = pilot(names, plan.ladder, lambda n: cost(Run(first, n, 0)), unit, config.seed)
    looks += _stated(config, looks, names, cost, unit)
    looks.sort(key=lambda look: (names.index(look.arm), look.n != config.tune.n, -look.n))
    return references + looks + _controls(config, plan, cost, unit)


def _stated(
    config: SweepConfig, looks: Sequence[Proposal], names: Sequence[str], cost: Callable[[Run], float], unit: str
) -> list[Proposal]:
    """Runs at sizes that the config names and the pilot leaves out: of the tuning, and of the controls to compare."""
    reasons = {config.controls.shuffled_labels: "is what its control is compared with", config.tune.n: "is tuned"}
    there = {(look.arm, look.n) for look in looks}
    proposals = []
    for n, reason in reasons.items():
        for arm in names if n is not None else ():
            if n is not None and (arm, n) not in there:
                price = cost(Run(arm, n, 0))
                text = f"stated: {arm} {reason} at n = {n:,}, for {money(price, unit)}"
                proposals.append(Proposal(arm, n, 0, None, price, text))
    return proposals


def _controls(config: SweepConfig, plan: Plan, cost: Callable[[Run], float], unit: str) -> list[Proposal]:
    """Pre-training on shuffled labels, where the config asks for it."""
    n, proposals = config.controls.shuffled_labels, []
    for arm in plan.controls if n is not None else ():
        for seed in range(config.controls.seeds):
            price = cost(Run(arm.name, n, seed))
            reason = f"control: {arm.name} at n = {n:,}, labels shuffled, seed {seed}, for {money(price, unit)}"
            proposals.append(Proposal(arm.name, n, seed, None, price, reason))
    return proposals


def choose(
    config: SweepConfig,
    plan: Plan,
    known: Knowledge,
    pending: Sequence[Run],
    refused: Sequence[Run],
    cost: Callable[[Run, Sequence[Run]], float],
    budget_left: float,
    unit: str,
) -> Proposal | Stop:
    """The policy's next run once the pilot is in, or the reason to stop.

    `refused`: runs that failed for good; they are not asked for again.
    """
    terms = Terms(goals_of(config), budget_left, unit)
    done = (*refused, *(Run(r.arm, r.n, r.seed) for r in known.runs))
    for arm in plan.arms:
        if arm.name not in known.fits:
            return _substitute(plan, arm.name, (*done, *pending), cost, terms)
    arms = [ArmState(name, fit, tuple(run for run in done if run.arm == name)) for name, fit in known.fits.items()]
    # A grid is run to its end: that is what it is for.
    stop = None if config.policy.name == "grid" else should_stop(arms, known.verdicts, 0.0, terms)
    if stop is not None:
        return stop
    candidates = {state.arm: _candidates(config, plan, state, pending) for state in arms}
    arms = [state for state in arms if candidates[state.arm]]
    if not arms:
        return Stop("exhausted", "every size on the ladder has been run as often as the policy allows")
    options = POLICIES[config.policy.name](
        arms, candidates, cost, pending, k=1, seed=config.seed + len(known.runs), terms=terms
    )
    if options:
        return options[0]
    return Stop("budget", f"no run fits into what is left of the budget: {money(max(0.0, budget_left), unit)}")


def _substitute(
    plan: Plan, arm: str, tried: Sequence[Run], cost: Callable[[Run, Sequence[Run]], float], terms: Terms
) -> Proposal | Stop:
    """Another size for an arm whose pilot failed: without three sizes it has no law, and no verdict."""
    sizes = [n for n in plan.ladder if (arm, n) not in {(run.arm, run.n) for run in tried}]
    if not sizes:
        return Stop("failed", f"{arm} has failed at too many sizes to fit its law")
    run = Run(arm, sizes[0], 0)
    price = cost(run, ())
    if price > terms.budget_left:
        return Stop("budget", f"{arm} still needs a size, which costs {money(price, terms.unit)}, more than is left")
    reason = f"pilot: {arm} has too few sizes for a law, n = {run.n:,} instead, for {money(price, terms.unit)}"
    return Proposal(arm, run.n, 0, None, price, reason)


def _candidates(config: SweepConfig, plan: Plan, state: ArmState, pending: Sequence[Run]) -> list[int]:
    most = 1 if config.policy.name == "grid" else config.policy.max_seeds
    taken = [run.n for run in (*state.done, *pending) if run.arm == state.arm]
    return [n for n in plan.ladder if taken.count(n) < most]
