"""What was tuned, on what, in how many trials and at what price, read back from rows of the results table."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.budget.cost_model import FINETUNE_START_S
from sweeper.budget.costs import CPU
from sweeper.commands.report import tuned_on, tuning_table
from sweeper.config.tune import spelled
from sweeper.study.results import Observation
from tests.sweeper.examples import ARM, real_sweep, row, sweep_of


def tried(lr: float, error: float, share: float = 1.0, n: int = 200) -> Observation:
    return row(split="validation", tuned=spelled({"lr": lr}), error=error, share=share, n=n, seconds=30.0)


def test_the_best_finished_trial_is_what_was_chosen_and_all_trials_are_paid_for(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep(prices={"cpu_core_hour": 3.6}))
    # 2e-3 is the recipe's own; the trial that was stopped looked best when it was
    rows = [tried(2e-3, 0.30), tried(5e-3, 0.26), tried(1e-2, 0.20, share=0.25), row(error=0.1)]

    (tuned,) = tuning_table(config, rows, CPU)

    assert (tuned.arm, tuned.n, tuned.chosen) == (ARM, 200, "lr 0.005")
    assert (tuned.trials, tuned.stopped) == (3, 1)
    assert (tuned.error, tuned.default_error) == (0.26, 0.30)
    assert tuned.seconds == 90.0
    # its seconds of work, and the start of three processes
    assert tuned.dollars == pytest.approx(0.09 + 3 * FINETUNE_START_S * 0.001)
    assert tuned_on(config, rows) == (
        "of lr, on 2 folds of the 600 real training images; the test split had no part in it"
    )


def test_each_size_that_was_tuned_for_itself_has_a_row(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep(tune={"when": "each_n"}))

    table = list(tuning_table(config, [tried(5e-3, 0.3), tried(5e-3, 0.2, n=800)], CPU))

    assert [(tuned.n, tuned.error) for tuned in table] == [(200, 0.3), (800, 0.2)]
    assert table[0].default_error is None, "the recipe's own value was not tried"
