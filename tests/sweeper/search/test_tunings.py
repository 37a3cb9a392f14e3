"""Recipe values over the runs of a sweep: when they are tuned, whose values an arm has, and that they stand then."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from sweeper.cluster.failures import Failure
from sweeper.config.tune import scope_of
from sweeper.search.loop import Loop
from sweeper.stages.identity import Trial
from tests.sweeper.search.desk import Desk, desk_of, finished


def test_tuned_once_at_a_stated_size_an_arm_is_frozen_from_then_on(tmp_path: Path) -> None:
    tune = {"trials": 3, "n": 2000}
    with desk_of(tmp_path, tune=tune, policy={"in_flight": 1, "reference_seeds": 1}, budget={"minutes": 10}) as desk:
        # given the reference and the first two runs of the arm
        repeats = desk.loop.config.finetune.repeats
        seen = finished(desk, 2 * (3 + repeats) + repeats)

        # then its trials were all on the checkpoint of that size, which came first, and what won there is kept
        tried = [t for t in seen if t.split == "validation" and t.run.n > 0]
        assert [t.run.n for t in tried] == [2000] * 3
        assert next(t.run.n for t in seen if t.run.n > 0) == 2000
        best = min(tried, key=lambda t: t.settings["lr"]).settings
        tested = [t for t in seen if t.split == "test" and t.run.n > 0]
        assert len({t.run.n for t in tested}) == 2
        assert all(t.settings == best for t in tested)


def tuned_by(trial: Trial) -> dict[str, Any]:
    """What a trial measures: n = 0 is best at a high learning rate, on each of three folds, and the arm at a low."""
    high, wanted = trial.settings["lr"] > 2e-3, trial.run.n == 0
    errors = [0.2, 0.21, 0.22] if high == wanted else [0.3, 0.32, 0.31]
    return {"error": sum(errors) / 3, "seconds": 1.0, "folds": errors}


@pytest.mark.parametrize(("folds", "common"), [(True, False), (False, True)])
def test_an_arm_keeps_the_values_of_no_pre_training_unless_its_own_folds_show_better_ones(
    tmp_path: Path, folds: bool, common: bool
) -> None:
    policy = {"in_flight": 1, "reference_seeds": 1}
    with desk_of(tmp_path, tune={"trials": 3}, policy=policy, budget={"minutes": 10}) as desk:
        # given trials that tell the error on each fold, or the mean alone
        seen = []
        for _ in range(2 * (3 + desk.loop.config.finetune.repeats)):
            trial = desk.next_trial()
            told = tuned_by(trial)
            desk.loop.observed(trial, told if folds else {key: told[key] for key in ("error", "seconds")})
            seen.append(trial)

        # then the arm begins with the values that n = 0 was tuned to, and keeps them unless it knows better
        reference, arm = ([t for t in seen if bool(t.run.n) == pretrained] for pretrained in (False, True))
        won = next(t.settings for t in reference if t.split == "test")
        assert won["lr"] > 2e-3
        assert arm[0].settings == won
        (used,) = {t.settings["lr"] for t in arm if t.split == "test"}
        assert (used == won["lr"]) == common

        # and so does every run after it, also in a sweep that is taken up again
        loop = desk.loop
        again = Loop(loop.config, loop.plan, loop.inventory, loop.stages, desk.ledger, loop.reporter, slots=2)
        next_one = Desk(again, desk.ledger, desk.clock).next_trial()
        again.close()
        assert (next_one.split, next_one.settings["lr"]) == ("test", used)


def test_an_arm_waits_for_the_tuning_of_no_pre_training_and_goes_on_alone_where_that_failed(tmp_path: Path) -> None:
    policy = {"in_flight": 2, "reference_seeds": 1}
    with desk_of(tmp_path, tune={"trials": 3}, policy=policy, budget={"minutes": 10}) as desk:
        # given n = 0 and the arm under way, and two trials of n = 0 handed out
        first, second = desk.next_trial(), desk.next_trial()
        assert {run.n > 0 for run in desk.loop.active} == {False, True}
        assert (first.run.n, second.run.n) == (0, 0)

        # when n = 0 is not tuned to its end, then the arm has nothing to begin with
        desk.loop.observed(first, {"error": 0.5, "seconds": 1.0})
        third = desk.next_trial()
        assert third.run.n == 0
        for _ in range(20):
            time.sleep(0.01)
            assert desk.loop.next_trial() is None

        # and when it fails for good, the arm is tuned for itself
        desk.loop.observed(third, None, Failure("it broke", hopeless=True))
        assert desk.next_trial().run.n > 0


def test_tuned_at_each_size_every_size_has_its_own_trials(tmp_path: Path) -> None:
    tune = {"trials": 2, "when": "each_n"}
    with desk_of(tmp_path, tune=tune, policy={"in_flight": 1, "reference_seeds": 1}, budget={"minutes": 10}) as desk:
        repeats = desk.loop.config.finetune.repeats
        seen = finished(desk, 3 * (2 + repeats))

    tried = [t.run.n for t in seen if t.split == "validation"]
    assert len(set(tried)) == 3
    assert all(tried.count(n) == 2 for n in tried)


def test_a_trial_stopped_early_is_in_the_table_with_its_share_and_costs_less(tmp_path: Path) -> None:
    with desk_of(tmp_path, tune={"trials": 3}, budget={"minutes": 10}) as desk:
        # given a trial that Tune stopped after a quarter
        stopped = desk.next_trial()
        desk.loop.observed(stopped, {"error": 0.1, "seconds": 2.0, "percent": 25})

        # then it is in the table as such, and a sweep taken up again does not choose it
        (row,) = desk.loop.table.tried(scope_of(desk.loop.config.tune, stopped.run.arm, stopped.run.n))
        assert (row.split, row.share, row.error) == ("validation", 0.25, 0.1)
        while (trial := desk.next_trial()).split == "validation" or trial.run.n != stopped.run.n:
            desk.loop.observed(trial, {"error": 0.5, "seconds": 2.0})
        assert trial.settings != stopped.settings
