"""Unpromising trials of a tuning are stopped early: one ASHA of Ray Tune for each study, none for other fine-tunes."""

from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler

from analysis.policy.runs import Run
from sweeper.stages.finetune import PERCENT
from sweeper.stages.identity import Trial

# Looks at a quarter and at half of the training; at each the better half goes on.
FIRST_LOOK = 25
KEPT = 2


_NO_RACE = FIFOScheduler()


class EarlyStop(FIFOScheduler):
    """Trials of one arm, size and seed compete with each other and with nothing else in the experiment."""

    def __init__(self) -> None:
        super().__init__()
        self._races: dict[Run, AsyncHyperBandScheduler] = {}

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """A trial of a tuning enters its race."""
        self._race(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Whether to go on."""
        return str(self._race(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        """It reached the end: later ones are measured against it."""
        self._race(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: TuneTrial) -> None:
        """It failed before its end."""
        self._race(trial).on_trial_remove(tune_controller, trial)

    def _race(self, tuned: TuneTrial) -> FIFOScheduler:
        """ASHA is such a scheduler too; the plain one stops nothing."""
        trial = Trial.from_text(tuned.config["trial"])
        if trial.split != "validation":
            return _NO_RACE
        if trial.run not in self._races:
            self._races[trial.run] = AsyncHyperBandScheduler(
                time_attr=PERCENT,
                metric="error",
                mode="min",
                grace_period=FIRST_LOOK,
                reduction_factor=KEPT,
                max_t=100,
                # A trial at its end is complete, not stopped.
                stop_last_trials=False,
            )
        return self._races[trial.run]
