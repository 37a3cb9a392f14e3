"""One sweep from config to report: check the input, open the run folder, start Ray, run the loop, report."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from analysis.effects.answers import sentences
from analysis.policy.proposal import Stop
from sweeper.budget.ledger import Ledger, ticking
from sweeper.cluster.capacity import nodes_now
from sweeper.cluster.ray_start import check_temporary_folder
from sweeper.cluster.resources import cpu_count, finetunes_at_a_time, needs, pretrainings_at_a_time, shortage
from sweeper.cluster.session import ray_session
from sweeper.commands.check import check
from sweeper.commands.choose_steps import Chooser, measure_in_ray
from sweeper.commands.driver import exclusive_run_folder
from sweeper.commands.look_over import Found
from sweeper.commands.report import LEDGER, STOPPED, Outcome, write_report
from sweeper.commands.steps import chosen_before, resolved
from sweeper.config.load import load_run_config
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.events.progress_file import telling
from sweeper.events.reporter import Board, EventCallback, Reporter
from sweeper.events.trackers import MLFLOW, TENSORBOARD, WANDB, mlflow, ray_metrics, tensorboard, wandb
from sweeper.search.experiment import run_experiment
from sweeper.search.loop import Loop
from sweeper.stages.identity import studies
from sweeper.stages.inventory import Inventory
from sweeper.stages.photographs import keep, photographs
from sweeper.stages.prepare import Stages
from sweeper.storage.artifacts import ArtifactStore
from sweeper.storage.json_lines import append_event, read_events
from sweeper.storage.run_folder import SCRATCH, sync, sync_all
from sweeper.storage.uris import is_uri, joined_uri, redacted
from sweeper.study import results
from sweeper.study.arms import make_plan
from sweeper.study.steps import StepsChoice, with_steps


def run_sweep(config: SweepConfig, reporter: Reporter) -> Outcome:
    """Run or resume a sweep to its report. Raises BadInput for what the user can mend."""
    looked = Found()
    config, s = check(config, looked)
    for line in looked.minds:
        reporter.event("mind", f"mind: {line}")
    if "RAY_ADDRESS" not in os.environ:
        _check_machine(config)
    ArtifactStore(config.store).make_root()
    with exclusive_run_folder(config) as folder:
        config = resolved(config, folder)
        ledger = Ledger(folder / LEDGER, config.budget)
        damaged = results.discard_damaged(folder / "results")
        left_out = results.left_out(folder / "results", studies(config))
        if left_out is not None:
            reporter.event("left_out", left_out)
        # Until the report is written: `watch` writes the last page after this one.
        with telling(folder) as told:
            if damaged or not already_stopped(config, folder):
                write_config(config, folder)
                reporter.with_money(lambda: spending(ledger, config))
                ledger.start()
                if not config.budget.caps():
                    reporter.event("mind", "mind: the budget has no cap; the sweep ends when its question is answered")
                if not config.is_simulated:
                    keep(config, photographs(config).pinned(), ArtifactStore(config.store))
                _search(config, s, ledger, reporter, told)
            else:
                reporter.event("finished", "this sweep is finished: nothing to render, train or choose")
            outcome = write_report(folder)
        sync_all(folder, "report.html", "figures", "tables", TENSORBOARD, MLFLOW, WANDB)
    for name, said in outcome.effects.items():
        reporter.event("effects", f"{name}: {'; '.join(sentences(said))}", group=name, **asdict(said))
    for arm, each in outcome.exchange.items():
        figures = {} if each.said is None else asdict(each.said)
        reporter.event(
            "exchange", f"{arm}: {'; '.join(each.sentences)}", **figures | {"arm": arm, "rate_factor": each.factor}
        )
    where = redacted(joined_uri(config.place, "report.html")) if is_uri(config.place) else outcome.report
    reporter.event("report", f"report: {where}", path=str(where))
    return outcome


def _check_machine(config: SweepConfig) -> None:
    """Raises BadInput, before anything is written, where this machine cannot run every stage."""
    # GPUs are counted by Ray itself.
    short = shortage(needs(config), [{"CPU": float(cpu_count()), "GPU": float("inf")}])
    if short is not None:
        raise BadInput(short)
    check_temporary_folder()


def already_stopped(config: SweepConfig, folder: Path) -> bool:
    """Whether this very config is the last that was run to its end here, and all that it measured is still there."""
    stops, these = list(read_events(folder / STOPPED)), studies(config)
    if not stops or stops[-1].get("sweep") != these.sweep or not is_written(config, folder):
        return False
    return len(results.read(folder / "results", these)) >= stops[-1].get("rows", 0)


def spending(ledger: Ledger, config: SweepConfig) -> str:
    """For every line of progress: what was spent, and what of each cap is neither spent nor reserved."""
    spent = ledger.spent()
    text = f"{spent.wall_s / 60:.1f} min, ${spent.usd:.3f} spent"
    caps = config.budget.caps()
    left = [f"{max(0.0, left):.3g} of {caps[name]:g} {name.replace('_', '-')}" for name, left in ledger.left().items()]
    return f"{text}, {', '.join(left)} left" if left else text


def is_written(config: SweepConfig, folder: Path) -> bool:
    """Whether the run folder's config is this one: another may have begun since, and have been killed."""
    try:
        # Read, not compared as text: a key that came later stands in none that was written before.
        return load_run_config(folder) == config
    except BadInput:
        return False


