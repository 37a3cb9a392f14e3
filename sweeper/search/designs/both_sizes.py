"""What to run next over renders and labels: first looks at both, then what narrows the rate of exchange most. Pure.

A run is (n, s, seed). n = 0 needs neither renders nor pre-training, and a new s on a checkpoint that is there needs
fine-tunes alone: the prices say so, and the choice goes by gain per cost.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

from analysis.amounts import money
from analysis.policy import exchange
from analysis.policy.exchange import Cell
from analysis.policy.goals import Terms
from analysis.policy.objectives import Expected
from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import Run
from sweeper.config.schema import SweepConfig
from sweeper.search.knowledge import Knowledge
from sweeper.study.arms import Arm, Plan, run_seeds
from sweeper.study.exchange import ArmExchange


def first_runs(config: SweepConfig, plan: Plan, cost: Callable[[Run], float], unit: str) -> list[Proposal]:
    """n = 0 at every s, then of each arm three sizes at the most and the fewest labels; of a fixed grid all of it.

    The largest n comes first, since rendering it renders the others too; but before it the one to be tuned on.
    """
    references = [
        (plan.run(arm, 0, seed, s), f"reference: the error without pre-training, s = {s:,}, seed {seed}")
        for arm in plan.references
        for s in _ends_first(plan.counts)
        for seed in run_seeds(config, config.policy.reference_seeds)
    ]
    runs = _grid(config, plan) if config.policy.name == "grid" else _looks(config, plan)
    return [Proposal(run, None, cost(run), unit, why) for run, why in (*references, *runs)]


def grid_runs(config: SweepConfig, plan: Plan) -> list[Run]:
    """Every size of every arm, at every s where there are several, once for each of `policy.max_seeds` seeds."""
    seeds = run_seeds(config, config.policy.max_seeds)
    sizes = sorted(plan.ladder, key=lambda n: (n != config.tune.n, -n))
    # A pass at one s makes all checkpoints; the others need fine-tunes alone.
    return [
        plan.run(arm, n, seed, s)
        for s in _ends_first(plan.counts or (plan.s,))
        for arm in plan.arms
        for n in sizes
        for seed in seeds
    ]


def _grid(config: SweepConfig, plan: Plan) -> list[tuple[Run, str]]:
    said = "next in the fixed grid: {}, n = {:,}, s = {:,}, seed {}"
    return [(run, said.format(run.arm, run.n, run.s, run.seed)) for run in grid_runs(config, plan)]


def _looks(config: SweepConfig, plan: Plan) -> list[tuple[Run, str]]:
    ladder, seed = plan.ladder, config.seed
    middle = min(ladder, key=lambda n: abs(n * n - ladder[0] * ladder[-1]))
    sizes = {ladder[-1], middle, ladder[0], config.tune.n or ladder[-1]}
    ordered = sorted(sizes, key=lambda n: (n != config.tune.n, -n))
    looks = [
        (plan.run(arm, n, seed, s), f"a first look at {arm.name}, n = {n:,}, s = {s:,}")
        for arm in plan.arms
        for n in ordered
        for s in (plan.counts[-1], plan.counts[0])
    ]
    if config.policy.max_seeds == 1:
        return looks
    again = [plan.run(arm, ladder[-1], seed + 1, plan.s) for arm in plan.arms]
    return looks + [(run, f"the run noise of {run.arm}, n = {run.n:,}, s = {run.s:,}") for run in again]


def _ends_first(counts: Sequence[int]) -> list[int]:
    return [counts[-1], *counts[:-1]]


def choose_cell(
    config: SweepConfig,
    plan: Plan,
    known: Knowledge,
    pending: Sequence[Run],
    refused: Sequence[Run],
    cost: Callable[[Run], float],
    terms: Terms,
) -> Proposal | Stop:
    """The next run, or the reason to stop: all arms settled, no run left, or none that can be paid."""
    if config.policy.name == "grid":
        return Stop("exhausted", f"all of the fixed grid has been run; {_rates(known)}")
    unfitted = [arm.name for arm in plan.arms if arm.name not in known.exchange or known.exchange[arm.name].fit is None]
    if unfitted:
        said = known.exchange[unfitted[0]].refused if unfitted[0] in known.exchange else "all its first looks failed"
        return Stop("failed", f"{unfitted[0]} has no law over n and s: {said}")
    wanted = config.stop.rate_factor
    open_ = {arm: each for arm, each in known.exchange.items() if not each.why_settled(wanted)}
    if not open_:
        return Stop("rate", "; ".join(f"{arm}: {each.why_settled(wanted)}" for arm, each in known.exchange.items()))
    taken = {*(each.run for each in known.runs), *pending, *refused}
    candidates = {arm: _candidates(config, plan, Arm.named(arm), taken) for arm in open_}
    if not any(candidates.values()):
        return Stop("exhausted", f"every n and s has been run as often as policy.max_seeds allows; {_rates(known)}")
    offers = [
        offer
        for arm, each in open_.items()
        for offer in _offers(Arm.named(arm), each, candidates[arm], pending, cost, terms)
    ]
    if offers:
        return max(offers, key=lambda offer: (offer.gain or 0.0) / max(offer.cost, 1e-12))
    left = money(max(0.0, terms.budget_left), terms.unit)
    return Stop("budget", f"no run fits into what is left of the budget: {left}; {_rates(known)}")


def _candidates(config: SweepConfig, plan: Plan, arm: Arm, taken: AbstractSet[Run]) -> list[Run]:
    """One run for each n, 0 too, and s: the first seed that it has not had."""
    runs = []
    for n in (0, *plan.choices):
        for s in plan.counts:
            of = arm if n else plan.reference(arm)
            each = (plan.run(of, n, seed, s) for seed in run_seeds(config, config.policy.max_seeds))
            runs.append(next((run for run in each if run not in taken), None))
    return [run for run in runs if run is not None]


def _offers(
    arm: Arm,
    state: ArmExchange,
    candidates: Sequence[Run],
    pending: Iterable[Run],
    cost: Callable[[Run], float],
    terms: Terms,
) -> list[Proposal]:
    """The run of an arm that narrows its rate most per cost; none where none can be paid."""
    assert state.fit is not None
    runs = {Cell(run.n, run.s, run.seed): run for run in candidates}
    under_way = [Cell(r.n, r.s, r.seed) for r in pending if r.arm in (arm.name, arm.reference.name)]
    chosen = exchange.choose(
        state.fit,
        list(runs),
        lambda cell, _: cost(runs[cell]),
        n=state.n,
        s=state.s,
        pending=under_way,
        left=terms.budget_left,
    )
    return [_proposal(arm, state, runs[each.cell], each, terms) for each in chosen if each.cost < float("inf")]


def _proposal(arm: Arm, state: ArmExchange, run: Run, chosen: exchange.Choice, terms: Terms) -> Proposal:
    rate = f"what {state.n:,} renders of {arm.name} are worth at s = {state.s:,} is known within a factor"
    why = f"{rate} {state.factor:,.3g}"
    todo = f"bring the sd of its log from {chosen.sd_now:.2g} to {chosen.sd_then:.2g}"
    expected = Expected("rate", chosen.sd_now, chosen.sd_then, why, todo)
    what = "no pre-training" if run.n == 0 else f"n = {run.n:,}"
    said = f"{why}: a run at {what}, s = {run.s:,}, seed {run.seed} is expected to {todo}"
    gain = chosen.sd_now**2 - chosen.sd_then**2
    return Proposal(run, gain, chosen.cost, terms.unit, said, terms.budget_left - chosen.cost, expected)


def _rates(known: Knowledge) -> str:
    said = [f"the rate of {arm} is known within a factor {each.factor:,.3g}" for arm, each in known.exchange.items()]
    return "; ".join(said) or "no rate is known"
