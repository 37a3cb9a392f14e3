"""Laws of (n, s) beside each other: fit the smaller s and n, predict the larger ones; and do the intervals hold?

Nothing of the laws or their priors was chosen on what is scored here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.evidence.exchange_truths import LABELS, SIZES, Table, Truth, drawn, known_fit
from analysis.exchange.fit import ExchangeFit, fit_exchange
from analysis.exchange.worth import a_render_by_the_law, by_the_law, label_equivalents, labels_a_render
from analysis.laws import Floats

HIDES = ("s", "n", "both")
# Places of the grid of a simulated truth where label equivalents and the next render's worth are asked for.
_AT_N, _AT_S = np.array([4_000.0, 16_000.0, 4_000.0]), np.array([600.0, 600.0, 1_500.0])


@dataclass(frozen=True)
class Hidden:
    """A law on one table with a part hidden: RMSE of log error there, and the share of runs in the 95 % interval."""

    rmse: float
    coverage: float
    log_evidence: float


def hidden_part(n: Floats, s: Floats, hide: str) -> NDArray[np.bool_]:
    """The runs that are hidden: the upper half of s, of n, or both; (runs,)."""
    labels, sizes = np.unique(s), np.unique(n[n > 0])
    of_s, of_n = s > labels[(labels.size - 1) // 2], n > sizes[(sizes.size - 1) // 2]
    return {"s": of_s, "n": of_n, "both": of_s | of_n}[hide]


def score(table: Table, law: str, hide: str, *, expected: Floats | None = None) -> Hidden:
    """A law fitted to what is not hidden, on what is and has n > 0.

    `expected`: the true log errors (runs,), where they are known: RMSE and coverage are then of them.
    """
    hidden = hidden_part(table.n, table.s, hide)
    seen = table.only(~hidden)
    fit = _fit(seen, law)
    asked = hidden & (table.n > 0)
    truth = np.log(table.error) if expected is None else expected
    drawn_errors = fit.predict(table.n[asked], table.s[asked], seed=0 if expected is None else None,
                               luck=expected is None)  # fmt: skip
    low, middle, high = np.quantile(drawn_errors, [0.025, 0.5, 0.975], axis=0)
    held = (low <= truth[asked]) & (truth[asked] <= high)
    alike = seen.only(seen.n > 0)
    evidence = fit.log_evidence if alike.n.size == seen.n.size else _fit(alike, law).log_evidence
    return Hidden(float(np.sqrt(((middle - truth[asked]) ** 2).mean())), float(held.mean()), evidence)


@dataclass(frozen=True)
class Covered:
    """Shares of 95 % intervals that hold the truth: T, the worth of the next render, hidden errors; and T's width."""

    T: float
    next_render: float
    predictions: float
    log_width: float


def simulated(kind: str, law: str, i: int, hide: str) -> Hidden:
    """A law on a simulated table of truth i of a kind; RMSE and coverage are of the expected errors."""
    truth, table = _simulated(kind, i)
    return score(table, law, hide, expected=truth.log_error(table.n, table.s))


def coverage(kind: str, i: int) -> Covered:
    """Of the truth's own law on a table whose largest s and n are hidden."""
    truth, table = _simulated(kind, i)
    hidden = (table.s == LABELS[-1]) | (table.n == SIZES[-1])
    fit = _fit(table.only(~hidden), kind)
    known = known_fit(fit, truth)
    since = 0.0 if fit.law.holds_at_zero else float(SIZES[0])
    worth, true_worth = label_equivalents(fit, _AT_N, _AT_S, since=since), by_the_law(known, _AT_N, _AT_S, since=since)
    rate, true_rate = labels_a_render(fit, _AT_N, _AT_S), a_render_by_the_law(known, _AT_N, _AT_S)
    asked = hidden & (table.n > 0)
    predicted = fit.predict(table.n[asked], table.s[asked], luck=False)
    low, high = np.quantile(worth, [0.025, 0.975], axis=0)
    width = float(np.mean(np.log(np.maximum(high, 1e-3) / np.maximum(low, 1e-3))))
    return Covered(
        _held(worth, true_worth[0]),
        _held(rate, true_rate[0]),
        _held(predicted, truth.log_error(table.n[asked], table.s[asked])),
        width,
    )


def _simulated(kind: str, i: int) -> tuple[Truth, Table]:
    truth = drawn(kind, i)
    sizes = np.concatenate([[0.0], SIZES]) if truth.law.holds_at_zero else SIZES
    return truth, truth.table(sizes, LABELS, 2, np.random.default_rng([7, i]))


def _fit(table: Table, law: str) -> ExchangeFit:
    return fit_exchange(table.n, table.s, table.error, seed=table.seed.tolist(), law=law)


def _held(draws: Floats, truth: Floats) -> float:
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return float(((low <= truth) & (truth <= high)).mean())
