"""The tunings of a sweep: one an arm, or one at each of its sizes, and which run they are done on."""

from collections.abc import Iterable

from analysis.policy.runs import Run
from sweeper.config.schema import SweepConfig
from sweeper.config.tune import Scope, scope_of
from sweeper.search.active_run import ActiveRun
from sweeper.search.choice import own_values, tried_in
from sweeper.search.tuning import Tuning
from sweeper.study.arms import Arm
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
            default = own_values(self._config, run.arm)
            tried = tried_in(self._table.tried(scope))
            self._taken[scope] = Tuning(self._tune, default, tried, self._config.seed, self._table.settled(scope))
        return self._taken[scope], first

    def ready(self, run: Run) -> bool:
        """Whether the tuning of a run can go on: an arm begins with the values of n = 0, and waits for them.

        They are known once n = 0 was fine-tuned with them or all its trials are done. Where no n = 0 is under way or
        done, because it failed, the arm is tuned for itself.
        """
        tuning, first = self._taken[self._scope(run)], self._first(run)
        if tuning.follows or self._scope(run) == first:
            return True
        common, leader = self._table.settled(first), self._taken.get(first)
        if common is None and leader is not None:
            if leader.remaining:
                return False
            common = leader.choice()
        tuning.follow(common)
        return True

    def trials_left(self, run: Run) -> int:
        """Trials that a run would make: none where a run under way or done has taken the tuning on."""
        scope = self._scope(run)
        return 0 if scope in self._taken else max(0, self._tune.trials_made - len(self._table.tried(scope)))

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

    def _scope(self, run: Run) -> Scope:
        return scope_of(self._tune, run.arm, run.n, run.s)

    def _first(self, run: Run) -> Scope:
        return scope_of(self._tune, Arm.named(run.arm).reference.name, 0, run.s)
