"""From a run folder to its report: everything is read back from config, results, decisions, ledger and store."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from analysis.effects.answers import Effects
from analysis.policy.runs import Run
from analysis.report.page import QUESTION, QUESTION_OF_DESIGN
from analysis.report.records import (
    Decision,
    Exchange,
    ExchangeRun,
    Observation,
    Reference,
    ReportData,
    StageSpend,
    StepsTried,
)
from analysis.report.write import write_report as write_page
from analysis.verdict.shuffled_labels import Control
from analysis.verdict.verdict import Verdict
from sweeper.budget.ledger import Ledger
from sweeper.commands.complexity import read_complexity
from sweeper.commands.mixed import mixed_lines
from sweeper.commands.next_steps import Situation, next_steps
from sweeper.commands.pictures import dataset_name, photograph_sheet, render_sheets
from sweeper.commands.steps import chosen_before
from sweeper.commands.tuning import tuned_on, tuning_table
from sweeper.config.load import load_run_config
from sweeper.config.schema import SweepConfig
from sweeper.search.decision_log import DECISIONS, decision_events, learning_events
from sweeper.search.knowledge import Knowledge, learn, with_effects
from sweeper.stages.identity import as_plain, studies
from sweeper.storage.json_lines import read_events
from sweeper.study import results
from sweeper.study.arms import Arm, Plan, make_plan
from sweeper.study.attributes import TASK_FACTOR, attributes_of
from sweeper.study.exchange import ArmExchange
from sweeper.study.recipes import less_than_one_pass, resolve_recipe
from sweeper.study.steps import enough_for
from sweeper.study.studies import Studies

LEDGER = "ledger.jsonl"
STOPPED = "stopped.jsonl"
# Of a sweep at one s, and of one over several.
STAGE_UNITS = {"render": "images", "pretrain": "checkpoints", "finetune": "fine-tunes"}


@dataclass(frozen=True)
class Outcome:
    """Where the report is, how the sweep ended, what it says of each arm, effects of attributes by group, and by arm
    what renders are worth in labels.
    """

    report: Path
    stop_kind: str
    stop_reason: str
    verdicts: dict[str, Verdict]
    undecided: tuple[str, ...]
    effects: dict[str, Effects] = field(default_factory=dict)
    adaptive: bool = False
    exchange: dict[str, ArmExchange] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """3 where the budget ended the sweep before every arm had a verdict, else 0."""
        return 3 if self.stop_kind == "budget" and self.undecided else 0


@dataclass(frozen=True)
class Record:
    """A run folder, read back."""

    folder: Path
    config: SweepConfig
    plan: Plan
    studies: Studies
    observations: list[results.Observation]
    ledger: Ledger
    knowledge: Knowledge
    stop_kind: str
    stop_reason: str


def read_record(folder: Path) -> Record:
    """Read a run folder; raises BadInput where it is none."""
    config = load_run_config(folder)
    these = studies(config)
    observations = results.read(folder / "results", these)
    plan = make_plan(config, observations[0].s if observations else 0)
    ledger = Ledger(folder / LEDGER, config.budget)
    runs = [run for run in results.runs(observations) if run.repeats >= config.finetune.repeats]
    stops = [event for event in read_events(folder / STOPPED) if event.get("sweep") == these.sweep]
    stop = stops[-1] if stops else {"kind": "", "reason": ""}
    price = ledger.usd_per_image()
    knowledge = with_effects(config, plan, learn(config, plan, runs, price), price)
    return Record(folder, config, plan, these, observations, ledger, knowledge, stop["kind"], stop["reason"])


def write_report(folder: Path, refresh_s: int | None = None) -> Outcome:
    """Write report.html, figures/ and tables/ of a run folder.

    `refresh_s`: the page reads itself anew so often, for one that is written while the sweep runs.
    """
    record = read_record(folder)
    page = write_page(folder, _report_data(record, refresh_s))
    verdicts = record.knowledge.verdicts
    effects = {name: group.said for name, group in record.knowledge.effects.items()}
    exchange = record.knowledge.exchange
    said = (page, record.stop_kind, record.stop_reason, verdicts, _undecided(record))
    return Outcome(*said, effects, record.config.is_adaptive, exchange)


def _undecided(record: Record) -> tuple[str, ...]:
    """Arms without an answer; of a sweep over several s those whose rate is not settled."""
    verdicts, found, wanted = record.knowledge.verdicts, record.knowledge.exchange, record.config.stop.rate_factor

    def is_open(arm: str) -> bool:
        if record.plan.counts:
            return arm not in found or not found[arm].why_settled(wanted)
        return arm not in verdicts or verdicts[arm].label == "not identified yet"

    return tuple(arm.name for arm in record.plan.arms if is_open(arm.name))


def _report_data(record: Record, refresh_s: int | None) -> ReportData:
    config, knowledge = record.config, record.knowledge
    events = decision_events(record.folder / DECISIONS, record.studies)
    return ReportData(
        title=config.name,
        question=QUESTION_OF_DESIGN if config.is_adaptive else QUESTION[bool(record.plan.counts)],
        arms=[arm.name for arm in record.plan.arms],
        observations=list(_observations(record, events)),
        fits=knowledge.fits,
        verdicts=knowledge.verdicts,
        references=_references(record),
        decisions=list(_decisions(record, events)),
        ledger=list(_spend(record.ledger)),
        unit=str(events[0]["unit"]) if events else "minutes",
        stop_reason=record.stop_reason,
        config_text=config.to_yaml() + recipes_text(config),
        versions=_versions(record.observations),
        seeds=_seeds(config),
        sheets=() if config.is_simulated else tuple(render_sheets(config, record.observations)),
        target_error=config.target.error,
        classes=config.finetune.classes,
        simulated=config.is_simulated,
        notes=_notes(record),
        complexity=read_complexity(record.folder),
        controls=list(_controls(record)),
        tuning=list(tuning_table(config, record.observations, record.ledger.device("finetune"))),
        tuned_on=tuned_on(config, record.observations),
        effects={name: group.said for name, group in knowledge.effects.items()},
        exchange={arm: _exchange(each, knowledge.verdicts.get(arm)) for arm, each in knowledge.exchange.items()},
        steps=list(_steps(record)),
        steps_reason="" if (choice := chosen_before(config, record.folder)) is None else choice.reason,
        next_steps=next_steps(Situation(record.folder, config, knowledge, record.ledger, record.stop_kind)),
        n_target=config.n_target if config.objective == "best" else None,
        tie=config.stop.best_within or 0.0,
        tasks={arm.name: arm.finetune_task for arm in record.plan.arms},
        levels=_levels(config, record.plan),
        facts=_facts(record),
        photographs=None if config.is_simulated else photograph_sheet(config),
        refresh_s=refresh_s,
    )


def _exchange(state: ArmExchange, verdict: Verdict | None) -> Exchange:
    """What the section says; what the verdict's card says stands there alone."""
    runs = tuple(ExchangeRun(each.run.n, each.run.s, each.run.seed, each.error) for each in state.runs)
    return Exchange(state.sentences_beside(verdict), runs, state.fit, state.said)


