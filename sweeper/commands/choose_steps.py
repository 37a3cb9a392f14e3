"""Choose how many steps fine-tunes have, on the folds, before the first run.

The trials are fine-tunes like those of the tuning, artifacts of the store, priced and paid in the same ledger. What was
chosen is a line of the decision log: a sweep that is taken up again reads it there.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import ray

from analysis.policy.proposal import Stop
from analysis.policy.runs import Run
from sweeper.budget.cost_model import finetune_cost
from sweeper.budget.costs import GPU
from sweeper.budget.devices import device_type
from sweeper.budget.ledger import Ledger
from sweeper.budget.reservation import Reservation
from sweeper.cluster.failures import cause_of
from sweeper.commands.steps import finetunes_estimate, key_of, next_of_opening, tried_on
from sweeper.config.schema import SweepConfig
from sweeper.errors import InterruptedSweep
from sweeper.events.reporter import Reporter
from sweeper.search.decision_log import DECISIONS
from sweeper.search.pricing import Pricing
from sweeper.stages.finetune import Finetuning, finetune, finetuning_of
from sweeper.stages.identity import Trial
from sweeper.stages.inventory import Inventory
from sweeper.stages.prepare import Stages
from sweeper.storage.artifacts import ArtifactStore, Manifest
from sweeper.storage.json_lines import append_event
from sweeper.study.arms import Plan
from sweeper.study.steps import StepsChoice, StepsTried, choose, with_steps, without_steps

# Seconds between two looks at what is under way.
_LOOK_S = 0.2

# (trial, what it measured) as trials end; the caps are looked at whenever it yields None.
Measured = Iterator[tuple[Trial, dict[str, Any]] | None]


@dataclass(frozen=True)
class Chooser:
    """All that choosing the steps of a sweep takes. `measure`: does trials that the store does not know."""

    config: SweepConfig
    plan: Plan
    inventory: Inventory
    stages: Stages
    ledger: Ledger
    reporter: Reporter
    slots: float
    measure: Callable[[Sequence[Trial]], Measured]

    def choose(self) -> StepsChoice | Stop:
        """Try, choose and write it down; the reason to stop where the money is short.

        Raises RuntimeError where a trial fails for good.
        """
        config = without_steps(self.config)
        dearest = with_steps(config, max(config.tune.iterations or ()))
        pricing = Pricing(dearest, self.ledger, self.inventory, self.slots, lambda run: 0)
        tried: list[StepsTried] = []
        runs = tried_on(config, self.plan, pricing)
        for run in runs:
            of_run = self._tried(config, run, runs, pricing)
            if isinstance(of_run, Stop):
                return of_run
            tried += of_run
        choice = choose(tried)
        event = choice.event(key_of(config))
        append_event(config.run_folder / DECISIONS, event)
        self.reporter.event("decided", f"decision before the first: {choice.reason}", **event)
        return choice

    def _tried(self, config: SweepConfig, run: Run, runs: Sequence[Run], pricing: Pricing) -> list[StepsTried] | Stop:
        estimates = pricing.estimates(run, tunes=False) | {"finetune": finetunes_estimate(config, run, self.slots)}
        parts = {stage: (each.high, 1.0) for stage, each in estimates.items() if each.high.wall_s > 0}
        ids = self.ledger.reserve(f"steps of {run.what}", parts)
        if ids is None:
            return Stop("budget", f"choosing the steps of fine-tunes on {run.what} may cost more than is left")
        reserved = Reservation(self.ledger, f"steps of {run.what}", ids)
        try:
            checkpoint = self._checkpoint(run, reserved, self._beside(config, run, runs, pricing))
            if isinstance(checkpoint, Stop):
                return checkpoint
            return self._measured(config, run, checkpoint, reserved)
        finally:
            # Of what was settled nothing is left to give up.
            reserved.give_up()

    def _beside(
        self, config: SweepConfig, run: Run, runs: Sequence[Run], pricing: Pricing
    ) -> list[tuple[Run, Reservation]]:
        """What the sweep begins with of this run's arm, for the cores that its checkpoint alone would leave idle."""
        beside = []
        for other in next_of_opening(config, self.plan, run, runs, pricing):
            estimates = pricing.estimates(other, runs, tunes=False)
            of_checkpoint = {stage: estimates[stage].high for stage in ("render", "pretrain")}
            parts = {stage: (cost, 1.0) for stage, cost in of_checkpoint.items() if cost.wall_s > 0}
            ids = self.ledger.reserve(f"checkpoint of {other.what}", parts)
            if ids is not None:
                beside.append((other, Reservation(self.ledger, f"checkpoint of {other.what}", ids)))
        return beside

    def _prepared(self, run: Run, reserved: Reservation) -> None:
        """Nobody waits for it: the sweep goes on with what is there then, and tries again what failed."""
        try:
            self.stages.prepare(run, reserved)
        finally:
            reserved.give_up()

    def _checkpoint(
        self, run: Run, reserved: Reservation, beside: Sequence[tuple[Run, Reservation]]
    ) -> Manifest | Stop | None:
        pool = ThreadPoolExecutor(max_workers=1 + len(beside))
        try:
            work = pool.submit(self.stages.prepare, run, reserved)
            for other, set_aside in beside:
                pool.submit(self._prepared, other, set_aside)
            while not work.done():
                stop = self._at_the_cap()
                if stop is not None:
                    return stop
                self.stages.pass_on_progress(False)
                time.sleep(_LOOK_S)
            return work.result()
        except InterruptedSweep:
            raise
        except Exception as error:
            raise RuntimeError(
                f"{run.what}, on which steps are chosen: {cause_of(error)}; run the command again"
            ) from error
        finally:
            # It is left where it is: its artifacts are whole or absent, and a sweep that goes on waits for its own.
            pool.shutdown(wait=False)

    def _measured(
        self, config: SweepConfig, run: Run, checkpoint: Manifest | None, reserved: Reservation
    ) -> list[StepsTried] | Stop:
        trials = [
            Trial(run, 0, {"iterations": iterations}, "validation", checkpoint)
            for iterations in config.tune.iterations or ()
        ]
        known = {trial.text: self.inventory.measured(trial) for trial in trials}
        missing = [trial for trial in trials if known[trial.text] is None]
        reserved.begin("finetune")
        if missing:
            # A trial says nothing until its end, which is minutes away where steps are many.
            steps = " and ".join(f"{trial.settings['iterations']:,}" for trial in missing)
            text = f"{run.what}: fine-tunes of {steps} steps on {config.tune.folds} folds each, to choose the steps"
            self.reporter.event("trying", text, stage="finetune", what=run.what)
        seconds = 0.0
        for ended in self.measure(missing):
            if ended is None:
                stop = self._at_the_cap()
                if stop is not None:
                    return stop
                self.stages.pass_on_progress(True)
                continue
            trial, result = ended
            known[trial.text] = result
            seconds += float(result["seconds"])
            text = f"{run.what}, {trial.settings['iterations']:,} steps: error {result['error']:.2%} on the folds"
            self.reporter.event("tried", text, stage="finetune", what=trial.what)
        # No units: the prices of fine-tunes are learnt from such as have the steps of all.
        device = device_type(config.finetune.gpus) or GPU
        reserved.settle("finetune", finetune_cost(config, seconds, len(missing), self.slots, device), 0.0, device)
        return [_as_tried(trial, known[trial.text] or {}) for trial in trials]

    def _at_the_cap(self) -> Stop | None:
        cap = self.ledger.exceeded()
        if cap is None:
            return None
        return Stop("budget", f"the budget of {cap} is used up; the steps of fine-tunes were being chosen")


