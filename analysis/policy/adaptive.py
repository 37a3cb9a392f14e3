"""What to run next: a pure function of posteriors, costs and the runs under way.

Every affordable (arm, size) is imagined as one more run. Its worth is the expected fall of the arm's risk
(`objectives`, from the draws of its posterior through `belief`) per unit of marginal cost. Pending runs, and those
chosen before in the same call, are conditioned on, so that concurrent proposals differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.laws import Floats
from analysis.policy.belief import Belief, belief_of
from analysis.policy.goals import DEFAULT_TERMS, Terms
from analysis.policy.objectives import Aim, aims
from analysis.policy.proposal import Cost, Proposal
from analysis.policy.runs import ArmState, Run, next_seeds
from analysis.policy.stopping import still_open


@dataclass(eq=False)
class _Option:
    """An arm with its candidate sizes, as `propose` sees it: `gains` (sizes,) of one more run at each."""

    belief: Belief
    aim: Aim
    places: list[int]
    gains: Floats

    @property
    def arm(self) -> str:
        """The arm's name."""
        return self.belief.state.arm

    def imagine(self) -> None:
        """Compute the gains anew, after the belief has been conditioned on a run."""
        now = self.aim.risk(self.belief.left())
        self.gains = np.maximum(now - self.aim.risk(self.belief.left_after()[self.places]), 0.0)


def propose(
    arms: Sequence[ArmState],
    candidates: Mapping[str, Sequence[int]],
    cost: Cost,
    pending: Sequence[Run] = (),
    k: int = 1,
    seed: int = 0,
    terms: Terms = DEFAULT_TERMS,
) -> list[Proposal]:
    """Up to k runs in the order of worth, each with its reason; fewer where the budget allows no more.

    Arms that are not open any more (`still_open`) get no runs. The same arguments give the same proposals.

    Args:
        arms: every arm with its fit and its finished runs.
        candidates: sizes to choose from, by arm. A size run before is a repeat, with the next seed. An arm whose list
            is empty gets no run and is only compared with.
        cost: marginal cost of a run.
        pending: runs under way.
        k: how many runs to propose.
        seed: settles ties.
        terms: the goals, the money left and its unit.

    Raises:
        ValueError: k < 1, or an arm has no list of candidates.
    """
    if k < 1:
        raise ValueError(f"k is {k}; ask for at least one proposal")
    open_ = still_open(arms, terms.goals)
    options = [
        _option(state, aim, candidates, pending)
        for state, aim in zip(arms, aims(arms, terms.goals), strict=True)
        if state.arm in open_ and (state.arm not in candidates or candidates[state.arm])
    ]
    taken, chosen, left = list(pending), list[Proposal](), terms.budget_left
    seeds = next_seeds(arms, pending)
    ties = np.random.default_rng(seed).permutation(sum(len(option.places) for option in options)).tolist()
    while len(chosen) < k:
        worths = list(_worths(options, ties, cost, taken, seeds, left))
        if not worths:
            break
        _, _, price, option, at = max(worths, key=lambda worth: worth[:2])
        run = _run(option, at, seeds)
        again = (run.arm, run.n) in seeds
        proposal = _proposal(option, at, run, price, Terms(terms.goals, left, terms.unit), again=again)
        chosen.append(proposal)
        taken.append(run)
        seeds[run.arm, run.n] = run.seed + 1
        left -= price
        option.belief.condition(run.n)
        option.imagine()
    return chosen


def _option(state: ArmState, aim: Aim, candidates: Mapping[str, Sequence[int]], pending: Sequence[Run]) -> _Option:
    belief = belief_of(state, candidates, pending, aim.asked)
    allowed = set(candidates[state.arm])
    places = [i for i, n in enumerate(belief.sizes) if n in allowed]
    option = _Option(belief, aim, places, np.zeros(len(places)))
    option.imagine()
    return option


def _worths(
    options: Sequence[_Option],
    ties: Sequence[int],
    cost: Cost,
    taken: Sequence[Run],
    seeds: Mapping[tuple[str, int], int],
    left: float,
) -> Iterator[tuple[float, int, float, _Option, int]]:
    """(gain per cost, tie breaker, cost, arm, place) of every run that can be paid."""
    turn = iter(ties)
    for option in options:
        for at, gain in enumerate(option.gains.tolist()):
            tie, price = next(turn), cost(_run(option, at, seeds), taken)
            if price <= left:
                # Rounded, so that equal options tie in spite of floating-point dust.
                yield float(f"{gain / max(price, 1e-12):.9e}"), tie, price, option, at


def _run(option: _Option, at: int, seeds: Mapping[tuple[str, int], int]) -> Run:
    n = option.belief.sizes[option.places[at]]
    return option.belief.state.next_run(n, seeds)


def _proposal(option: _Option, at: int, run: Run, price: float, terms: Terms, *, again: bool) -> Proposal:
    """`again`: whether another run at this size is done, under way or chosen before, so that this one is a repeat."""
    belief = option.belief
    expected = option.aim.expect(belief.left(), belief.left_after()[option.places[at]])
    repeat = " again" if again else ""
    why = f"{expected.why}: n = {run.n:,}{repeat} is expected to {expected.to_do}"
    gain, left = float(option.gains[at]), terms.budget_left - price
    return Proposal(run, gain, price, terms.unit, why, left, expected)
