from __future__ import annotations

import numpy as np
import pytest

from analysis.estimator.prior import Prior
from analysis.evidence.backtest import Task
from analysis.evidence.selection import EVIDENCE_HEAD, HEAD, backtests, compare, compare_evidence, fitted
from analysis.laws import Floats, law_error
from analysis.paper.recorded import Curve

LADDER: Floats = 1000 * 2.0 ** np.arange(7, dtype=np.float64)


def _recorded(names: str) -> Task:
    """A set as the bench makes it: fit n <= 16k, score 32k and 64k; the scored errors are absurd on purpose."""
    curves = {name: Curve(LADDER, law_error(LADDER, 0.3, 0.2 + 0.1 * i, 0.5)) for i, name in enumerate(names)}
    scored = {name: Curve(LADDER[5:], np.ones(2)) for name in curves}
    return Task("64k", {k: c.upto(16_000) for k, c in curves.items()}, scored, dict.fromkeys(curves, "one"))


def test_a_backtest_sees_nothing_of_what_is_scored() -> None:
    """Given a set, when its backtests are made, fitted and hidden sizes are those that the bench fits, no other."""
    half, quarter = backtests([_recorded("abc")], unscored=())
    for test, largest in ((half, 8_000), (quarter, 4_000)):
        for name in "abc":
            assert test.seen[name].n.max() == largest
            assert test.scored[name].n.tolist() == [n for n in LADDER if largest < n <= 16_000]
            assert test.scored[name].error.max() < 1


def test_curves_whose_order_the_bench_judges_are_not_scored() -> None:
    for test in backtests([_recorded("abc")], unscored={"b"}):
        assert set(test.seen) == {"a", "b", "c"}
        assert set(test.scored) == {"a", "c"}


def test_the_table_compares_every_candidate_with_the_first() -> None:
    test = backtests([_recorded("ab")], ())[0]
    candidates = {"one": Prior(), "other": Prior(sigma_slope=0.0)}
    lines = compare(test, candidates)
    rows = [dict(zip(HEAD.split(","), line.split(","), strict=True)) for line in lines]
    assert [row["candidate"] for row in rows[:2]] == ["one", "other"]
    assert float(rows[0]["difference"]) == 0
    apart = float(rows[1]["rmse"]) - float(rows[0]["rmse"])
    assert float(rows[1]["difference"]) == pytest.approx(apart, abs=2e-6)
    assert float(rows[0]["rmse"]) < float(next(row for row in rows if row["candidate"] == "last_value")["rmse"])


def test_log_evidence_of_the_nine_is_of_what_the_order_is_judged_from() -> None:
    (of,) = fitted([_recorded("ab")], nine={"b"})
    assert [of.seen[name].n.max() for name in "ab"] == [16_000, 4_000]
    candidates = {"one": Prior(), "other": Prior(sigma_slope=0.0)}
    lines = compare_evidence(of, candidates)
    one, other = (dict(zip(EVIDENCE_HEAD.split(","), line.split(","), strict=True)) for line in lines)
    assert (one["candidate"], one["seen"], one["curves"], one["difference"]) == ("one", "64k", "2", "0.00")
    apart = float(other["log_evidence"]) - float(one["log_evidence"])
    assert float(other["difference"]) == pytest.approx(apart, abs=0.011)