def write_config(config: SweepConfig, folder: Path) -> None:
    """The resolved config, whole or not at all: `status` may read it at any moment."""
    part = folder / f".config-{os.getpid()}"
    part.write_text(config.to_yaml())
    part.replace(folder / "config.yaml")
    sync(folder / "config.yaml")


def _search(config: SweepConfig, s: int, ledger: Ledger, reporter: Reporter, told: EventCallback) -> None:
    """Run the loop to its end, and write down why it stopped. `told` hears what the trackers hear."""
    folder = config.run_folder
    store = ArtifactStore(config.store, cache_gb=config.cache_gb)
    # Every node must reach it: a pre-training goes on from its last checkpoint wherever its workers are.
    scratch = joined_uri(config.place, SCRATCH) if is_uri(config.place) else str((folder / SCRATCH).absolute())
    with (
        ticking(ledger),
        ray_session(config, lambda text: reporter.event("waiting", text)) as watch,
        _tracking(config, ledger) as trackers,
    ):
        reporter.set_callbacks(told, *trackers)
        slots = finetunes_at_a_time(config, nodes_now())
        ledger.go_side_by_side("pretrain", pretrainings_at_a_time(config, nodes_now()))
        # Beside the driver: another node may go, and would take the driver's view with it.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        beside = ray.remote(num_cpus=0, scheduling_strategy=here)
        board = None if config.is_simulated else beside(Board).remote()
        inventory, plan = Inventory(config, store), make_plan(config, s)
        stages = Stages(config, inventory, store, reporter, scratch, board, watch)
        if config.tune.iterations and chosen_before(config, folder) is None:
            measure = measure_in_ray(config, store)
            chooser = Chooser(config, plan, inventory, stages, ledger, reporter, slots, measure)
            choice = _settled(chooser)
            if isinstance(choice, Stop):
                _stopped(folder, studies(config, plan).sweep, choice, rows=0)
                return
            config = with_steps(config, choice.iterations)
            write_config(config, folder)
            inventory = Inventory(config, store)
            stages.look_into(inventory)
        loop = Loop(config, plan, inventory, stages, ledger, reporter, slots)
        try:
            run_experiment(config, store, loop, folder / SCRATCH)
        finally:
            reporter.set_callbacks()
            loop.close()
    if loop.stop is None:
        raise RuntimeError("interrupted before the end of the sweep; run the same command again to go on")
    if loop.stop.kind == "failed":
        raise RuntimeError(f"{loop.stop.reason}; run the same command again to go on")
    _stopped(folder, loop.studies.sweep, loop.stop, rows=len(results.read(folder / "results", loop.studies)))


def _settled(chooser: Chooser) -> StepsChoice | Stop:
    """The steps of fine-tunes, or why the sweep ends without them; whatever ends it leaves nothing open."""
    choice = None
    try:
        choice = chooser.choose()
    finally:
        if not isinstance(choice, StepsChoice):
            chooser.stages.close()
            chooser.ledger.close()
    if isinstance(choice, Stop):
        chooser.reporter.event("stop", f"stop: {choice.reason}", kind=choice.kind)
    return choice


def _stopped(folder: Path, sweep: str, stop: Stop, rows: int) -> None:
    append_event(folder / STOPPED, {"sweep": sweep, "kind": stop.kind, "reason": stop.reason, "rows": rows})


@contextmanager
def _tracking(config: SweepConfig, ledger: Ledger) -> Iterator[list[EventCallback]]:
    """What trackers hear of every event; ended, and what they hold written, with the search."""
    with ExitStack() as ends:
        trackers = [ray_metrics(config.name, ledger)]
        if config.log_to == "tensorboard":
            trackers.append(tensorboard(config.run_folder, ledger))
        if config.log_to == "mlflow":
            trackers.append(mlflow(config.run_folder, config.name, ledger))
        if config.log_to == "wandb":
            trackers.append(ends.enter_context(wandb(config.run_folder, config.name, ledger)))
        yield trackers
