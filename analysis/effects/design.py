"""Which settings to run first: a fraction of the factorial, chosen for what it tells of effects."""

from collections.abc import Collection

import numpy as np

from analysis.effects.factors import Factors
from analysis.laws import Floats

# Prior variances of a contrast of a main effect and of a pair over that of a run about them. The design hardly depends
# on them as long as main effects are the larger: first all of them are told apart, then as many pairs as there is room.
_MAIN, _PAIR = 4.0, 0.25
_MEAN = 100.0
_SWEEPS = 10


def fraction(factors: Factors, runs: int, given: Collection[int] = (), seed: int = 0) -> list[int]:
    """Places of `runs` combinations, `given` ones among them and first: Bayesian D-optimal (DuMouchel and Jones 1994).

    The determinant of the posterior precision of mean, main effects and pairs is raised greedily, then by exchanging
    one chosen combination at a time until no exchange raises it. Ties are settled by `seed`.

    Raises:
        ValueError: `runs` is below 1, or there are not so many combinations.
    """
    count = len(factors.combinations)
    if not 1 <= runs <= count:
        raise ValueError(f"{runs} settings of {count} combinations cannot be chosen; ask for 1 to {count}")
    columns = _scaled_columns(factors)
    order = np.random.default_rng(seed).permutation(count)
    chosen = list(dict.fromkeys(given))[:runs]
    fixed = len(chosen)
    while len(chosen) < runs:
        chosen.append(_best(columns, chosen, order))
    for _ in range(_SWEEPS):
        before = list(chosen)
        for at in range(fixed, runs):
            others = chosen[:at] + chosen[at + 1 :]
            new = _best(columns, others, order)
            gains = _variance(columns, others)
            if gains[new] > gains[chosen[at]] * (1 + 1e-9):
                chosen[at] = new
        if chosen == before:
            break
    return chosen


def _scaled_columns(factors: Factors) -> Floats:
    """Columns in units of their prior sd: the prior precision of their coefficients is 1."""
    paired = np.array([len(factors.terms[term]) == 2 for term in factors.term_of])
    sd = np.sqrt(np.where(paired, _PAIR, _MAIN))
    mean = np.full((len(factors.combinations), 1), np.sqrt(_MEAN))
    return np.concatenate([mean, factors.columns * sd], axis=1)


def _variance(columns: Floats, chosen: list[int]) -> Floats:
    """Variance of the prediction at every combination; a run there multiplies the determinant by 1 + that."""
    X = columns[chosen]
    inner = np.linalg.inv(np.eye(len(X)) + X @ X.T)
    across = columns @ X.T
    variance: Floats = (columns**2).sum(axis=1) - ((across @ inner) * across).sum(axis=1)
    return variance


def _best(columns: Floats, chosen: list[int], order: np.ndarray) -> int:
    """The combination, not chosen yet, with the largest variance; the first in `order` of equals."""
    variance = _variance(columns, chosen)
    variance[chosen] = -np.inf
    return int(order[np.argmax(np.round(variance[order], 9))])
