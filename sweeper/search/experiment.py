"""The fine-tuning stage: one Ray Tune experiment whose trials are single fine-tunes, each a cached artifact."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune

from sweeper.cluster.admission import LOOK_S
from sweeper.cluster.capacity import nodes_now
from sweeper.cluster.resources import finetunes_at_a_time
from sweeper.config.schema import SweepConfig
from sweeper.search.loop import Loop
from sweeper.search.searcher import EarlyStop, PolicySearcher
from sweeper.stages.finetune import finetuning_of
from sweeper.stages.trial import BEGUN, WAITING_BYTES, run_trial
from sweeper.storage.artifacts import ArtifactStore


class _Told(tune.Callback):
    """Tells the searcher when a trial's work begins, and why one failed: Tune tells it only that it did."""

    def __init__(self, searcher: PolicySearcher) -> None:
        self._searcher = searcher
        self._started: dict[str, float] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if BEGUN in result:
            self._started[trial.trial_id] = time.monotonic()
            self._searcher.on_trial_begun(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        seconds = time.monotonic() - self._started.pop(trial.trial_id, time.monotonic())
        self._searcher.on_trial_error(trial.trial_id, RuntimeError(_last_failure(trial)), seconds)


def _last_failure(trial: Any) -> str:
    """What Tune wrote down of a trial's latest failure: as text, in its own folder; it is uploaded only later."""
    if trial.error_file is None or not Path(trial.error_file).is_file():
        return "it ended without saying why"
    _, _, text = Path(trial.error_file).read_text().rpartition("Failure # ")
    _, _, told = text.partition("\n")
    return told


def set_tune_up() -> None:
    """Tune without its own loggers and snapshots: nothing reads them."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "64")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1000000")
    # What is stopped at a cap has this long to end by itself.
    os.environ.setdefault("TUNE_FORCE_TRIAL_CLEANUP_S", "5")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # That a trial begins is told as a result, which has no error yet.
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    # Tune uploads its snapshot of the experiment while it writes the next one, and logs a traceback where they meet.
    # Nothing reads the snapshot: the sweep goes on from the store and the results table.
    logging.getLogger("ray.tune.execution.experiment_state").setLevel(logging.CRITICAL)
    # Why a fine-tune failed is an event of the sweep, in a line. Tune keeps the traceback in its own folder too.
    logging.getLogger("ray.tune.execution.tune_controller").setLevel(logging.CRITICAL)


class AtTheCap(tune.Stopper):
    """Ends the experiment, with the trials that Tune has already, once a cap has ended the sweep amid runs.

    Tune asks it also while there is no room for a further fine-tune: the caps are held all the same.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop: Loop | None = loop

    def __getstate__(self) -> dict[str, Any]:
        # Tune writes its settings to disk; they are never read back.
        return {"_loop": None}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial ends by what it reports."""
        return False

    def stop_all(self) -> bool:
        """Whether to end everything that runs."""
        return self._loop is not None and self._loop.over_the_cap()


def looked_up_every(seconds: float, look: Callable[[], float]) -> Callable[[], float]:
    """What `look` says, asked anew once its answer is `seconds` old: Tune asks its searcher many times a second."""
    known: list[tuple[float, float]] = []

    def answer() -> float:
        if not known or time.monotonic() - known[0][0] > seconds:
            known[:] = [(time.monotonic(), look())]
        return known[0][1]

    return answer


def run_experiment(config: SweepConfig, store: ArtifactStore, loop: Loop, scratch: Path) -> None:
    """Ray Tune until the searcher says FINISHED; what trials measured is in the store and told to the loop.

    Failed trials are tried again by the loop: Tune would count a lost node as a failure.
    """
    set_tune_up()
    slots = looked_up_every(LOOK_S, lambda: finetunes_at_a_time(config, nodes_now()))
    searcher = PolicySearcher(loop, config.finetune.timeout_s, slots)
    stops_early = config.tune.early_stop == "asha" and config.tune.trials > 0
    shared = {
        "jobs": [ray.put(finetuning_of(config, store))],
        "devices": {"num_cpus": config.finetune.cpus, "num_gpus": config.finetune.gpus},
    }
    waiting = tune.PlacementGroupFactory([{"memory": WAITING_BYTES}])
    trainable = tune.with_resources(tune.with_parameters(run_trial, **shared), waiting)
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=EarlyStop() if stops_early else None,
            num_samples=-1,
            # Tune makes names of what it gives to trials: here that is long.
            trial_name_creator=lambda trial: str(trial.trial_id),
            trial_dirname_creator=lambda trial: str(trial.trial_id),
            # The work of a trial that is stopped ends with the trial's process only.
            reuse_actors=not stops_early,
        ),
        run_config=tune.RunConfig(
            name=f"finetune-{loop.studies.sweep}",
            storage_path=str(scratch.absolute()),
            verbose=0,
            stop=AtTheCap(loop),
            failure_config=tune.FailureConfig(max_failures=0),
            callbacks=[_Told(searcher)],
        ),
    )
    tuner.fit()
