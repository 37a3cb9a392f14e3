"""The results in memory answer as a fresh reading of all rows would, whatever the order in which they came."""

from __future__ import annotations

import numpy as np

from analysis.policy.runs import Run
from sweeper.config.tune import Tune, scope_of
from sweeper.study.results import runs
from sweeper.study.table import Table
from tests.sweeper.examples import ARM, row

REPEATS = 2


def test_a_run_is_complete_with_all_its_repeats_and_comes_in_the_order_of_completion() -> None:
    table = Table([], REPEATS, Tune())
    table.add(row(n=400, repeat=0))
    table.add(row(n=200, repeat=0))
    assert table.runs == []
    assert Run(ARM, 400, 0, 600) not in table

    table.add(row(n=200, repeat=1))
    table.add(row(n=400, repeat=1))

    assert [each.run.n for each in table.runs] == [200, 400]
    assert [each.run.n for each in table.runs_from(1)] == [400]
    assert table.runs_from(2) == []
    assert table[Run(ARM, 200, 0, 600)].repeats == REPEATS


def test_rows_in_any_order_give_the_runs_of_all_rows() -> None:
    rows = [
        row(n=n, seed=s, repeat=r, error=0.1 + n / 1e4 + r / 100) for n in (200, 400) for s in (0, 1) for r in (0, 1)
    ]
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]

    table = Table(shuffled, REPEATS, Tune())

    found = {each.run: each.error for each in table.runs}
    for each in runs(rows):
        assert np.isclose(found[each.run], each.error)
    assert table.runs_done == 4


def test_a_fine_tune_measured_again_takes_the_place_of_the_first() -> None:
    table = Table([row(repeat=0, error=0.2), row(repeat=1, error=0.2)], REPEATS, Tune())
    table.add(row(repeat=1, error=0.4))
    assert len(table) == 2
    assert np.isclose(table[Run(ARM, 200, 0, 600)].error, (0.2 * 0.4) ** 0.5)


def test_trials_of_the_tuning_are_found_by_what_is_tuned_and_are_no_runs() -> None:
    tune = Tune()
    table = Table([row(split="validation", error=0.3), row(split="test")], 1, tune)
    assert [each.error for each in table.tried(scope_of(tune, ARM, 200))] == [0.3]
    assert table.tried(scope_of(tune, "another", 200)) == []
    assert table.runs_done == 1
