"""What was tuned, on what, in how many trials and at what price, read back from rows of the results table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.budget.cost_model import FINETUNE_START_S
from sweeper.budget.costs import CPU
from sweeper.budget.ledger import Ledger
from sweeper.budget.reservation import Reservation
from sweeper.commands.tuning import tuned_on, tuning_table
from sweeper.config.schema import Budget
from sweeper.config.tune import spelled
from sweeper.search import pricing
from sweeper.stages.inventory import Inventory
from sweeper.storage.artifacts import ArtifactStore
from sweeper.study.results import Observation
from tests.sweeper.examples import ARM, real_sweep, row, sweep_of

REFERENCE = "none/none/small_resnet/sinclass"


def tried(lr: float, error: float, share: float = 1.0, n: int = 200) -> Observation:
    return row(split="validation", tuned=spelled({"lr": lr}), error=error, share=share, n=n, seconds=30.0)


def test_the_best_finished_trial_is_what_was_chosen_and_all_trials_are_paid_for(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep(prices={"cpu_core_hour": 3.6}))
    # 2e-3 is the recipe's own; the trial that was stopped looked best when it was
    rows = [tried(2e-3, 0.30), tried(5e-3, 0.26), tried(1e-2, 0.20, share=0.25)]
    rows.append(row(error=0.1, tuned=spelled({"lr": 5e-3})))

    (tuned,) = tuning_table(config, rows, CPU)

    assert (tuned.arm, tuned.n, tuned.chosen) == (ARM, 200, "lr 0.005")
    assert (tuned.trials, tuned.stopped) == (3, 1)
    assert (tuned.error, tuned.default_error) == (0.26, 0.30)
    assert tuned.seconds == 90.0
    # its seconds of work, and the start of three processes
    assert tuned.dollars == pytest.approx(0.09 + 3 * FINETUNE_START_S * 0.001)
    assert tuned_on(config, rows) == (
        "of lr, on 3 folds of the 600 real training images; the test split had no part in it"
    )


@pytest.mark.parametrize(
    ("kind", "finetune", "usd_a_second"),
    [("cpu", {"cpus": 2}, 2 * 3.6 / 3600), ("T4", {"cpus": 1, "gpus": 1}, (3.6 + 0.5) / 3600)],
)
def test_the_dollars_of_the_trials_and_those_of_the_repeats_are_what_the_ledger_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, finetune: dict[str, Any], usd_a_second: float
) -> None:
    # given a run of three trials and two repeats, on a type of device with a price of its own, two side by side
    monkeypatch.setattr(pricing, "device_type", lambda gpus: kind)
    prices = {"cpu_core_hour": 3.6, "gpu_hour": 9.0, "gpus": {"T4": 0.5}}
    config = sweep_of(tmp_path, real_sweep(prices=prices, finetune=finetune))
    trials = [tried(2e-3, 0.30), tried(5e-3, 0.26), tried(1e-2, 0.20, share=0.25)]
    repeats = [row(repeat=i, seconds=20.0) for i in range(2)]
    ledger, run = Ledger(tmp_path / "ledger.jsonl", Budget()), trials[0].run
    inventory = Inventory(config, ArtifactStore(str(tmp_path / "store"), look_only=True))

    # when its fine-tunes are charged
    payer = pricing.Pricing(config, ledger, inventory, 2.0, lambda run: 0)
    seconds = sum(each.seconds for each in (*trials, *repeats))
    payer.settle_finetunes(Reservation(ledger, run.what, {}), seconds, len(trials) + len(repeats), 6.5)

    # then the ledger has what the table says of the tuning, and the two repeats with the start of their processes
    (tuned,) = tuning_table(config, [*trials, *repeats], ledger.device("finetune"))
    of_repeats = (40.0 + 2 * FINETUNE_START_S) * usd_a_second
    assert ledger.by_stage()["finetune"]["usd"] == pytest.approx(tuned.dollars + of_repeats)
    assert tuned.dollars == pytest.approx((90.0 + 3 * FINETUNE_START_S) * usd_a_second)


def test_the_table_says_whether_an_arm_kept_the_values_of_no_pre_training(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep(tune={"lr": [1e-4, 1e-1], "folds": 3}))

    def at(arm: str, lr: float, folds: tuple[float, ...]) -> Observation:
        mean = sum(folds) / len(folds)
        return replace(tried(lr, mean, n=0 if arm == REFERENCE else 200), arm=arm, folds=folds)

    # given n = 0, best at 0.01; an arm with the same best; one with a better by luck; one with a better on each fold
    low, high = (0.30, 0.31, 0.29), (0.35, 0.37, 0.34)
    fixed, third = ARM.replace("plain", "fixed"), ARM.replace("plain", "third")
    rows = [at(REFERENCE, 1e-2, low), at(REFERENCE, 2e-3, high), at(ARM, 1e-2, low), at(ARM, 2e-3, high)]
    rows += [at(fixed, 1e-2, (0.31, 0.31, 0.31)), at(fixed, 2e-3, (0.20, 0.33, 0.31))]
    rows += [at(third, 1e-2, high), at(third, 2e-3, low)]

    table = {tuned.arm: tuned for tuned in tuning_table(config, rows, CPU)}

    assert {arm: (tuned.chosen, tuned.common) for arm, tuned in table.items()} == {
        REFERENCE: ("lr 0.01", "sets them"),
        ARM: ("lr 0.01", "kept"),
        fixed: ("lr 0.01", "kept: lr 0.002, with 28.00%, was not shown to be better"),
        third: ("lr 0.002", "left: its own are better, by a paired test over 3 folds at 5 %"),
    }
    assert table[fixed].error == pytest.approx(0.31), "the error of what is kept"

    # and what runs were fine-tuned with stands, whatever else was tried
    (settled,) = (
        tuned
        for tuned in tuning_table(config, [*rows, replace(row(tuned=spelled({"lr": 1e-2})), arm=third)], CPU)
        if tuned.arm == third
    )
    assert (settled.chosen, settled.common.split(":")[0]) == ("lr 0.01", "kept")


def test_each_size_that_was_tuned_for_itself_has_a_row(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep(tune={"when": "each_n"}))

    table = list(tuning_table(config, [tried(5e-3, 0.3), tried(5e-3, 0.2, n=800)], CPU))

    assert [(tuned.n, tuned.error) for tuned in table] == [(200, 0.3), (800, 0.2)]
    assert table[0].default_error is None, "the recipe's own value was not tried"
