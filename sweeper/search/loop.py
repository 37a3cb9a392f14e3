"""The loop: propose -> render what is missing -> pretrain -> finetune -> observe -> fit, until it is time to stop.

Ray Tune drives it: whenever there is room for a fine-tune, its searcher asks `next_trial`, says with `started` when it
has its place, and what was measured comes back through `observed`. Rendering and pre-training go on in threads beside
it. All that is known is in the artifact store, the results table and the ledger: running the same command again is the
resume.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import Run
from sweeper.budget.costs import Cost
from sweeper.budget.ledger import Ledger
from sweeper.cluster.failures import Failure, Retries, cause_of
from sweeper.config.schema import SweepConfig
from sweeper.config.tune import spelled
from sweeper.events.reporter import Reporter
from sweeper.search.active_run import ActiveRun
from sweeper.search.choice import recipe_value
from sweeper.search.decider import Decider
from sweeper.search.decision_log import DecisionLog
from sweeper.search.pricing import Pricing
from sweeper.search.tunings import Tunings
from sweeper.stages.finetune import PERCENT
from sweeper.stages.identity import Trial, in_words, studies
from sweeper.stages.inventory import Inventory
from sweeper.stages.prepare import Stages
from sweeper.storage.tested import ROW_FIELDS
from sweeper.study import results
from sweeper.study.arms import Plan
from sweeper.study.table import Table

MOST_FAILURES = 3


class Loop:
    """One sweep in progress. Asked by the searcher from one thread only."""

    def __init__(
        self,
        config: SweepConfig,
        plan: Plan,
        inventory: Inventory,
        stages: Stages,
        ledger: Ledger,
        reporter: Reporter,
        slots: float,
    ) -> None:
        self.config, self.plan, self.inventory, self.stages = config, plan, inventory, stages
        self.ledger, self.reporter = ledger, reporter
        self.studies = studies(config, plan)
        rows = results.read(config.run_folder / "results", self.studies)
        self.table = Table(rows, config.finetune.repeats, config.tune)
        self._tunings = Tunings(config, self.table)
        self.pricing = Pricing(config, ledger, inventory, slots, self._tunings.trials_left)
        self._log = DecisionLog(config.run_folder, self.studies, self.pricing.unit, plan.s)
        self.decider = Decider(config, plan, self.table, self.pricing, self._log)
        self.active: dict[Run, ActiveRun] = {}
        self.failed: dict[Run, str] = {}
        self.stop: Stop | None = None
        self._queue: deque[Trial] = deque()
        self._background = ThreadPoolExecutor(max_workers=config.policy.in_flight)
        self._retries = Retries(config.finetune.max_failures)
        self._given_up = False
        self._nothing_to_add: tuple[int, int, Cost] | None = None

    @property
    def finished(self) -> bool:
        """Whether there is a reason to stop and nothing is under way."""
        return self.stop is not None and not self.active

    def over_the_cap(self) -> bool:
        """Look at the caps; whether one has ended the sweep with fine-tunes under way, which nobody waits for."""
        self._look()
        return self._given_up

    def next_trial(self, room: bool = True) -> Trial | None:
        """The next fine-tune; None while none is ready, or there is no room for one."""
        self._look()
        self._dispatch_what_fits()
        for active in list(self.active.values()):
            self._advance(active)
        return self._queue.popleft() if room and self._queue else None

    def _dispatch_what_fits(self) -> None:
        """Decide and begin runs until enough are under way, the money is short or there is a reason to stop."""
        while self.stop is None and len(self.active) < self.config.policy.in_flight:
            situation = (len(self.table), len(self.failed), self.ledger.reserved())
            if self.active and situation == self._nothing_to_add:
                return
            decision = self._decide()
            stop = self._dispatch(decision) if isinstance(decision, Proposal) else decision
            if decision is None:
                return
            # What is under way may cost less than was reserved for it, and may make a verdict uncertain again.
            if stop is not None and self.active:
                self._nothing_to_add = situation
                return
            if stop is not None:
                self._end(stop)

    def _decide(self) -> Proposal | Stop | None:
        if len(self.failed) >= MOST_FAILURES:
            return Stop("failed", f"{len(self.failed)} runs failed; the last: {list(self.failed.values())[-1]}")
        return self.decider.decide(self.active, self.failed)

    def started(self, trial: Trial) -> None:
        """A fine-tune has its place and begins: from here on its time is charged, not while it waited for one."""
        active = self.active.get(trial.run)
        if active is not None:
            active.reserved.begin("finetune")

    def observed(self, trial: Trial, result: dict[str, Any] | None, failure: Failure | None = None) -> None:
        """A fine-tune ended: into the table with it. None: it failed, and may be tried again."""
        active = self.active.get(trial.run)
        if active is None:
            return
        if result is None:
            if failure is not None and self._retries.again(trial.what, failure):
                active.lose(failure.seconds)
                self.reporter.event("retried", f"fine-tune {trial.what} is tried again: {failure.cause}")
                self._queue.append(trial)
            else:
                cause = "it failed" if failure is None else failure.cause
                self._fail(active, f"fine-tune {trial.what}, tried as often as it may be: {cause}")
            return
        self._take(active, trial, result, cached=False)

    def _take(self, active: ActiveRun, trial: Trial, result: dict[str, Any], *, cached: bool) -> None:
        error, seconds, share = float(result["error"]), float(result["seconds"]), result.get(PERCENT, 100) / 100
        folds = tuple(result.get("folds", ()))
        active.take(trial, error, seconds, cached, share, folds)
        tested = {name: result[name] for name in ROW_FIELDS if name in result}
        self._record(trial, error, seconds, share, {"folds": folds} | tested)
        if active.complete:
            self._complete(active)
            return
        done, rate = round(active.finetunes), active.finetunes / max(1.0, active.wall_s)
        self.reporter.progress("finetune", active.run.what, done, done + active.finetunes_left, rate, "fine-tunes")

    def close(self) -> None:
        """Leave the background work where it is: its artifacts are whole or absent; what it used is charged."""
        self.stages.close()
        self.ledger.close()
        self._background.shutdown(wait=False, cancel_futures=True)

    def _dispatch(self, proposal: Proposal) -> Stop | None:
        """Reserve the money, write the decision down, and begin; the reason to stop where the money is short."""
        run = proposal.run
        # Reserved first: once the run has taken the tuning on, no more trials are counted for its arm.
        reserved = self.pricing.reserve(run)
        if reserved is None:
            self.decider.postpone(proposal)
            return Stop("budget", f"{run.what} may cost {self.pricing.most(run)}, more than is left")
        tuning, tunes = self._tunings.of(run)
        record = self._log.write(proposal)
        self.reporter.event("decided", f"decision {record['step']}: {proposal.reason}", **record)
        work = self._background.submit(self.stages.prepare, run, reserved)
        repeats, per_trial = self.config.finetune.repeats, self.config.finetunes_per_trial
        self.active[run] = ActiveRun(run, reserved, work, tuning, tunes, repeats, per_trial)
        return None

    def _advance(self, active: ActiveRun) -> None:
        """Queue the fine-tunes that can start; what the store already knows is taken from there."""
        failure = active.checkpoint.exception() if active.checkpoint.done() else None
        if failure is not None:
            self._fail(active, f"{active.run.what}: {cause_of(failure)}")
            return
        for trial in active.trials() if self._tunings.ready(active.run) else ():
            known = self.inventory.measured(trial)
            if known is None:
                self._queue.append(trial)
            else:
                self._take(active, trial, known, cached=True)

    def _record(self, trial: Trial, error: float, seconds: float, share: float, more: dict[str, Any]) -> None:
        settings, lr = self.config.finetune, trial.settings.get("lr")
        row = results.observation(
            trial.run,
            repeat=trial.repeat,
            split=trial.split,
            error=error,
            lr=float(recipe_value(self.config, trial.run.arm, "lr") if lr is None else lr),
            cost=seconds * (settings.gpus or settings.cpus),
            seconds=seconds,
            checkpoint=trial.checkpoint.key if trial.checkpoint else self.studies.checkpoint_of(trial.run) or "",
            study=self.studies.current[trial.run.arm],
            versions=results.versions(),
            tuned=spelled(trial.settings),
            share=share,
            **more,
        )
        results.write(self.config.run_folder / "results", row, several_s=bool(self.plan.counts))
        self.table.add(row)

    def _complete(self, active: ActiveRun) -> None:
        run = active.run
        del self.active[run]
        done = active.finetunes * self.inventory.length(run)
        self.pricing.settle_finetunes(active.reserved, active.seconds, active.processes, done)
        measured = self.table[run]
        apart = measured.error * ((measured.variance or 0.0) * measured.repeats) ** 0.5
        spread = f" (sd of its {measured.repeats} fine-tunes {apart:.2%})" if measured.repeats > 1 else ""
        text = f"observed {run.what}: error {measured.error:.2%}{spread}, at {in_words(active.settings or {})}"
        fields = {"arm": run.arm, "n": run.n, "seed": run.seed, "error": measured.error}
        fields |= {"s": run.s} if run.tells_s else {}
        self.reporter.event("observed", text, stage="finetune", what=run.what, **fields)

    def _fail(self, active: ActiveRun, cause: str) -> None:
        del self.active[active.run]
        if active.began is not None:
            # The time of attempts that failed is not reported; the run's own wall time bounds it.
            self.pricing.settle_finetunes(active.reserved, active.seconds + active.wall_s, active.processes, 0)
        active.reserved.give_up()
        self._queue = deque(trial for trial in self._queue if trial.run != active.run)
        self._tunings.hand_over(active, self.active.values())
        self.failed[active.run] = cause
        self.reporter.event("failed", f"failed: {cause}", arm=active.run.arm, n=active.run.n)

    def _give_up(self, cap: str) -> None:
        """A hard cap is reached with runs under way: they are left as they are, for a larger budget to go on with."""
        names = ", ".join(active.run.what for active in self.active.values())
        for active in self.active.values():
            active.reserved.give_up()
        self.active, self._queue, self._given_up = {}, deque(), True
        self._end(Stop("budget", f"the budget of {cap} is used up; left unfinished: {names}"))

    def _end(self, stop: Stop) -> None:
        self.stop = stop
        self.reporter.event("stop", f"stop: {stop.reason}", kind=stop.kind)

    def _look(self) -> None:
        """Hold the hard cap, and pass on what workers report."""
        cap = self.ledger.exceeded() if self.active else None
        if cap is not None:
            self._give_up(cap)
        self.stages.pass_on_progress(any(active.began for active in self.active.values()))
