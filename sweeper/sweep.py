"""One sweep from config to report: check the input, open the run folder, start Ray, run the loop, report."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweeper.artifacts import ArtifactStore
from sweeper.capacity import CapacityWatch, await_capacity, shortage
from sweeper.config import SIMULATED, SweepConfig
from sweeper.errors import BadInput
from sweeper.finetune import run_experiment
from sweeper.ledger import Ledger, append_event, read_events
from sweeper.loop import Loop
from sweeper.places import inside, is_uri, shown
from sweeper.plan import make_plan, resolve_recipe
from sweeper.progress import Board, Reporter
from sweeper.rendering import setting_of
from sweeper.reporting import LEDGER, STOPPED, Outcome, write_report
from sweeper.results import discard_damaged
from sweeper.run_folder import SCRATCH, held, keep, keep_all
from sweeper.searcher import PolicySearcher
from sweeper.stages import Stages
from sweeper.study import sweep_digest


def run_sweep(config: SweepConfig, reporter: Reporter) -> Outcome:
    """Run or resume a sweep to its report. Raises BadInput for what the user can mend."""
    config, s = check(config)
    if "RAY_ADDRESS" not in os.environ:
        # Before anything is written; GPUs are counted by Ray itself.
        short = shortage(config, [{"CPU": float(cpu_count()), "GPU": float("inf")}])
        if short is not None:
            raise BadInput(short)
    ArtifactStore(config.store).make_root()
    with driven(config) as folder:
        ledger = Ledger(folder / LEDGER, config.budget)
        damaged = discard_damaged(folder / "results")
        if damaged or not already_stopped(config, folder):
            write_config(config, folder)
            reporter.with_money(lambda: spending(ledger, config))
            ledger.start()
            _search(config, s, ledger, reporter)
        else:
            reporter.event("finished", "this sweep is finished: nothing to render, train or choose")
        outcome = write_report(folder)
        keep_all(folder, "report.html", "figures", "tables")
    where = shown(inside(config.place, "report.html")) if is_uri(config.place) else outcome.report
    reporter.event("report", f"report: {where}", path=str(where))
    return outcome


def check(config: SweepConfig) -> tuple[SweepConfig, int]:
    """Look at everything that can be wrong before anything is spent.

    Returns the config with its store located and the hash of its real images filled in, and the number s of real
    training images. Raises BadInput.
    """
    # A relative store means another one to whoever reads the run folder from elsewhere.
    config = config.model_copy(update={"store": ArtifactStore(config.store).uri})
    for rendering in config.renderings:
        setting_of(config, rendering)
    if config.is_simulated:
        if set(config.pretrain.tasks) | set(config.finetune.tasks) != {SIMULATED}:
            raise BadInput("a simulated sweep has pretrain.tasks and finetune.tasks [simulated] and no others")
        return config, 0
    from tasks.base import task
    from tasks.datasets import folds, load_real, subset
    from tasks.models import backbone_names

    for stage, names, recipe in (
        ("pretrain", config.pretrain.tasks, config.pretrain.recipe),
        ("finetune", config.finetune.tasks, config.finetune.recipe),
    ):
        for name in names:
            try:
                task(name)
            except ValueError as error:
                raise BadInput(f"{stage}.tasks: {error}") from None
            batch = resolve_recipe(stage, name, recipe).batch_size
            if stage == "pretrain" and batch % config.pretrain.workers:
                raise BadInput(f"pretrain.workers: {config.pretrain.workers} do not share batches of {batch} evenly")
    for backbone in config.pretrain.backbones:
        if backbone not in backbone_names():
            raise BadInput(f"pretrain.backbones: unknown {backbone!r}; known: {', '.join(backbone_names())}")
    finetune = config.finetune
    try:
        real = load_real(finetune.dataset, config.data_root, config.render.resolution, verify=True)
        chosen = subset(real.train, fraction=finetune.whole, count=finetune.count, seed=config.seed)
        if config.tune.trials:
            folds(chosen, real.train.labels, config.tune.folds, config.seed)
    except (ValueError, OSError) as error:
        raise BadInput(f"finetune.dataset: {' '.join(str(error).split())}") from None
    if not len(real.test):
        raise BadInput(f"finetune.dataset: {real.source} has no test images; add some")
    if finetune.dataset_sha256 not in (None, real.sha256):
        raise BadInput(
            f"finetune.dataset_sha256: the images found ({real.source}, at {config.render.resolution} px) have "
            f"{real.sha256}; correct data_root, or leave the key out"
        )
    resolved = finetune.model_copy(update={"dataset_sha256": real.sha256})
    return config.model_copy(update={"finetune": resolved}), len(chosen)


def open_run_folder(config: SweepConfig) -> Path:
    """The run folder, made when missing; raises BadInput where it cannot be written."""
    folder = config.run_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(f"run folder {folder}: cannot be written ({error.strerror}); set output=FOLDER") from None
    return folder


@contextmanager
def driven(config: SweepConfig) -> Iterator[Path]:
    """The run folder, ours alone to write; raises BadInput where it cannot be written or another driver holds it."""
    with held(config.place):
        folder = open_run_folder(config)
        with only_driver(folder):
            yield folder


@contextmanager
def only_driver(folder: Path) -> Iterator[None]:
    """Hold the run folder: a second driver on the same sweep would decide and pay twice."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"run folder {folder}: another sweep is running on it; wait, or set output=FOLDER") from None
        yield


