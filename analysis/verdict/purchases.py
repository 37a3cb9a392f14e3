"""How many images to buy at a time, where a target is to be reached in a few rounds: buy, measure, look again.

The n that reaches the target is uncertain. To buy its median is to miss the target half of the time, to buy a high
quantile at once is to pay for images that were not needed. In rounds the first purchases can be modest, because they
are looked at before more is bought; only the last must promise. With F the distribution of the n needed, given what is
known now, the expected purchase of sizes q_1 <= ... <= q_T is

    sum_t (q_t - q_(t-1)) (1 - F(q_(t-1)))

(Mahmood et al. 2022, "Optimizing Data Collection for Machine Learning", equation 3 without its penalty). Here q_T is
the quantile of F that the promise asks for, in place of a penalty whose size nobody knows, and F is the posterior of n
in place of a bootstrap of power laws.
"""

import numpy as np

from analysis.laws import Floats

# Places of F between which purchases are chosen.
_PLACES = 200


def purchases(needed: Floats, n_now: float, rounds: int, miss: float = 0.01) -> tuple[float, ...]:
    """Sizes to have after each round, increasing: their expected purchase is the least that misses with `miss` at most.

    Args:
        needed: draws of the n that reaches the target, above 0, inf where none does, which no purchase helps; (draws,).
        n_now: images at hand.
        rounds: purchases that are left, 1 or more.
        miss: probability that the last purchase falls short, of the draws that can be reached, between 0 and 1.

    Raises:
        ValueError: for values outside these ranges, or where no draw can be reached.
    """
    finite = np.sort(needed[np.isfinite(needed)])
    if not finite.size:
        raise ValueError("no number of images reaches the target")
    if rounds < 1 or not 0 < miss < 1:
        raise ValueError(f"{rounds} rounds and a miss of {miss:g}; give 1 or more, and a probability between 0 and 1")
    sizes = np.quantile(finite, np.linspace(0.0, 1 - miss, _PLACES), method="higher")
    sizes = np.concatenate([[n_now], sizes[sizes > n_now]])
    if sizes.size == 1:
        return (n_now,) * rounds
    return expected_least(sizes, 1 - np.searchsorted(finite, sizes, side="right") / finite.size, rounds)


def expected_least(sizes: Floats, open_: Floats, rounds: int, last: Floats | None = None) -> tuple[float, ...]:
    """The purchases among `sizes` (k,) of the least expected cost, from the first on; by dynamic programming.

    `open_` (k,): probability that the target is not reached at each. `last` (k,): what ending at a size costs besides;
    None: the last size must be bought.
    """
    step = (sizes - sizes[:, None]) * open_[:, None]
    step[np.tril_indices(sizes.size, -1)] = np.inf
    if last is None:
        last = np.full(sizes.size, np.inf)
        last[-1] = 0.0
    to_go, choices = last, []
    for _ in range(rounds):
        whole = step + to_go
        choices.append(whole.argmin(axis=1))
        to_go = whole.min(axis=1)
    place, plan = 0, list[float]()
    for choice in reversed(choices):
        place = int(choice[place])
        plan.append(float(sizes[place]))
    return tuple(plan)
