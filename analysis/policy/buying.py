"""Buying images in rounds until the target is reached, where a sweep is to do so itself. Pure.

The ladder answers whether the target can be reached. From there on sizes are bought: as many images as
`analysis.verdict.purchases` says, measured again where the images at hand may be enough already.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor, isinf, log10

from analysis.policy.goals import Terms
from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import ArmState, Run, next_seeds
from analysis.verdict.purchases import MOST_RUNS_AT_A_SIZE, next_size
from analysis.verdict.verdict import Verdict


@dataclass(frozen=True)
class Limits:
    """What may be bought: in `rounds` an arm, up to `largest` images. `ladder`: sizes that count as no purchase."""

    rounds: int
    largest: int
    ladder: tuple[int, ...]


def purchase(
    arms: Sequence[ArmState],
    verdicts: Mapping[str, Verdict],
    busy: Sequence[Run],
    refused: Sequence[Run],
    cost: Callable[[Run], float],
    terms: Terms,
    limits: Limits,
) -> Proposal | Stop | None:
    """The run that brings an arm nearest to the target for the least; the reason to stop; None where nothing is bought.

    Called once every verdict is certain or the ladder is used up. An arm that is seen twice to reach the target ends
    the sweep: the images are there.

    Args:
        arms: every arm with what it measured.
        busy: runs under way; they are waited for.
        refused: runs that failed for good.
    """
    if terms.goals.objective != "target" or not limits.rounds or busy:
        return None
    if any(verdicts[state.arm].label == "good enough" and _looked_at(state, limits) for state in arms):
        return None
    can = [state for state in arms if verdicts[state.arm].label != "change the rendering"]
    if not can:
        return None
    taken = next_seeds([replace(state, done=(*refused, *state.done)) for state in can], ())
    offers = [offer for state in can if (offer := _offer(state, taken, cost, terms, limits)) is not None]
    if not offers:
        most = max(_bought(state, limits) for state in can)
        return Stop("rounds", f"the target is not surely reached: {most} of {limits.rounds} purchases were made")
    best = min(offers, key=lambda offer: offer.cost)
    if best.cost > terms.budget_left:
        return Stop("budget", f"{best.run.what} would come next, and costs more than is left")
    return best


def _looked_at(state: ArmState, limits: Limits) -> bool:
    """Whether the images at hand were measured as often as `sweeper bench target` does: what is bought, twice."""
    now = max(state.times)
    return now in limits.ladder or state.times[now] > 1


def _bought(state: ArmState, limits: Limits) -> int:
    return len(set(state.times) - set(limits.ladder))


def _offer(
    state: ArmState,
    seeds: Mapping[tuple[str, int], int],
    cost: Callable[[Run], float],
    terms: Terms,
    limits: Limits,
) -> Proposal | None:
    """The arm's next purchase, or another look at what it has; None where it may buy no more."""
    target, now, bought = terms.goals.target_error, max(state.times), _bought(state, limits)
    assert target is not None
    again, left = state.times[now] < MOST_RUNS_AT_A_SIZE, max(limits.rounds - bought, 0)
    size: float | None = now
    if _looked_at(state, limits):
        size = next_size(state.fit, target, now, left, look_again=again, level=terms.goals.level)
    if size is None or isinf(size):
        return None
    n = now if size <= now else min(_rounded_up(size), limits.largest)
    if n <= now and not again:
        return None
    run = state.next_run(n, seeds)
    price, error = cost(run), f"an error of {target:.1%}"
    if n > now:
        why = f"purchase {bought + 1} of {limits.rounds} towards {error}: {run.arm}, n = {n:,}"
    else:
        why = f"a look whether {error} is reached: {run.arm}, n = {n:,} again"
    return Proposal(run, None, price, terms.unit, why, terms.budget_left - price)


def _rounded_up(size: float) -> int:
    """To two significant digits, upwards."""
    unit = 10 ** max(floor(log10(size)) - 1, 0)
    return -int(-size // unit) * unit
