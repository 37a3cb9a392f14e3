"""The loop: propose -> render what is missing -> pretrain -> finetune -> observe -> fit, until it is time to stop.

Ray Tune drives it: whenever there is room for a fine-tune, its searcher asks `next_trial`, says with `started` when it
has its place, and what was measured comes back through `observed`. Rendering and pre-training go on in threads beside
it. All that is known is in the artifact store, the results table and the ledger: running the same command again is the
resume.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import Run
from sweeper.budget.costs import Cost
from sweeper.budget.ledger import Ledger
from sweeper.cluster.failures import Failure, Retries, cause_of
from sweeper.config.schema import SweepConfig
from sweeper.config.tune import Scope, scope_of, spelled
from sweeper.events.reporter import Reporter
from sweeper.search.decision_log import DecisionLog
from sweeper.search.decisions import Knowledge, choose, goals_of, learn, opening, priced_anew
from sweeper.search.flight import Flight
from sweeper.search.pricing import Pricing
from sweeper.search.tuning import Tried, Tuning
from sweeper.stages.finetune import PERCENT
from sweeper.stages.identity import Trial, in_words, studies
from sweeper.stages.inventory import Inventory
from sweeper.stages.prepare import Stages
from sweeper.study import results
from sweeper.study.arms import Arm, Plan
from sweeper.study.table import Table

# Share of the runs that decisions may be made without having fitted: below twenty runs every one is fitted at once.
SLACK = 0.05
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
        self._studies = studies(config, plan)
        rows = results.read(config.run_folder / "results", self._studies)
        self.table = Table(rows, config.finetune.repeats, config.tune)
        self.pricing = Pricing(config, ledger, inventory, slots, self._trials_left)
        self.flights: dict[Run, Flight] = {}
        self.failed: dict[Run, str] = {}
        self.stop: Stop | None = None
        self._queue: deque[Trial] = deque()
        self._tunings: dict[Scope, Tuning] = {}
        self._background = ThreadPoolExecutor(max_workers=config.policy.in_flight)
        self._retries = Retries(config.finetune.max_failures)
        self._given_up = False
        self._nothing_to_add: tuple[int, int, Cost] | None = None
        self._learnt: Knowledge | None = None
        self._log = DecisionLog(config.run_folder, self._studies, self.pricing.unit, plan.s)
        opens = self._opening()
        self._opens = {proposal.run for proposal in opens}
        # What was decided before a restart and is unfinished, then the opening; each run once.
        self._planned = deque([*(d for d in self._log.earlier if d.run.n in (0, *plan.choices)), *opens])

    @property
    def finished(self) -> bool:
        """Whether there is a reason to stop and nothing is under way."""
        return self.stop is not None and not self.flights

    def over_the_cap(self) -> bool:
        """Look at the caps; whether one has ended the sweep with fine-tunes under way, which nobody waits for."""
        self._look()
        return self._given_up

    def next_trial(self) -> Trial | None:
        """The next fine-tune; None while none is ready."""
        self._look()
        self._dispatch_what_fits()
        for flight in list(self.flights.values()):
            self._advance(flight)
        return self._queue.popleft() if self._queue else None

    def _dispatch_what_fits(self) -> None:
        """Decide and begin runs until enough are under way, the money is short or there is a reason to stop."""
        while self.stop is None and len(self.flights) < self.config.policy.in_flight:
            situation = (len(self.table), len(self.failed), self.ledger.reserved())
            if self.flights and situation == self._nothing_to_add:
                return
            decision = self._decide()
            stop = self._dispatch(decision) if isinstance(decision, Proposal) else decision
            if decision is None:
                return
            # What is under way may cost less than was reserved for it, and may make a verdict uncertain again.
            if stop is not None and self.flights:
                self._nothing_to_add = situation
                return
            if stop is not None:
                self._end(stop)

    def started(self, trial: Trial) -> None:
        """A fine-tune has its place and begins: from here on its time is charged, not while it waited for one."""
        flight = self.flights.get(trial.run)
        if flight is not None:
            flight.reserved.begin("finetune")

    def observed(self, trial: Trial, result: dict[str, Any] | None, failure: Failure | None = None) -> None:
        """A fine-tune ended: into the table with it. None: it failed, and may be tried again."""
        flight = self.flights.get(trial.run)
        if flight is None:
            return
        if result is None:
            if failure is not None and self._retries.again(trial.what, failure):
                flight.lose(failure.seconds)
                self.reporter.event("retried", f"fine-tune {trial.what} is tried again: {failure.cause}")
                self._queue.append(trial)
            else:
                cause = "it failed" if failure is None else failure.cause
                self._fail(flight, f"fine-tune {trial.what}, tried as often as it may be: {cause}")
            return
        self._take(flight, trial, result, cached=False)

    def _take(self, flight: Flight, trial: Trial, result: dict[str, Any], *, cached: bool) -> None:
        error, seconds, share = float(result["error"]), float(result["seconds"]), result.get(PERCENT, 100) / 100
        flight.take(trial, error, seconds, cached, share)
        self._record(trial, error, seconds, share)
        if flight.complete:
            self._complete(flight)
            return
        done, rate = round(flight.finetunes), flight.finetunes / max(1.0, flight.wall_s)
        self.reporter.progress("finetune", flight.run.what, done, done + flight.finetunes_left, rate, "fine-tunes")

    def runs(self) -> list[results.MeasuredRun]:
        """The runs of which every repeat has been measured, in the order in which they were completed."""
        return self.table.runs

    def knowledge(self, slack: float = 0.0) -> Knowledge:
        """Fits and verdicts from all that has been measured, or from all but a share of `slack` at most.

        Fits of all arms together cost the more the more arms there are; runs that are not in the fits yet count as
        pending ones do.
        """
        known, done = self._learnt, self.table.runs_done
        unread = done - len(known.runs) if known is not None else done
        allowed = slack * done if known is not None and len(known.fits) == len(self.plan.arms) else 0
        if known is not None and unread <= allowed:
            return known
        now = self._learnt = learn(self.config, self.plan, self.table.runs, self.pricing.usd_per_image())
        if known is not None:
            self._log.learnt(known, now, goals_of(self.config))
        return now

    def close(self) -> None:
        """Leave the background work where it is: its artifacts are whole or absent; what it used is charged."""
        self.stages.close()
        self.ledger.close()
        self._background.shutdown(wait=False, cancel_futures=True)

    def _opening(self) -> list[Proposal]:
        return opening(
            self.config,
            self.plan,
            self.pricing.of,
            self.pricing.afresh,
            self.pricing.unit,
        )

    def _decide(self) -> Proposal | Stop | None:
        """The next run or the reason to stop; None while the pilot is still coming in."""
        if len(self.failed) >= MOST_FAILURES:
            return Stop("failed", f"{len(self.failed)} runs failed; the last: {list(self.failed.values())[-1]}")
        while self._planned:
            proposal = self._planned.popleft()
            run = proposal.run
            if not (run in self.table or run in self.flights or run in self.failed):
                beside = self.pricing.of(run, list(self.flights))
                return priced_anew(proposal, beside, self.pricing.left())
        # The policy waits for the pre-trained runs of the opening.
        if any(run.n > 0 and run in self._opens for run in self.flights):
            return None
        decision = self._choose(self.knowledge(SLACK))
        if isinstance(decision, Stop):
            # Only all that was measured may end a sweep.
            decision = self._choose(self.knowledge())
        return decision

    def _choose(self, known: Knowledge) -> Proposal | Stop:
        pending = [measured.run for measured in self.table.runs_from(len(known.runs))] + list(self.flights)
        offer = self.pricing.offers(list(self.flights))

        def price(run: Run, _: Sequence[Run]) -> float:
            # One run is chosen at a time, and what the finished ones rendered is in the store.
            return offer(run)

        return choose(
            self.config,
            self.plan,
            known,
            pending,
            list(self.failed),
            price,
            self.pricing.left(),
            self.pricing.unit,
        )

    def _dispatch(self, proposal: Proposal) -> Stop | None:
        """Reserve the money, write the decision down, and begin; the reason to stop where the money is short."""
        run = proposal.run
        # Reserved first: once the run has taken the tuning on, no more trials are counted for its arm.
        reserved = self.pricing.reserve(run)
        if reserved is None:
            if run in self._opens:
                self._planned.appendleft(proposal)
            return Stop("budget", f"{run.what} may cost {self.pricing.most(run)}, more than is left")
        tuning, tunes = self._tuning(run)
        record = self._log.write(proposal)
        self.reporter.event("decided", f"decision {record['step']}: {proposal.reason}", **record)
        work = self._background.submit(self.stages.prepare, run, reserved)
        repeats, per_trial = self.config.finetune.repeats, self.config.finetunes_per_trial
        self.flights[run] = Flight(run, reserved, work, tuning, tunes, repeats, per_trial)
        return None

    def _advance(self, flight: Flight) -> None:
        """Queue the fine-tunes that can start; what the store already knows is taken from there."""
        failure = flight.checkpoint.exception() if flight.checkpoint.done() else None
        if failure is not None:
            self._fail(flight, f"{flight.run.what}: {cause_of(failure)}")
            return
        for trial in flight.trials():
            known = self.inventory.measured(trial)
            if known is None:
                self._queue.append(trial)
            else:
                self._take(flight, trial, known.metrics, cached=True)

    def _record(self, trial: Trial, error: float, seconds: float, share: float) -> None:
        settings, arm = self.config.finetune, trial.arm
        row = results.Observation(
            arm=arm.name,
            rendering=arm.rendering,
            pretrain_task=arm.pretrain_task,
            backbone=arm.backbone,
            finetune_task=arm.finetune_task,
            n=trial.run.n,
            s=trial.run.s,
            seed=trial.run.seed,
            repeat=trial.repeat,
            split=trial.split,
            error=error,
            lr=float(trial.settings["lr"]) if "lr" in trial.settings else self.pricing.recipe_value(arm, "lr"),
            cost=seconds * (settings.gpus or settings.cpus),
            seconds=seconds,
            checkpoint=trial.checkpoint.key if trial.checkpoint else "",
            study=self._studies.current[arm.name],
            versions=results.VERSIONS,
            tuned=spelled(trial.settings),
            share=share,
        )
        results.write(self.config.run_folder / "results", row)
        self.table.add(row)

    def _complete(self, flight: Flight) -> None:
        run = flight.run
        del self.flights[run]
        self.pricing.settle_finetunes(flight.reserved, flight.seconds, flight.processes, flight.finetunes)
        measured = self.table[run]
        apart = measured.error * ((measured.variance or 0.0) * measured.repeats) ** 0.5
        spread = f" (sd of its {measured.repeats} fine-tunes {apart:.2%})" if measured.repeats > 1 else ""
        text = f"observed {run.what}: error {measured.error:.2%}{spread}, at {in_words(flight.settings or {})}"
        fields = {"arm": run.arm, "n": run.n, "seed": run.seed, "error": measured.error}
        self.reporter.event("observed", text, stage="finetune", what=run.what, **fields)

    def _fail(self, flight: Flight, cause: str) -> None:
        del self.flights[flight.run]
        if flight.began is not None:
            # The time of attempts that failed is not reported; the run's own wall time bounds it.
            self.pricing.settle_finetunes(flight.reserved, flight.seconds + flight.wall_s, flight.processes, 0)
        flight.reserved.give_up()
        self._queue = deque(trial for trial in self._queue if trial.run != flight.run)
        if flight.tunes and flight.tuning.remaining:
            self._hand_over_tuning(flight)
        self.failed[flight.run] = cause
        self.reporter.event("failed", f"failed: {cause}", arm=flight.run.arm, n=flight.run.n)

    def _give_up(self, cap: str) -> None:
        """A hard cap is reached with runs under way: they are left as they are, for a larger budget to go on with."""
        names = ", ".join(flight.run.what for flight in self.flights.values())
        for flight in self.flights.values():
            flight.reserved.give_up()
        self.flights, self._queue, self._given_up = {}, deque(), True
        self._end(Stop("budget", f"the budget of {cap} is used up; left unfinished: {names}"))

    def _end(self, stop: Stop) -> None:
        self.stop = stop
        self.reporter.event("stop", f"stop: {stop.reason}", kind=stop.kind)

    def _tuning(self, run: Run) -> tuple[Tuning, bool]:
        """The tuning a run takes its values from, and whether it is the first to ask: it is tuned on its checkpoint."""
        scope = scope_of(self.config.tune, run.arm, run.n)
        first = scope not in self._tunings
        if first:
            tried = [Tried(json.loads(o.tuned), o.error, o.share) for o in self.table.tried(scope)]
            default = {name: self.pricing.recipe_value(Arm.named(run.arm), name) for name in self.config.tune.space}
            self._tunings[scope] = Tuning(self.config.tune, default, tried, self.config.seed)
        return self._tunings[scope], first

    def _trials_left(self, run: Run) -> int:
        """Trials that a run would make: none where a run under way or done has taken the tuning on."""
        scope = scope_of(self.config.tune, run.arm, run.n)
        return 0 if scope in self._tunings else max(0, self.config.tune.trials - len(self.table.tried(scope)))

    def _hand_over_tuning(self, flight: Flight) -> None:
        """The run that tuned is gone: another that waits for it goes on, or the next one begins anew."""
        flight.tuning.abandon()
        heirs = [other for other in self.flights.values() if other.tuning is flight.tuning]
        if heirs:
            heirs[0].tunes = True
        else:
            del self._tunings[scope_of(self.config.tune, flight.run.arm, flight.run.n)]

    def _look(self) -> None:
        """Hold the hard cap, and pass on what workers report."""
        cap = self.ledger.exceeded() if self.flights else None
        if cap is not None:
            self._give_up(cap)
        self.stages.pass_on_progress(any(flight.began for flight in self.flights.values()))
