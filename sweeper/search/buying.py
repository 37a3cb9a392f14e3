"""Buying images in rounds until the target is reached, for `objective: target` with `target.rounds`. Pure.

The ladder answers whether the target can be reached. From there on sizes are bought: as many images as
`analysis.verdict.purchases` says, measured again where the images at hand may be enough already.
"""

from collections.abc import Callable, Mapping, Sequence
from math import floor, isinf, log10

from analysis.policy.goals import Terms
from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import ArmState, Run, next_seeds
from analysis.verdict.purchases import next_size
from analysis.verdict.verdict import Verdict
from sweeper.config.schema import LARGEST_SIZE, SweepConfig
from sweeper.study.arms import Plan


def purchase(
    config: SweepConfig,
    plan: Plan,
    arms: Sequence[ArmState],
    verdicts: Mapping[str, Verdict],
    pending: Sequence[Run],
    cost: Callable[[Run], float],
    terms: Terms,
) -> Proposal | Stop | None:
    """The run that brings an arm nearest to the target for the least; the reason to stop; None where the verdicts are.

    Called once every verdict is certain. An arm that reaches the target ends the sweep: the images are there. Sizes
    that are none of the ladder's count as purchases, at most `target.rounds` of an arm.
    """
    labels = {arm: said.label for arm, said in verdicts.items()}
    if config.objective != "target" or not config.target.rounds or "good enough" in labels.values():
        return None
    can = [state for state in arms if labels.get(state.arm) == "render more"]
    if not can or pending:
        # What is under way is seen before anything is bought.
        return None
    seeds = next_seeds(can, ())
    offers = [offer for state in can if (offer := _offer(config, plan, state, seeds, cost, terms)) is not None]
    if not offers:
        return Stop("rounds", f"the target is not surely reached after the {config.target.rounds} purchases allowed")
    best = min(offers, key=lambda offer: offer.cost)
    if best.cost > terms.budget_left:
        return Stop("budget", f"{best.run.what} would come next, and costs more than is left")
    return best


def _offer(
    config: SweepConfig,
    plan: Plan,
    state: ArmState,
    seeds: dict[tuple[str, int], int],
    cost: Callable[[Run], float],
    terms: Terms,
) -> Proposal | None:
    """The arm's next purchase, or a second look at what it has; None where it may buy no more."""
    target, now = config.target, max(state.times)
    assert target.error is not None
    left = target.rounds - len(set(state.times) - set(plan.choices))
    again = state.times[now] < config.policy.max_seeds
    size = next_size(state.fit, target.error, now, max(left, 0), look_again=again)
    if size is None or isinf(size):
        return None
    n = now if size <= now else min(_rounded_up(size), target.n_limit or LARGEST_SIZE, LARGEST_SIZE)
    if n <= now and not again:
        return None
    run = state.next_run(n, seeds)
    price, error = cost(run), f"an error of {target.error:.1%}"
    if n > now:
        why = f"purchase {target.rounds - left + 1} of {target.rounds} towards {error}: {run.arm}, n = {n:,}"
    else:
        why = f"a look whether {error} is reached: {run.arm}, n = {n:,} again"
    return Proposal(run, None, price, terms.unit, why, terms.budget_left - price)


def _rounded_up(size: float) -> int:
    """To two significant digits, upwards."""
    unit = 10 ** max(floor(log10(size)) - 1, 0)
    return -int(-size // unit) * unit
