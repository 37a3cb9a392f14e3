"""`sweeper plan`: what a sweep will do and cost, in text. It looks into the store and spends nothing."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.estimator.identified import FEWEST_RESIDUAL_DOF
from analysis.policy.proposal import Proposal
from analysis.policy.runs import Run
from sweeper.budget.ledger import Ledger
from sweeper.cluster.resources import cpu_count, finetunes_at_a_time, needs, shortage
from sweeper.commands.check import check
from sweeper.commands.look_over import Found
from sweeper.commands.plan_costs import Part, over_budget, part, steps_part
from sweeper.commands.report import LEDGER, Record
from sweeper.commands.steps import chosen_before, tried_on
from sweeper.config.devices import gpus_here
from sweeper.config.schema import SweepConfig
from sweeper.config.tune import scope_of
from sweeper.search.choice import FEWEST_FOLDS
from sweeper.search.decisions import choose, opening
from sweeper.search.designs.both_sizes import grid_runs
from sweeper.search.knowledge import FEWEST_SIZES
from sweeper.search.pricing import Pricing
from sweeper.stages.identity import studies
from sweeper.stages.image_sets import decoded_bytes
from sweeper.stages.inventory import Inventory
from sweeper.stages.photographs import disk_in_words, photographs, tested_in_words
from sweeper.storage.artifacts import ArtifactStore
from sweeper.storage.run_folder import fetched_run_folder
from sweeper.storage.strict_json import dumps
from sweeper.study import results
from sweeper.study.arms import Plan, make_plan
from sweeper.study.recipes import less_than_one_pass
from sweeper.study.steps import StepsChoice, with_steps


@dataclass(frozen=True)
class Preview:
    """What a sweep will do and cost. `lines`: what is said before the costs; those that begin with `mind:` warn.

    `alone`: how many runs of the grid need no checkpoint of their own, where there are several s.
    """

    config: SweepConfig
    plan: Plan
    tested: str
    lines: tuple[str, ...]
    store: str
    measured: int
    left_out: tuple[str, ...]
    costs: tuple[Part, ...]
    alone: int | None = None


def describe(config: SweepConfig) -> str:
    """Text of `sweeper plan`; raises BadInput as `run` would, before anything is spent."""
    return as_text(look(config))


def look(config: SweepConfig) -> Preview:
    """What a sweep will do and cost; raises BadInput as `run` would, before anything is spent."""
    looked = Found()
    config, s = check(config, looked)
    plan, place = make_plan(config, s), fetched_run_folder(config.place, missing_ok=True)
    steps = chosen_before(config, place)
    if config.tune.iterations:
        # The dearest that may be chosen, where nothing is yet.
        config = with_steps(config, steps.iterations if steps else config.tune.iterations[-1])
    folder, these = place / "results", studies(config, plan)
    rows = results.read(folder, these)
    inventory, pricing = look_ahead(config, config.run_folder, rows)
    first = [] if steps or not config.tune.iterations else tried_on(config, plan, pricing)
    pilot = [each.run for each in _opening(config, plan, pricing)]
    grid = [run for run in pilot if run.n == 0]
    grid += _ladder_once(config, plan)
    measured = {each.run for each in results.runs(rows) if each.repeats >= config.finetune.repeats}
    pilot_left, grid_left = ([run for run in runs if run not in measured] for runs in (pilot, grid))
    opening_part = part(pricing, "opening", pilot_left, config.tune)
    parts = [opening_part, part(pricing, "grid", grid_left, config.tune)]
    tested = "the test split" if config.is_simulated else tested_in_words(config, photographs(config).pinned())
    lines = (
        *over_budget(pricing, opening_part),
        *_arms_and_sizes(config, plan, tested),
        *(f"mind: {line}" for line in less_than_one_pass(config, plan.choices)),
        *_beyond_the_ladder(config),
        *_too_few_runs(config, plan),
        *_weights(config),
        *_own_images(config),
        *_devices(config),
        *_disk(config, s),
        *looked.sizes,
        *(f"mind: {line}" for line in looked.minds),
        *_common_values(config),
        *_steps(config, steps, first),
    )
    left_out = tuple(filter(None, [results.left_out(folder, these)]))
    store = "nothing, errors are simulated" if config.is_simulated else _cached(inventory, grid)
    costs = (*steps_part(config, pricing, first), *parts)
    alone = _finetunes_alone(inventory, grid_left) if plan.counts else None
    return Preview(config, plan, tested, lines, store, len(measured), left_out, costs, alone)


def as_text(preview: Preview) -> str:
    """A line for each thing, costs last."""
    config = preview.config
    lines = [
        *preview.lines,
        f"in the store already: {preview.store}",
        f"measured already: {preview.measured} runs; not counted below",
        *preview.left_out,
        "cost            low / expected / high",
        *(line for part in preview.costs for line in part.as_text()),
        *_alone(preview),
        f"budget: {_budget(config)}; the policy ({config.policy.name}) spends what the opening leaves of it",
    ]
    return "\n".join(lines)


def as_json(preview: Preview) -> str:
    """One object: arms, sizes, what to mind, and the costs by stage in seconds, device-seconds and dollars."""
    config, plan = preview.config, preview.plan
    found = {
        "name": config.name,
        "simulated": config.is_simulated,
        "arms": [arm.name for arm in plan.arms],
        "controls": [arm.name for arm in plan.controls],
        "s": plan.s,
        "counts": list(plan.counts),
        "tested_on": preview.tested,
        "ladder": list(plan.ladder),
        "choices": list(plan.choices),
        "mind": [line.removeprefix("mind: ") for line in preview.lines if line.startswith("mind: ")],
        "store": preview.store,
        "measured": preview.measured,
        "left_out": list(preview.left_out),
        "costs": {part.key: part.as_plain() for part in preview.costs},
        "finetunes_alone": preview.alone,
        "budget": config.budget.caps(),
        "policy": config.policy.name,
    }
    return dumps(found)


def _ladder_once(config: SweepConfig, plan: Plan) -> list[Run]:
    """Every size of every arm once, of a sweep over several s at each of them; a fixed grid's further seeds too."""
    runs = grid_runs(config, plan)
    return runs if config.policy.name == "grid" else [run for run in runs if run.seed == config.seed]


