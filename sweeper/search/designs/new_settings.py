"""What to run next where renderings are an adaptive design: any combination, for its chance to be the best. Pure.

It begins with a fraction of the factorial, a run each at `n_target`. Then every combination that was never run is
looked at for what a run of it is expected to gain on the lowest error so far, per cost of its images, pre-training and
fine-tunes. Money for a run of the setting that is recommended is kept, so that the sweep can end with it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from analysis.amounts import money
from analysis.effects.answers import in_words
from analysis.effects.search import recommended
from analysis.policy.goals import Terms
from analysis.policy.objectives import Expected
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
    offers = [
        offer
        for group in known.effects.values()
        for offer in _offers(config, plan, known, group, (*pending, *refused), cost, terms)
    ]
    if not known.effects:
        return Stop("failed", "too few settings were run to say what is best; see why their runs failed")
    if offers:
        return max(offers, key=lambda offer: (offer.gain or 0.0) / max(offer.cost, 1e-12))
    if _all_certain(known, terms):
        return Stop("best", _winners(known, terms))
    done = {run.arm for run in (*(each.run for each in known.runs), *pending, *refused)}
    if all(arm.name in done for arm in plan.arms):
        return Stop("exhausted", f"every setting has been run; {_winners(known, terms)}")
    dear = f"no run fits into what is left of the budget: {money(max(terms.budget_left, 0.0), terms.unit)}"
    return Stop("budget", f"{dear}; {_winners(known, terms)}")


def _offers(
    config: SweepConfig,
    plan: Plan,
    known: Knowledge,
    group: GroupEffects,
    taken: Sequence[Run],
    cost: Callable[[Run], float],
    terms: Terms,
) -> list[Proposal]:
    """Runs of a group's settings that can be paid; that of the recommended one alone where the answer is certain."""
    done = {run.arm for run in (*(each.run for each in known.runs), *taken) if run.n == group.n}
    gains, best = group.fit.expected_gain(), recommended_arm(group)
    certain = group.chance(best, terms.goals.tie) >= terms.goals.level
    kept = 0.0 if group.arms[best].name in done else cost(plan.run(group.arms[best], group.n, config.seed))
    offers = []
    for at, arm in group.arms.items():
        if arm.name in done or (certain and at != best):
            continue
        run = plan.run(arm, group.n, config.seed)
        price = cost(run)
        if price + (kept if at != best else 0.0) <= terms.budget_left:
            offers.append(_offer(group, at, run, price, float(gains[at]), terms, asked=certain))
    return offers


def _offer(group: GroupEffects, at: int, run: Run, price: float, gain: float, terms: Terms, *, asked: bool) -> Proposal:
    chance = group.chances[run.arm]
    levels = in_words(group.fit.factors.named(at))
    now = float(np.sqrt(chance * (1 - chance)))
    why = "the setting that is recommended, never run" if asked else f"never run: {levels}, the best with {chance:.0%}"
    lowest = float(np.exp(group.fit.measured.mean.min()))
    todo = f"undercut the lowest error so far by {100 * gain * lowest:.2g} points"
    expected = Expected("best", now, now, why, todo)
    said = f"{why}: a run at n = {run.n:,} is expected to {todo}"
    return Proposal(run, max(gain, 1e-12), price, terms.unit, said, terms.budget_left - price, expected)


def recommended_arm(group: GroupEffects) -> int:
    """The place of the arm with the lowest expected error; combinations that are no arm cannot be run."""
    best = recommended(group.fit)
    return best if best in group.arms else min(group.arms, key=lambda at: float(group.fit.error[:, at].mean()))


def _all_certain(known: Knowledge, terms: Terms) -> bool:
    groups = known.effects.values()
    return all(group.chance(recommended_arm(group), terms.goals.tie) >= terms.goals.level for group in groups)


def _winners(known: Knowledge, terms: Terms) -> str:
    said, tie = [], terms.goals.tie
    within = f" or within {tie:g} of it" if tie else ""
    for name, group in known.effects.items():
        place = recommended_arm(group)
        what, chance = in_words(group.fit.factors.named(place)), group.chance(place, tie)
        said.append(f"for {name} {what} has the lowest error at n = {group.n:,}{within} with probability {chance:.1%}")
    return "; ".join(said)
