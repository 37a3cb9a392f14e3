"""What to run next where renderings are an adaptive design: any combination, for its chance to be the best. Pure.

It begins with a fraction of the factorial, a run each at `n_target`. Then combinations that were never run are looked
at for what a run is expected to gain on the lowest error so far, per cost of its images, pre-training and fine-tunes,
as long as one of them may still have a lower error. Money for a run of the setting that is recommended is kept, so that
the sweep can end with it. Then what is open is which of the settings that were run is the best: those that can be are
run again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.amounts import money
from analysis.effects.answers import foretold, in_words
from analysis.effects.search import leading, repeat_gains
from analysis.laws import Floats
from analysis.policy.goals import Goals, Terms
from analysis.policy.objectives import Expected, arms_that_can_win
from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import Run
from sweeper.config.schema import SweepConfig
from sweeper.search.knowledge import Knowledge
from sweeper.study.arms import Plan
from sweeper.study.effects import GroupEffects


def first_settings(config: SweepConfig, plan: Plan, cost: Callable[[Run], float], unit: str) -> list[Proposal]:
    """A run at `n_target` of every arm of the fraction that the design begins with."""
    assert config.factors is not None
    assert config.n_target is not None
    named = {*config.renderings} - {*config.factors.names}
    opening = {*config.factors.opening} | named
    runs = [plan.run(arm, config.n_target, config.seed) for arm in plan.arms if arm.rendering in opening]
    why = "first settings, chosen for the effects of attributes"
    return [Proposal(run, None, cost(run), unit, f"{why}: {run.arm}, n = {run.n:,}") for run in runs]


def choose_setting(
    config: SweepConfig,
    plan: Plan,
    known: Knowledge,
    pending: Sequence[Run],
    refused: Sequence[Run],
    cost: Callable[[Run], float],
    terms: Terms,
) -> Proposal | Stop:
    """The next run, or the reason to stop; every group of a backbone and fine-tuning task until its best is certain."""
    if not known.effects:
        return Stop("failed", "too few settings were run to say what is best; see why their runs failed")
    taken = (*(each.run for each in known.runs), *pending, *refused)
    races = [_Race(name, group, terms.goals, config, taken) for name, group in known.effects.items()]
    wanted = [run for race in races for run in race.wanted(plan, cost)]
    offers = [each for each in wanted if each.cost + each.kept <= terms.budget_left]
    if offers:
        return max(offers, key=lambda each: each.gain / max(each.cost, 1e-12)).proposal(terms)
    said = "; ".join(race.winner for race in races)
    if all(race.is_certain for race in races):
        return Stop("best", said)
    if wanted:
        left = money(max(terms.budget_left, 0.0), terms.unit)
        return Stop("budget", f"no run fits into what is left of the budget: {left}; {said}")
    return Stop("exhausted", f"every setting that can be the best has been run as often as the policy allows; {said}")


@dataclass(frozen=True)
class _Offer:
    """A run that would teach what is best. `gain`: an error. `kept`: to be left over for another run."""

    run: Run
    gain: float
    cost: float
    kept: float
    why: str
    todo: str
    chance: float

    def proposal(self, terms: Terms) -> Proposal:
        spread = float(np.sqrt(self.chance * (1 - self.chance)))
        expected = Expected("best", spread, spread, self.why, self.todo)
        said = f"{self.why}: a run at n = {self.run.n:,} is expected to {self.todo}"
        return Proposal(self.run, self.gain, self.cost, terms.unit, said, terms.budget_left - self.cost, expected)


@dataclass(frozen=True)
class _Race:
    """The settings of one backbone and fine-tuning task, of which the best is looked for.

    `taken`: all runs that were made, are under way, or failed.
    """

    name: str
    group: GroupEffects
    goals: Goals
    config: SweepConfig
    taken: Sequence[Run]

    @cached_property
    def times(self) -> Counter[str]:
        """How often each arm was run at this size."""
        return Counter(run.arm for run in self.taken if run.n == self.group.n)

    @cached_property
    def chances(self) -> Mapping[str, float]:
        """Of each arm the probability to be the best."""
        return self.group.chances

    @cached_property
    def best(self) -> int:
        """The place of the arm that is recommended; combinations that are no arm cannot be run."""
        return leading(self.group.fit, list(self.group.arms))

    @cached_property
    def is_certain(self) -> bool:
        """Whether no arm has an error lower by more than the tie than that of the recommended one.

        Not before a setting was run again: until then a run's noise is the prior's.
        """
        return self.group.said.repeated and self.group.chance(self.best, self.goals.tie) >= self.goals.level

    @property
    def winner(self) -> str:
        """What is recommended, and how sure that is."""
        group, tie = self.group, self.goals.tie
        within = f" or within {tie:g} of it" if tie else ""
        what, chance = in_words(group.fit.factors.named(self.best)), group.chance(self.best, tie)
        return f"for {self.name} {what} has the lowest error at n = {group.n:,}{within} with probability {chance:.1%}"

    def wanted(self, plan: Plan, cost: Callable[[Run], float]) -> list[_Offer]:
        """Runs that would teach what is best: of settings that were never run, while one of them may be better than
        all that were; of the recommended one, if it is among them; then again of those that can be the best."""
        never = [at for at, arm in self.group.arms.items() if not self.times[arm.name]]
        hopeful = self.group.chance_lower(never, self.goals.tie) > 1 - self.goals.level
        if self.is_certain or not hopeful:
            if self.best in never:
                return [self._first(self.best, plan, cost, 0.0, "the setting that is recommended, never run")]
            return [] if self.is_certain else list(self._repeats(plan, cost))
        kept = cost(plan.run(self.group.arms[self.best], self.group.n, self.config.seed)) if self.best in never else 0.0
        return [
            self._first(at, plan, cost, 0.0 if at == self.best else kept, f"never run: {self._chance_in_words(at)}")
            for at in never
        ]

    def _first(self, at: int, plan: Plan, cost: Callable[[Run], float], kept: float, why: str) -> _Offer:
        arm, gain = self.group.arms[at], float(self._gains[at])
        run = plan.run(arm, self.group.n, self.config.seed)
        todo = f"undercut the lowest error so far by {100 * gain:.2g} points{self._told(at)}"
        return _Offer(run, max(gain, 1e-12), cost(run), kept, why, todo, self.chances[arm.name])

    @cached_property
    def _gains(self) -> Floats:
        """By how much a run of each combination is expected to undercut the lowest error so far, as an error."""
        return self.group.fit.expected_gain() * float(np.exp(self.group.fit.measured.mean.min()))

    def _repeats(self, plan: Plan, cost: Callable[[Run], float]) -> Iterator[_Offer]:
        fit, hopeful = self.group.fit, arms_that_can_win(self.chances, self.goals)
        measured = np.bincount(fit.measured.place, fit.measured.runs, fit.unmeasured.size)
        under_way = [max(0, self.times[arm.name] - int(measured[at])) for at, arm in self.group.arms.items()]
        gains = repeat_gains(fit, list(self.group.arms), under_way)
        for (at, arm), gain in zip(self.group.arms.items(), gains.tolist(), strict=True):
            times = self.times[arm.name]
            if not measured[at] or arm.name not in hopeful or times >= self.config.policy.max_seeds:
                continue
            run = plan.run(arm, self.group.n, self.config.seed + times)
            why = f"again, since none that was never run can be the best: {self._chance_in_words(at)}"
            todo = f"lower the error of what is recommended by {100 * gain:.2g} points{self._told(at)}"
            yield _Offer(run, max(gain, 1e-12), cost(run), 0.0, why, todo, self.chances[arm.name])

    def _chance_in_words(self, at: int) -> str:
        chance = self.chances[self.group.arms[at].name]
        return f"{in_words(self.group.fit.factors.named(at))}, the best with {chance:.0%}"

    def _told(self, at: int) -> str:
        middle, (low, high) = foretold(self.group.fit, at)
        return f" (its error is foretold as {middle:.1%}, {low:.1%} to {high:.1%})"