def _as_tried(trial: Trial, result: dict[str, Any]) -> StepsTried:
    folds = tuple(float(error) for error in result["folds"])
    run, iterations = trial.run, trial.settings["iterations"]
    return StepsTried(run.arm, run.n, iterations, float(result["error"]), folds, float(result["seconds"]))


def measure_in_ray(config: SweepConfig, store: ArtifactStore) -> Callable[[Sequence[Trial]], Measured]:
    """Fine-tunes as tasks of Ray, as many at a time as there are cores or GPUs for."""
    job = ray.put(finetuning_of(without_steps(config), store))
    settings = config.finetune
    task = ray.remote(num_cpus=settings.cpus, num_gpus=settings.gpus, max_retries=settings.max_failures)(_last_told)

    def measure(trials: Sequence[Trial]) -> Measured:
        under_way = {task.remote(job, trial.text): trial for trial in trials}
        try:
            while under_way:
                done, _ = ray.wait(list(under_way), timeout=_LOOK_S)
                for ended in done:
                    trial = under_way.pop(ended)
                    try:
                        result = ray.get(ended)
                    except ray.exceptions.RayError as error:
                        why = (
                            f"{trial.what}, to choose the steps: {cause_of(error)}; run the same command again to go on"
                        )
                        raise RuntimeError(why) from error
                    yield trial, result
                yield None
        finally:
            for left in under_way:
                ray.cancel(left, force=True)

    return measure


def _last_told(job: Finetuning, text: str) -> dict[str, Any]:
    """What a fine-tune tells at its end."""
    *_, told = finetune(job, Trial.from_text(text))
    return told
