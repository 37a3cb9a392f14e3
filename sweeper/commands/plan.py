"""`sweeper plan`: what a sweep will do and cost, in text. It looks into the store and spends nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis.policy.proposal import Proposal
from analysis.policy.runs import Run as PolicyRun
from sweeper.budget.cost_model import total
from sweeper.budget.costs import Estimate
from sweeper.budget.ledger import Ledger
from sweeper.cluster.resources import cpu_count, finetunes_at_a_time
from sweeper.commands.check import check
from sweeper.commands.report import LEDGER, Record
from sweeper.config.schema import SweepConfig
from sweeper.config.tune import Scope, Tune, scope_of
from sweeper.events.reporter import Reporter
from sweeper.search.decisions import choose, opening
from sweeper.search.pricing import Pricing
from sweeper.stages.prepare import Stages
from sweeper.storage.artifacts import ArtifactStore
from sweeper.storage.run_folder import seen
from sweeper.study import results
from sweeper.study.arms import Plan, RunKey, make_plan


def describe(config: SweepConfig) -> str:
    """Text of `sweeper plan`; raises BadInput as `run` would, before anything is spent."""
    config, s = check(config)
    plan = make_plan(config)
    stages, pricing = offline_pricing(config, seen(config.place, missing_ok=True))
    pilot = [_key(plan, look.run) for look in _opening(config, plan, pricing)]
    grid = [key for key in pilot if key.arm.is_reference]
    grid += [RunKey(arm, n, config.seed) for arm in plan.arms for n in reversed(plan.ladder)]
    rows = results.read(config.run_folder / "results", config)
    measured = {(r.arm, r.n, r.seed) for r in results.runs(rows) if r.repeats >= config.finetune.repeats}
    pilot_left, grid_left = (
        [key for key in keys if (key.arm.name, key.n, key.seed) not in measured] for keys in (pilot, grid)
    )
    lines = [
        f"{config.name}: {len(plan.arms)} arms, s = {s} real training images, error on the test split",
        *(f"  {arm.name}" for arm in plan.arms),
        *(f"  {arm.name}: control at n = {config.controls.shuffled_labels}, in no fit" for arm in plan.controls),
        f"ladder: n = {', '.join(str(n) for n in plan.ladder)}; n = 0 as the reference",
        *_more_sizes(plan),
        f"in the store already: {'nothing, errors are simulated' if config.is_simulated else _cached(stages, grid)}",
        f"measured already: {len(measured)} runs; not counted below",
        "cost            low / expected / high",
        *_costs("opening (n = 0 and pilot)", pricing, pilot_left, config.tune),
        *_costs("the whole ladder once (fixed grid)", pricing, grid_left, config.tune),
        f"budget: {_budget(config)}; the policy ({config.policy.name}) spends what the opening leaves of it",
    ]
    return "\n".join(lines)


def offline_pricing(config: SweepConfig, folder: Path) -> tuple[Stages, Pricing]:
    """What the store has and what runs cost, for looking ahead: nothing can be made or paid through these."""
    ledger = Ledger(folder / LEDGER, config.budget)
    stages = Stages(config, ArtifactStore(config.store, look_only=True), ledger, Reporter(), "", None)
    rows = [o for o in results.read(folder / "results", config) if o.split == "validation"]
    tried = [scope_of(config.tune, o.arm, o.n) for o in rows]
    # While no Ray counts the GPUs, there are as many as one fine-tune asks for.
    slots = finetunes_at_a_time(config, [{"CPU": float(cpu_count()), "GPU": max(1.0, config.finetune.gpus)}])

    def trials_left(key: RunKey) -> int:
        return max(0, config.tune.trials - tried.count(scope_of(config.tune, key.arm.name, key.n)))

    return stages, Pricing(config, ledger, stages, slots, trials_left)


def next_proposal(record: Record) -> str:
    """The reason of the run that would be decided next, or why there is none."""
    config, plan = record.config, record.plan
    _, pricing = offline_pricing(config, record.folder)
    measured = {(r.arm, r.n, r.seed) for r in record.knowledge.runs}
    for look in _opening(config, plan, pricing):
        if (look.arm, look.n, look.seed) not in measured:
            return look.reason

    offer = pricing.offers()

    def price(run: PolicyRun, _: Sequence[PolicyRun]) -> float:
        return offer(_key(plan, run))

    return choose(config, plan, record.knowledge, [], [], price, pricing.left(), pricing.unit).reason


def _opening(config: SweepConfig, plan: Plan, pricing: Pricing) -> list[Proposal]:
    def now(run: PolicyRun) -> float:
        return pricing.of(_key(plan, run))

    return opening(config, plan, now, lambda run: pricing.afresh(_key(plan, run)), pricing.unit)


def _key(plan: Plan, run: PolicyRun) -> RunKey:
    return RunKey(plan.arm(run.arm), run.n, run.seed)


def _more_sizes(plan: Plan) -> list[str]:
    more = [str(n) for n in plan.choices if n not in plan.ladder]
    return [f"the policy may also choose n = {', '.join(more)}"] if more else []


def _cached(stages: Stages, grid: Sequence[RunKey]) -> str:
    checkpoints = sum(1 for key in grid if not key.arm.is_reference and not stages.work(key).pretrain)
    wanted = sum(1 for key in grid if not key.arm.is_reference)
    return f"{checkpoints} of {wanted} checkpoints of the ladder, {stages.images_there(grid)} of its images"


def _costs(title: str, pricing: Pricing, keys: Sequence[RunKey], tune: Tune) -> Iterator[str]:
    """Cost by stage of a set of runs, each shared image and each tuning counted once."""
    by_stage: dict[str, list[Estimate]] = {}
    tuned: set[Scope] = set()
    for i, key in enumerate(keys):
        scope = scope_of(tune, key.arm.name, key.n)
        for stage, estimate in pricing.estimates(key, keys[:i], tunes=scope not in tuned).items():
            by_stage.setdefault(stage, []).append(estimate)
        tuned.add(scope)
    yield f"{title}: {len(keys)} runs"
    for stage, estimates in by_stage.items():
        yield f"  {stage:9s} {_amounts(total(estimates))}"
    yield f"  {'total':9s} {_amounts(total(e for es in by_stage.values() for e in es))}"


def _amounts(estimate: Estimate) -> str:
    low, expected, high = estimate.low, estimate.expected, estimate.high
    return (
        f"{low.wall_s / 60:.1f} / {expected.wall_s / 60:.1f} / {high.wall_s / 60:.1f} min,"
        f" ${low.usd:.3f} / {expected.usd:.3f} / {high.usd:.3f} ({estimate.source})"
    )


def _budget(config: SweepConfig) -> str:
    caps = config.budget.model_dump(exclude_none=True)
    return ", ".join(f"{value:g} {name.replace('_', '-')}" for name, value in caps.items()) or "none set"
