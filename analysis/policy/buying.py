"""Buying images in rounds until the target is reached, where a sweep is to do so itself. Pure.

The ladder answers whether the target can be reached. From there on sizes are bought: as many images as
`analysis.verdict.purchases` says, measured again where the images at hand may be enough already.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, isinf, log10

from analysis.policy.goals import Terms
from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import ArmState, Run, next_seeds
from analysis.verdict.purchases import next_size
from analysis.verdict.verdict import Verdict


@dataclass(frozen=True)
class Limits:
    """What may be bought: in `rounds` an arm, up to `largest` images, with `max_seeds` runs at a size.

    `ladder`: the sizes that are there to choose from anyway; they count as no purchase.
    """

    rounds: int
    largest: int
    max_seeds: int
    ladder: tuple[int, ...]


def purchase(
    arms: Sequence[ArmState],
    verdicts: Mapping[str, Verdict],
    pending: Sequence[Run],
    cost: Callable[[Run], float],
    terms: Terms,
    limits: Limits,
) -> Proposal | Stop | None:
    """The run that brings an arm nearest to the target for the least; the reason to stop; None where the verdicts are.

    Called once every verdict is certain. An arm that reaches the target ends the sweep: the images are there.
    """
    labels = {arm: said.label for arm, said in verdicts.items()}
    if terms.goals.objective != "target" or not limits.rounds or "good enough" in labels.values():
        return None
    can = [state for state in arms if labels.get(state.arm) == "render more"]
    if not can or pending:
        # What is under way is seen before anything is bought.
        return None
    seeds = next_seeds(can, ())
    offers = [offer for state in can if (offer := _offer(state, seeds, cost, terms, limits)) is not None]
    if not offers:
        return Stop("rounds", f"the target is not surely reached after the {limits.rounds} purchases allowed")
    best = min(offers, key=lambda offer: offer.cost)
    if best.cost > terms.budget_left:
        return Stop("budget", f"{best.run.what} would come next, and costs more than is left")
    return best


def _offer(
    state: ArmState,
    seeds: Mapping[tuple[str, int], int],
    cost: Callable[[Run], float],
    terms: Terms,
    limits: Limits,
) -> Proposal | None:
    """The arm's next purchase, or a second look at what it has; None where it may buy no more."""
    target, now = terms.goals.target_error, max(state.times)
    assert target is not None
    left = limits.rounds - len(set(state.times) - set(limits.ladder))
    again = state.times[now] < limits.max_seeds
    size = next_size(state.fit, target, now, max(left, 0), look_again=again)
    if size is None or isinf(size):
        return None
    n = now if size <= now else min(_rounded_up(size), limits.largest)
    if n <= now and not again:
        return None
    run = state.next_run(n, seeds)
    price = cost(run)
    if n > now:
        why = f"purchase {limits.rounds - left + 1} of {limits.rounds} towards an error of {target:.1%}"
        why += f": {run.arm}, n = {n:,}"
    else:
        why = f"a look whether an error of {target:.1%} is reached: {run.arm}, n = {n:,} again"
    return Proposal(run, None, price, terms.unit, why, terms.budget_left - price)


def _rounded_up(size: float) -> int:
    """To two significant digits, upwards."""
    unit = 10 ** max(floor(log10(size)) - 1, 0)
    return -int(-size // unit) * unit