def _observations(record: Record, events: list[dict]) -> Iterator[Observation]:
    order = {(e["arm"], e["n"], e["seed"]): e["step"] for e in reversed(events) if _is_at_s(record, e)}
    measured: dict[tuple[str, int, int], list[results.Observation]] = defaultdict(list)
    for row in _at_s(record):
        if row.split == "test" and row.n > 0 and not Arm.named(row.arm).is_control:
            measured[row.arm, row.n, row.seed].append(row)
    for run, rows in measured.items():
        errors, cost = tuple(row.error for row in rows), sum(row.cost for row in rows)
        seconds, tested = sum(row.seconds for row in rows), _test_size(rows)
        yield Observation(*run, errors, order.get(run, 0), cost, seconds, tested)


def _at_s(record: Record) -> list[results.Observation]:
    """Of a sweep over several s the rows at the largest, which curves and references are of; else all."""
    plan = record.plan
    return [row for row in record.observations if row.s == plan.s] if plan.counts else record.observations


def _is_at_s(record: Record, event: dict) -> bool:
    return bool(event.get("s", record.plan.s) == record.plan.s)


def _references(record: Record) -> dict[str, Reference]:
    """Each arm's n = 0: the same backbone on the same real task."""
    references = {}
    for arm in record.plan.arms:
        tests = [row for row in _at_s(record) if row.split == "test"]
        none = [row for row in tests if row.arm == record.plan.reference(arm).name]
        own = [row.lr for row in tests if row.arm == arm.name]
        if none:
            errors = tuple(row.error for row in none)
            rates = none[-1].lr, own[-1] if own else None
            references[arm.name] = Reference(arm.name, errors, *rates, _test_size(none))
    return references


def _test_size(rows: Sequence[results.Observation]) -> int | None:
    """How many images these fine-tunes were tested on, where it is the same for all."""
    sizes = {row.test_size for row in rows}
    return sizes.pop() or None if len(sizes) == 1 else None


def _controls(record: Record) -> Iterator[Control]:
    """Each arm's control beside the arm at the same size and the reference."""

    def errors(arm: str, n: int) -> tuple[float, ...]:
        return tuple(r.error for r in _at_s(record) if (r.arm, r.n, r.split) == (arm, n, "test"))

    n, plan = record.config.controls.shuffled_labels, record.plan
    for arm in (arm for arm in plan.arms if not arm.is_mixed):
        shuffled = errors(arm.control.name, n) if n is not None else ()
        if n is not None and shuffled:
            yield Control(arm.name, n, shuffled, errors(arm.name, n), errors(plan.reference(arm).name, 0))


def _steps(record: Record) -> Iterator[StepsTried]:
    """What was tried before the first run, to choose how many steps fine-tunes have."""
    choice = chosen_before(record.config, record.folder)
    if choice is not None:
        enough = enough_for(choice.tried)
        for tried in choice.tried:
            yield StepsTried(**asdict(tried), enough=enough[tried.arm, tried.n] == tried.iterations)