def _labels(plan: Plan) -> str:
    return ", ".join(map(str, plan.counts or (plan.s,)))


def _finetunes_alone(inventory: Inventory, runs: Sequence[Run]) -> int:
    return sum(not inventory.work(run, runs[:i]).pretrain for i, run in enumerate(runs))


def _alone(preview: Preview) -> list[str]:
    """How many runs over several s need no checkpoint of their own."""
    if preview.alone is None:
        return []
    runs = next(part.runs for part in preview.costs if part.key == "grid")
    return [
        f"of these {runs} runs {preview.alone} need fine-tunes alone: n = 0, or a checkpoint that another s has too"
    ]


def _arms_and_sizes(config: SweepConfig, plan: Plan, tested: str) -> list[str]:
    return [
        f"{config.name}: {len(plan.arms)} arms, s = {_labels(plan)} real training images, error on {tested}",
        *(f"  {arm.name}{': one training on renders and photographs' * arm.is_mixed}" for arm in plan.arms),
        *(f"  {arm.name}: control at n = {config.controls.shuffled_labels}, in no fit" for arm in plan.controls),
        f"ladder: n = {', '.join(str(n) for n in plan.ladder)}; n = 0 as the reference",
        *_more_sizes(plan),
    ]


def _too_few_runs(config: SweepConfig, plan: Plan) -> list[str]:
    """A line for each fine-tuning task and backbone whose runs can never say how large their noise is."""
    if plan.counts:
        return []
    sizes = plan.ladder if config.policy.name == "grid" else plan.choices
    groups = Counter(f"{arm.finetune_task} on {arm.backbone}" for arm in plan.arms)
    short = {name: arms * (len(sizes) * config.policy.max_seeds - FEWEST_SIZES) for name, arms in groups.items()}
    return [
        f"mind: {name} can have {dof} residual degrees of freedom, and no verdict but good enough is given below"
        f" {FEWEST_RESIDUAL_DOF}; allow more sizes, or more seeds (policy.max_seeds)"
        for name, dof in short.items()
        if dof < FEWEST_RESIDUAL_DOF
    ]


def look_ahead(config: SweepConfig, folder: Path, rows: Sequence[results.Observation]) -> tuple[Inventory, Pricing]:
    """What the store has and what runs cost: nothing can be made or paid through these."""
    ledger = Ledger(folder / LEDGER, config.budget)
    inventory = Inventory(config, ArtifactStore(config.store, look_only=True))
    tried = [scope_of(config.tune, row.arm, row.n, row.s) for row in rows if row.split == "validation"]
    # While no Ray counts the GPUs, there are as many as one fine-tune asks for.
    slots = finetunes_at_a_time(config, [{"CPU": float(cpu_count()), "GPU": max(1.0, config.finetune.gpus)}])

    def trials_left(run: Run) -> int:
        return max(0, config.tune.trials_made - tried.count(scope_of(config.tune, run.arm, run.n, run.s)))

    return inventory, Pricing(config, ledger, inventory, slots, trials_left)


def next_proposal(record: Record) -> str:
    """The reason of the run that would be decided next, or why there is none."""
    config, plan = record.config, record.plan
    _, pricing = look_ahead(config, record.folder, record.observations)
    measured = {each.run for each in record.knowledge.runs}
    for look in _opening(config, plan, pricing):
        if look.run not in measured:
            return look.reason
    return choose(config, plan, record.knowledge, [], [], pricing.offers(), pricing.left(), pricing.unit).reason


