"""What to run next, from what is known: references and pilot first, then the policy; and when to stop. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from analysis.amounts import money
from analysis.policy.buying import Limits, purchase
from analysis.policy.goals import Terms
from analysis.policy.pilot import pilot, pilot_sizes
from analysis.policy.proposal import Proposal, Stop
from analysis.policy.registry import OURS, POLICIES
from analysis.policy.runs import ArmState, Run
from analysis.policy.stopping import should_stop, still_open
from sweeper.config.schema import SweepConfig
from sweeper.search.designs.both_sizes import choose_cell, first_runs, grid_runs
from sweeper.search.designs.new_settings import choose_setting, first_settings
from sweeper.search.knowledge import Knowledge, goals_of
from sweeper.study.arms import Arm, Plan, run_seeds


def opening(
    config: SweepConfig, plan: Plan, cost: Callable[[Run], float], afresh: Callable[[Run], float], unit: str
) -> list[Proposal]:
    """The runs every sweep begins with: n = 0 for each reference, then the pilot of each arm, then the controls.

    `cost`: what a run costs now. `afresh`: what it costs by the config alone, which decides the pilot's sizes: a sweep
    that goes on with measured prices and a full store must have the same opening.
    An arm's largest size comes first, since rendering it renders the others too; but before it the size at which the
    config wants the arm tuned. A grid waits for no result: all of it follows the pilot.
    """
    offers = Offers(cost, unit)
    if plan.counts:
        return first_runs(config, plan, cost, unit) + _controls(config, plan, offers)
    names = [arm.name for arm in plan.arms]
    references = [
        offers.of(plan.run(arm, 0, seed), f"reference: the error without pre-training, seed {seed}")
        for arm in plan.references
        for seed in run_seeds(config, config.policy.reference_seeds)
    ]
    if not names:
        return references
    if config.is_adaptive:
        return references + first_settings(config, plan, cost, unit)
    sizes = pilot_sizes(plan.ladder, lambda n: afresh(plan.run(plan.arms[0], n, config.seed)))
    looks = pilot(names, sizes, cost, unit, config.seed, plan.s)
    if config.policy.name == "grid" or config.policy.max_seeds == 1:
        looks = [look for look in looks if look.run.seed == config.seed]
    looks += _stated(config, plan, {look.run for look in looks}, offers)
    looks.sort(key=lambda look: (names.index(look.run.arm), look.run.n != config.tune.n, look.run.seed, -look.run.n))
    rest = _rest_of_grid(config, plan, {look.run for look in looks}, offers)
    return references + looks + rest + _controls(config, plan, offers)


@dataclass(frozen=True)
class Offers:
    """Turns runs that nobody had to choose into proposals, at their price now."""

    cost: Callable[[Run], float]
    unit: str

    def of(self, run: Run, why: str) -> Proposal:
        """The proposal of `run`, which expects nothing: it is made whatever is known."""
        return Proposal(run, None, self.cost(run), self.unit, why)


def priced_anew(proposal: Proposal, cost: float, left: float) -> Proposal:
    """A run of the opening at what it costs when it begins, of the `left` that the budget has then.

    Runs decided since the sweep began may render or train what it needs. One that was decided before a restart keeps
    its words and its cost.
    """
    return proposal if proposal.recorded is not None else replace(proposal, cost=cost, left=left - cost)


def _stated(config: SweepConfig, plan: Plan, there: AbstractSet[Run], offers: Offers) -> list[Proposal]:
    """Runs at sizes that the config names and the pilot leaves out: of the tuning, and of the controls to compare."""
    reasons = {config.controls.shuffled_labels: "is what its control is compared with", config.tune.n: "is tuned"}
    wanted = [(plan.run(arm, n, config.seed), why) for n, why in reasons.items() if n is not None for arm in plan.arms]
    return [offers.of(run, f"stated: {run.arm} {why} at n = {run.n:,}") for run, why in wanted if run not in there]


def _rest_of_grid(config: SweepConfig, plan: Plan, there: AbstractSet[Run], offers: Offers) -> list[Proposal]:
    """For a fixed grid every size of every arm that is not there, seed by seed, the smallest size first."""
    if config.policy.name != "grid":
        return []
    runs = sorted(grid_runs(config, plan), key=lambda run: (run.seed, run.n))
    said = "next in the fixed grid: {}, n = {:,}" + ", seed {}" * (config.policy.max_seeds > 1)
    return [offers.of(run, said.format(run.arm, run.n, run.seed)) for run in runs if run not in there]


def _controls(config: SweepConfig, plan: Plan, offers: Offers) -> list[Proposal]:
    """Pre-training on shuffled labels, where the config asks for it."""
    n = config.controls.shuffled_labels
    if n is None:
        return []
    runs = [plan.run(arm, n, seed) for arm in plan.controls for seed in run_seeds(config, config.controls.seeds)]
    return [offers.of(r, f"control: {r.arm} at n = {n:,}, labels shuffled, seed {r.seed}") for r in runs]


def choose(
    config: SweepConfig,
    plan: Plan,
    known: Knowledge,
    pending: Sequence[Run],
    refused: Sequence[Run],
    cost: Callable[[Run], float],
    budget_left: float,
    unit: str,
) -> Proposal | Stop:
    """The policy's next run once the pilot is in, or the reason to stop.

    `cost`: what a run costs now: one is chosen at a time, and what the finished ones rendered is in the store.
    `pending`: runs that are not in `known` yet, under way or just finished. `refused`: runs that failed for good; they
    are not asked for again.
    """
    terms = Terms(goals_of(config), budget_left, unit)
    if config.is_adaptive:
        return choose_setting(config, plan, known, pending, refused, cost, terms)
    if plan.counts:
        return choose_cell(config, plan, known, pending, refused, cost, terms)
    for arm in plan.arms:
        if arm.name not in known.fits:
            done = (measured.run for measured in known.runs)
            return _substitute(config, plan, arm, (*refused, *done, *pending), cost, terms)
    arms = [_with(state, [run for run in refused if run.arm == state.arm]) for state in known.arms]
    if config.policy.name == "grid":
        # All of it is in the opening, and it is run to its end: that is what it is for.
        return Stop("exhausted", "all of the fixed grid has been run")
    chosen = _by_the_ladder(config, plan, known, arms, pending, cost, terms)
    if isinstance(chosen, Stop) and chosen.kind in ("verdicts", "exhausted"):
        limits = Limits(config.target.rounds, config.target.largest, plan.choices)
        return purchase(known.arms, known.verdicts, pending, refused, cost, terms, limits) or chosen
    return chosen


def _by_the_ladder(
    config: SweepConfig,
    plan: Plan,
    known: Knowledge,
    arms: list[ArmState],
    pending: Sequence[Run],
    cost: Callable[[Run], float],
    terms: Terms,
) -> Proposal | Stop:
    """The policy's choice among the ladder's sizes, or the reason to stop."""
    stop = should_stop(arms, known.verdicts, 0.0, terms)
    if stop is not None:
        return stop
    candidates = {state.arm: _candidates(config, plan, state, pending) for state in arms}
    if config.policy.name == OURS:
        worth = still_open(arms, terms.goals)
    else:
        arms = [state for state in arms if candidates[state.arm]]
        worth = {state.arm for state in arms}
    if not any(candidates[arm] for arm in worth):
        still = "" if len(worth) in (0, len(plan.arms)) else " of the arms that are still open"
        return Stop("exhausted", f"every size{still} has been run as often as the policy allows")

    propose, seed = POLICIES[config.policy.name].propose, config.seed + len(known.runs)
    options = propose(arms, candidates, lambda run, _: cost(run), pending, k=1, seed=seed, terms=terms)
    if options:
        return options[0]
    return Stop(
        "budget", f"no run fits into what is left of the budget: {money(max(0.0, terms.budget_left), terms.unit)}"
    )


def _substitute(
    config: SweepConfig, plan: Plan, arm: Arm, tried: Sequence[Run], cost: Callable[[Run], float], terms: Terms
) -> Proposal | Stop:
    """Another size for an arm whose pilot failed: without three sizes it has no law, and no verdict."""
    sizes = [n for n in plan.ladder if (arm.name, n) not in {(run.arm, run.n) for run in tried}]
    if not sizes:
        return Stop("failed", f"{arm.name} has failed at too many sizes to fit its law")
    run = plan.run(arm, sizes[0], config.seed)
    price = cost(run)
    if price > terms.budget_left:
        return Stop("budget", f"{arm.name} still needs a size, n = {run.n:,}, which costs more than is left")
    why = f"pilot: {arm.name} has too few sizes for a law, n = {run.n:,} instead"
    return Proposal(run, None, price, terms.unit, why)


def _with(state: ArmState, refused: Sequence[Run]) -> ArmState:
    """The arm as if what failed had been run."""
    return replace(state, done=(*refused, *state.done)) if refused else state


def _candidates(config: SweepConfig, plan: Plan, state: ArmState, pending: Sequence[Run]) -> list[int]:
    under_way = Counter(run.n for run in pending if run.arm == state.arm)
    return [n for n in plan.choices if state.times[n] + under_way[n] < config.policy.max_seeds]
