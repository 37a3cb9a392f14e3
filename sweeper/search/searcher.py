"""A thin adapter: Ray Tune asks for the next fine-tune, the loop answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ray.tune.search import Searcher

from sweeper.cluster.failures import Failure, failure_of
from sweeper.search.loop import Loop
from sweeper.stages.identity import Trial


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
