"""The tunings of a sweep: one an arm, or one at each of its sizes, and which run they are done on."""

import json
import math
from collections.abc import Iterable
from typing import Any

from analysis.policy.runs import Run
from sweeper.config.schema import SweepConfig
from sweeper.config.tune import Scope, scope_of
from sweeper.search.active_run import ActiveRun
from sweeper.search.tuning import Tried, Tuning
from sweeper.study.arms import Arm
from sweeper.study.recipes import resolve_recipe
from sweeper.study.table import Table


class Tunings:
    """The tunings that runs under way or done have taken on; those of earlier drivers are in the results table."""

    def __init__(self, config: SweepConfig, table: Table) -> None:
        self._config, self._tune, self._table = config, config.tune, table
        self._taken: dict[Scope, Tuning] = {}

    def of(self, run: Run) -> tuple[Tuning, bool]:
        """The tuning a run takes its values from, and whether it is the first to ask: it is tuned on its checkpoint."""
        scope = self._scope(run)
        first = scope not in self._taken
        if first:
            tried = [Tried(json.loads(row.tuned), row.error, row.share) for row in self._table.tried(scope)]
            default = {key: self.recipe_value(run, key) for key in self._tune.space}
            self._taken[scope] = Tuning(self._tune, default, tried, self._config.seed)
        return self._taken[scope], first

    def trials_left(self, run: Run) -> int:
        """Trials that a run would make: none where a run under way or done has taken the tuning on."""
        scope = self._scope(run)
        return 0 if scope in self._taken else max(0, self._tune.trials - len(self._table.tried(scope)))

    def hand_over(self, gone: ActiveRun, others: Iterable[ActiveRun]) -> None:
        """The run that tuned is gone: another that waits for it goes on, or the next one begins anew."""
        if not gone.tunes or not gone.tuning.remaining:
            return
        gone.tuning.abandon()
        heir = next((other for other in others if other.tuning is gone.tuning), None)
        if heir is not None:
            heir.tunes = True
        else:
            del self._taken[self._scope(gone.run)]

    def recipe_value(self, run: Run, key: str) -> Any:
        """A value of the fine-tuning recipe as the config has it; where errors are simulated, any in the range."""
        if self._config.is_simulated:
            return self._tune.space[key].ends[0] if key in self._tune.space else math.nan
        task = Arm.named(run.arm).finetune_task
        return getattr(resolve_recipe("finetune", task, self._config.finetune.recipe), key)

    def _scope(self, run: Run) -> Scope:
        return scope_of(self._tune, run.arm, run.n)
