"""What Ray Tune asks: for the next fine-tune, which the loop answers, and which trials of a tuning to stop early."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler
from ray.tune.search import Searcher

from analysis.policy.runs import Run
from sweeper.cluster.failures import Failure, failure_of
from sweeper.search.loop import Loop
from sweeper.stages.finetune import PERCENT
from sweeper.stages.identity import Trial

# Looks at a quarter and at half of the training; at each the better half goes on.
FIRST_LOOK = 25
KEPT = 2

_NO_RACE = FIFOScheduler()


class PolicySearcher(Searcher):
    """Suggests what the loop decides. It keeps no state of its own: the loop rebuilds it from the results."""

    def __init__(self, loop: Loop, timeout_s: float, slots: Callable[[], float]) -> None:
        """`slots`: how many fine-tunes the nodes hold now; as many may wait, each in a process that takes memory."""
        super().__init__(metric="error", mode="min")
        self._loop, self._timeout_s, self._slots = loop, timeout_s, slots
        self._trials: dict[str, Trial] = {}
        self._waiting: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        # Tune writes its searchers to disk; this one is never read back.
        return {}

    def suggest(self, trial_id: str) -> Any:
        """The next trial's parameters, None to be asked again, FINISHED at the end."""
        trial = self._loop.next_trial(len(self._waiting) < self._slots())
        if trial is not None:
            self._trials[trial_id] = trial
            self._waiting.add(trial_id)
            return {"trial": trial.text}
        return Searcher.FINISHED if self._loop.finished else None

    def on_trial_begun(self, trial_id: str) -> None:
        """Tell the loop that a fine-tune has its place and begins."""
        self._waiting.discard(trial_id)
        self._loop.started(self._trials[trial_id])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Hand the measured error to the loop."""
        self._waiting.discard(trial_id)
        # Of a failure Tune tells the cause elsewhere, right after this.
        if not error:
            self._loop.observed(self._trials.pop(trial_id), result)

    def on_trial_error(self, trial_id: str, error: Exception, seconds: float) -> None:
        """Hand a failure to the loop, with its cause, after so many seconds of running."""
        failure = failure_of(error)
        if not failure.lost_node and seconds >= self._timeout_s:
            failure = Failure(f"it ran for longer than finetune.timeout_s = {self._timeout_s:g} s and was ended")
        self._loop.observed(self._trials.pop(trial_id), None, replace(failure, seconds=seconds))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: there is no searcher state to keep."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: running the same command again is the resume."""


class EarlyStop(FIFOScheduler):
    """One ASHA for each study: trials of one arm, size and seed compete with each other and with nothing else."""

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