def _opening(config: SweepConfig, plan: Plan, pricing: Pricing) -> list[Proposal]:
    return opening(config, plan, pricing.of, pricing.afresh, pricing.unit)


def _more_sizes(plan: Plan) -> list[str]:
    more = [str(n) for n in plan.choices if n not in plan.ladder]
    return [f"the policy may also choose n = {', '.join(more)}"] if more else []


def _beyond_the_ladder(config: SweepConfig) -> list[str]:
    """What may be bought once the ladder has answered, of which nothing is known yet."""
    rounds, most = config.target.rounds, f"{config.target.largest:,}"
    if not rounds:
        return []
    return [f"mind: up to {rounds} purchases of an arm may follow, up to {most} images; these costs are without them"]


def _weights(config: SweepConfig) -> list[str]:
    """What networks begin with, where it is not random."""
    before, without = config.pretrain.init, config.finetune.init
    lines = [f"weights: pre-training begins with {before}"] if before else []
    lines += [f"weights: n = 0 begins with {without}"] if without else []
    given = config.pretrain.weights.items()
    lines += [f"weights: @{name} begins with {file}, with and without renders" for name, file in given]
    if bool(before) != bool(without):
        lines.append("mind: n = 0 and pre-training begin with different weights; give init to both to compare renders")
    return lines


def _own_images(config: SweepConfig) -> list[str]:
    if config.pretrain.subset == "first":
        return []
    return ["images: each size and seed renders its own (pretrain.subset: independent); arms of a rendering share them"]


def _devices(config: SweepConfig) -> list[str]:
    """What each stage runs on, and what of it this machine lacks."""
    if config.is_simulated:
        return []
    pretrain, finetune, render = config.pretrain, config.finetune, config.render
    on = {
        "render": (render.actors, "actor", render.cpus_per_actor, render.gpus / render.actors),
        "pretrain": (pretrain.workers, "worker", pretrain.cpus_per_worker, pretrain.gpus),
        "finetune": (1, "process", finetune.cpus, finetune.gpus),
    }
    asked = ", ".join(
        f"{stage} {count} {who}{'s' * (count != 1)} of {cpus:g} core{'s' * (cpus != 1)}"
        + (f" and {gpus:g} GPU{'s' * (gpus != 1)}" if gpus else "")
        for stage, (count, who, cpus, gpus) in on.items()
    )
    lines = [f"devices: {asked}"]
    if "RAY_ADDRESS" not in os.environ:
        gpus = gpus_here() if any(need.kind == "GPU" and need.each for need in needs(config)) else 0
        short = shortage(needs(config), [{"CPU": float(cpu_count()), "GPU": float(gpus)}])
        lines += [f"mind: {short.replace('Ray has', 'this machine has')}"] if short else []
    return lines


def _disk(config: SweepConfig, s: int) -> list[str]:
    """What decoded images take on the disk of each machine."""
    if config.is_simulated:
        return []
    return [
        disk_in_words(config, photographs(config).pinned(), s),
        f"rendered images: the largest size is decoded where it is learnt from, {decoded_bytes(config) / 1e9:.3g} of"
        f" the {config.cache_gb:g} GB of cache_gb",
    ]


def _common_values(config: SweepConfig) -> list[str]:
    if config.is_simulated or not config.tune.trials or config.tune.folds >= FEWEST_FOLDS:
        return []
    return [
        f"tuning: with {config.tune.folds} folds nothing can show that an arm needs other values than n = 0; all keep"
        f" those (tune.folds={FEWEST_FOLDS} lets them leave)"
    ]


def _steps(config: SweepConfig, chosen: StepsChoice | None, first: Sequence[Run]) -> list[str]:
    """How many steps fine-tunes have, or how that will be chosen."""
    if chosen is not None:
        return [f"steps: {chosen.reason}"]
    if not first:
        return []
    values, on = ", ".join(f"{value:,}" for value in config.tune.iterations or ()), [run.what for run in first]
    return [
        f"steps: of {values}, before the first run on {config.tune.folds} folds of {' and '.join(on)};"
        " all runs have the larger of what is enough, and these costs are those of the most"
    ]


def _cached(inventory: Inventory, grid: Sequence[Run]) -> str:
    # Runs at several s share a checkpoint, and a mixed training has none.
    wanted = {(run.arm, run.n, run.seed): run for run in grid if inventory.needs_checkpoint(run)}.values()
    there = sum(1 for run in wanted if inventory.checkpoint(run) is not None)
    return f"{there} of {len(wanted)} checkpoints of the ladder, {inventory.images_there(grid)} of its images"


def _budget(config: SweepConfig) -> str:
    caps = config.budget.caps()
    return ", ".join(f"{value:g} {name.replace('_', '-')}" for name, value in caps.items()) or "none set"