def already_stopped(config: SweepConfig, folder: Path) -> bool:
    """Whether this very config is the last that was run to its end here."""
    stops = list(read_events(folder / STOPPED))
    return bool(stops) and stops[-1].get("sweep") == sweep_digest(config) and is_written(config, folder)


def spending(ledger: Ledger, config: SweepConfig) -> str:
    """For every line of progress: what was spent, and what of each cap is neither spent nor reserved."""
    spent = ledger.spent()
    text = f"{spent.wall_s / 60:.1f} min, ${spent.usd:.3f} spent"
    caps = config.budget.model_dump(exclude_none=True)
    left = [f"{max(0.0, left):.3g} of {caps[name]:g} {name.replace('_', '-')}" for name, left in ledger.left().items()]
    return f"{text}, {', '.join(left)} left" if left else text


def is_written(config: SweepConfig, folder: Path) -> bool:
    """Whether the run folder's config is this one: another may have begun since, and have been killed."""
    path = folder / "config.yaml"
    return path.is_file() and path.read_text() == config.to_yaml()


def write_config(config: SweepConfig, folder: Path) -> None:
    """The resolved config, whole or not at all: `status` may read it at any moment."""
    part = folder / f".config-{os.getpid()}"
    part.write_text(config.to_yaml())
    part.replace(folder / "config.yaml")
    keep(folder / "config.yaml")


@contextmanager
def ray_session(config: SweepConfig, reporter: Reporter) -> Iterator[CapacityWatch]:
    """A Ray to run on: the cluster this job was submitted to, or one of our own on this machine.

    Raises BadInput where its nodes cannot run every stage, on a cluster after cluster.wait_s.
    """
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    env = {"env_vars": {"OMP_WAIT_POLICY": "PASSIVE", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2"}}
    # A plain address could pick up a stale cluster of somebody else's.
    address = os.environ.get("RAY_ADDRESS", "local")
    _start_ray(address, runtime_env=env, **quiet)
    try:
        # Nodes of our own are all there; a cluster's may be on their way.
        wait_s = 0.0 if address == "local" else config.cluster.wait_s

        def say(text: str) -> None:
            reporter.event("waiting", text)

        await_capacity(config, wait_s, say)
        yield CapacityWatch(config, wait_s, say)
    finally:
        ray.shutdown()


def _start_ray(address: str, **settings: Any) -> None:
    """Start or join Ray. Its own nodes have half a minute, which a busy machine may miss: three tries."""
    tries = 3 if address == "local" else 1
    for left in reversed(range(tries)):
        try:
            ray.init(address=address, **settings)
            # Ray's own handler, which it sets on connecting, would abort the driver on the spot.
            end_on_sigterm()
            return
        # Ray raises a bare Exception where a node did not start in time.
        except Exception as error:
            ray.shutdown()
            if not left:
                reason = " ".join(str(error).split())
                raise RuntimeError(f"Ray did not start: {reason} Run the same command again to go on") from None


def end_on_sigterm() -> None:
    """From now on SIGTERM ends the sweep as an interruption does: its spend written down, its lease given back."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))


def cpu_count() -> int:
    """The CPU cores this process may use."""
    return len(os.sched_getaffinity(0))


def _search(config: SweepConfig, s: int, ledger: Ledger, reporter: Reporter) -> None:
    folder = config.run_folder
    store = ArtifactStore(config.store, cache_gb=config.cache_gb)
    # Every node must reach it: a pre-training goes on from its last checkpoint wherever its workers are.
    scratch = inside(config.place, SCRATCH) if is_uri(config.place) else str((folder / SCRATCH).absolute())
    with ray_session(config, reporter) as watch:
        slots = max(1.0, ray.cluster_resources().get("CPU", 1.0) // config.finetune.cpus)
        # Beside the driver: another node may go, and would take the driver's view with it.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        beside = ray.remote(num_cpus=0, scheduling_strategy=here)
        board = None if config.is_simulated else beside(Board).remote()
        stages = Stages(config, store, ledger, reporter, scratch, board, watch.look)
        loop = Loop(config, make_plan(config), stages, ledger, reporter, s, slots)
        try:
            run_experiment(config, store, PolicySearcher(loop, config.finetune.timeout_s), folder / SCRATCH)
        finally:
            loop.close()
            ledger.tick()
    if loop.stop is None:
        raise RuntimeError("interrupted before the end of the sweep; run the same command again to go on")
    if loop.stop.kind == "failed":
        raise RuntimeError(f"{loop.stop.reason}; run the same command again to go on")
    append_event(folder / STOPPED, {"sweep": sweep_digest(config), "kind": loop.stop.kind, "reason": loop.stop.reason})
