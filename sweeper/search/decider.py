"""What to run next in a sweep under way: first what was planned, then what the policy chooses."""

from collections import deque
from collections.abc import Collection

from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import Run
from sweeper.config.schema import SweepConfig
from sweeper.search.decision_log import DecisionLog
from sweeper.search.decisions import choose, opening, priced_anew
from sweeper.search.knowledge import Knowledge, goals_of, learn
from sweeper.search.pricing import Pricing
from sweeper.study.arms import Plan
from sweeper.study.table import Table

# Share of the runs that decisions may be made without having fitted: below twenty runs every one is fitted at once.
SLACK = 0.05


class Decider:
    """The order in which runs are decided, and what has been learnt so far. It begins nothing."""

    def __init__(self, config: SweepConfig, plan: Plan, table: Table, pricing: Pricing, log: DecisionLog) -> None:
        self._config, self._plan, self._table, self._pricing, self._log = config, plan, table, pricing, log
        self._learnt: Knowledge | None = None
        opens = opening(config, plan, pricing.of, pricing.afresh, pricing.unit)
        self._opens = {proposal.run for proposal in opens}
        self._earlier = {proposal.run for proposal in log.earlier}
        # What was decided before a restart and is unfinished, then the opening; each run once.
        self._planned = deque([*(each for each in log.earlier if each.run.n in (0, *plan.choices)), *opens])

    def decide(self, active: Collection[Run], failed: Collection[Run]) -> Proposal | Stop | None:
        """The next run or the reason to stop; None while the pilot is still coming in.

        `active`: runs under way. `failed`: runs that failed for good.
        """
        while self._planned:
            proposal = self._planned.popleft()
            run = proposal.run
            if not (run in self._table or run in active or run in failed):
                return priced_anew(proposal, self._pricing.of(run, list(active)), self._pricing.left())
        # The policy waits for the runs that were decided before a restart: a sweep that was at its end needs no other
        # run than the one that it lost.
        if any(run.n > 0 and run in self._earlier for run in active) or self._pilot_is_out(active):
            return None
        decision = self._choose(self.knowledge(SLACK), active, failed)
        if isinstance(decision, Stop):
            # Only all that was measured may end a sweep.
            decision = self._choose(self.knowledge(), active, failed)
        return decision

    def _pilot_is_out(self, active: Collection[Run]) -> bool:
        """Whether too little of the opening has come in to choose by: more than one of its pre-trained runs is under
        way, or an arm has no fit yet. For the last run alone no other core stays idle."""
        under_way = sum(run.n > 0 and run in self._opens for run in active)
        if under_way != 1:
            return under_way > 1
        fits = self.knowledge(SLACK).fits
        return any(arm.name not in fits for arm in self._plan.arms)

    def postpone(self, proposal: Proposal) -> None:
        """A run of the opening could not be paid now: it comes first when more money is there."""
        if proposal.run in self._opens:
            self._planned.appendleft(proposal)

    def knowledge(self, slack: float = 0.0) -> Knowledge:
        """Fits and verdicts from all that has been measured, or from all but a share of `slack` at most.

        Fits of all arms together cost the more the more arms there are; runs that are not in the fits yet count as
        pending ones do.
        """
        known, done = self._learnt, self._table.runs_done
        unread = done - len(known.runs) if known is not None else done
        allowed = slack * done if known is not None and len(known.fits) == len(self._plan.arms) else 0
        if known is not None and unread <= allowed:
            return known
        now = self._learnt = learn(self._config, self._plan, self._table.runs, self._pricing.ledger.usd_per_image())
        if known is not None:
            self._log.learnt(known, now, goals_of(self._config))
        return now

    def _choose(self, known: Knowledge, active: Collection[Run], failed: Collection[Run]) -> Proposal | Stop:
        pending = [*(measured.run for measured in self._table.runs_from(len(known.runs))), *active]
        pricing = self._pricing
        price = pricing.offers(list(active))
        return choose(self._config, self._plan, known, pending, list(failed), price, pricing.left(), pricing.unit)