def _decisions(record: Record, events: list[dict]) -> Iterator[Decision]:
    errors = {each.run: each.error for each in record.knowledge.runs}
    realised = learning_events(record.folder, record.studies)
    for event in events:
        told = {key: event[key] for key in ("step", "arm", "n", "seed", "gain", "cost", "reason")}
        expected = {"about": event.get("about", ""), "before": event.get("before"), "expected": event.get("after")}
        error = errors.get(Run(event["arm"], event["n"], event["seed"], event.get("s", record.plan.s)))
        yield Decision(**told, error=error, **expected, realised=realised.get(event["step"]))


def _spend(ledger: Ledger) -> Iterator[StageSpend]:
    for stage, row in ledger.by_stage().items():
        yield StageSpend(stage, round(row["units"]), STAGE_UNITS[stage], row["wall_s"], row["usd"])


def _facts(record: Record) -> list[tuple[str, str]]:
    """What a reader asks first: on what task, with how many runs, for how much."""
    config, spent, runs = record.config, record.ledger.spent(), record.knowledge.runs
    tasks, n = ", ".join(config.finetune.tasks), sum(each.run.n > 0 for each in runs)
    # Runs at several s are fine-tuned from one pre-training.
    made = len({(each.run.arm, each.run.n, each.run.seed) for each in runs if each.run.n > 0})
    of = "" if config.is_simulated else f" on {dataset_name(config)}, from {record.plan.s:,} labelled photographs"
    none = f"{len(runs) - n} run{'s' * (len(runs) - n != 1)} without"
    with_it = f"{n} pre-trainings" if made == n else f"{n} runs of {made} pre-trainings"
    measured = f"{with_it} and {none}, {config.finetune.repeats} fine-tunes each"
    cost = f"{spent.wall_s / 60:.1f} minutes, {spent.device_s / 3600:.2f} device-hours, ${spent.usd:,.3f}"
    return [("The real task", f"{tasks}{of}"), ("Measured", measured), ("What the sweep cost", cost)]


def _levels(config: SweepConfig, plan: Plan) -> dict[str, dict[str, str]]:
    """Of each arm the attributes in which the renderings differ, where it is these that tell arms apart."""
    found = attributes_of(config, plan.arms)
    if found.factors is None or len(config.renderings) < 2:
        return {}
    levels = {arm.name: found.factors.named(found.place[arm.name]) for arm in plan.arms}
    return {name: {key: level for key, level in own.items() if key != TASK_FACTOR} for name, own in levels.items()}


def _seeds(config: SweepConfig) -> dict[str, int]:
    """The seeds that all runs share."""
    seeds = {"sweep": config.seed, "images": config.seed, "real subset": config.seed}
    own = {"images": config.pretrain.subset != "first", "real subset": config.finetune.subset != "shared"}
    return {name: seed for name, seed in seeds.items() if not own.get(name)}


def _versions(observations: list[results.Observation]) -> dict[str, str]:
    """Of what measured the errors; several where the sweep went on under others."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for line in dict.fromkeys(row.versions for row in observations):
        for name, _, number in (pair.partition("=") for pair in line.split()):
            found[name][number] = None
    return {name: ", ".join(numbers) for name, numbers in found.items()}


def recipes_text(config: SweepConfig) -> str:
    """The recipes with every value that the config leaves to them, as YAML comments."""
    if config.is_simulated:
        return ""
    recipes = [("pretrain", task, config.pretrain.recipe) for task in config.pretrain.tasks]
    recipes += [("finetune", task, config.finetune.recipe) for task in config.finetune.tasks]
    text = ""
    for stage, task, recipe in recipes:
        on = {backbone: resolve_recipe(stage, task, recipe, backbone) for backbone in config.pretrain.backbones}
        for resolved in dict.fromkeys(on.values()):
            those = [backbone for backbone, other in on.items() if other == resolved]
            where = "" if len(those) == len(on) else f" on {', '.join(those)}"
            text += f"# {stage} {task}{where}, as resolved: {json.dumps(as_plain(resolved))}\n"
    return text


def _notes(record: Record) -> list[str]:
    """What a reader must know that no table says."""
    notes = []
    left_out = results.left_out(record.folder / "results", record.studies)
    if left_out is not None:
        notes.append(f"{left_out}.")
    lost = sum(row["lost_usd"] for row in record.ledger.by_stage().values())
    if lost:
        notes.append(
            f"${lost:.3f} of the money went to work that was under way when the sweep was killed: it is charged in"
            " full, and what it made is not counted."
        )
    notes += [f"{line}." for line in less_than_one_pass(record.config, record.plan.choices)]
    notes += [f"{line}." for line in mixed_lines(record.config, record.plan, record.knowledge.runs)]
    for arm in () if record.config.is_adaptive else record.plan.arms:
        if arm.name not in record.knowledge.fits:
            sizes = len({row.n for row in record.observations if row.arm == arm.name})
            notes.append(f"{arm.name}: not identified yet, with runs at {sizes} sizes; a law needs three.")
    return notes
