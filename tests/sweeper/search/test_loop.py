"""The loop without Ray: what it hands out, takes back and gives up. Errors are drawn by the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.budget.ledger import Ledger
from sweeper.cluster.failures import Failure
from sweeper.config.tune import scope_of
from sweeper.events.reporter import Reporter
from sweeper.search.decision_log import read_decisions
from sweeper.search.loop import Loop
from sweeper.stages.identity import Trial
from sweeper.stages.inventory import Inventory
from sweeper.stages.prepare import Stages
from sweeper.storage.artifacts import ArtifactStore
from sweeper.storage.json_lines import append_event, read_events
from sweeper.study.arms import make_plan
from tests.sweeper.examples import Clock, simulated_sweep, sweep_of


@dataclass
class Desk:
    """A loop of a simulated sweep, its ledger, and the clock that the ledger goes by."""

    loop: Loop
    ledger: Ledger
    clock: Clock

    def next_trial(self) -> Trial:
        """The next fine-tune, as soon as one is ready: checkpoints are looked for in a thread."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            trial = self.loop.next_trial()
            if trial is not None:
                self.loop.started(trial)
                return trial
            time.sleep(0.01)
        raise AssertionError("the loop handed nothing out")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_of(tmp_path, budget={"minutes": 10}) as desk:
        yield desk


@contextmanager
def desk_of(tmp_path: Path, **changes: Any) -> Iterator[Desk]:
    content = simulated_sweep(output=str(tmp_path / "run"), **({"tune": {"trials": 1}} | changes))
    config, clock = sweep_of(tmp_path, content), Clock()
    config.run_folder.mkdir()
    ledger = Ledger(config.run_folder / "ledger.jsonl", config.budget, clock)
    ledger.start()
    reporter = Reporter("json")
    store = ArtifactStore(str(tmp_path / "store"))
    inventory = Inventory(config, store)
    stages = Stages(config, inventory, store, reporter, str(tmp_path), None)
    loop = Loop(config, make_plan(config), inventory, stages, ledger, reporter, slots=2)
    yield Desk(loop, ledger, clock)
    loop.close()


def test_a_run_is_tuned_then_repeated_then_in_the_table(desk: Desk) -> None:
    first = desk.next_trial()
    assert (first.run.n, first.split) == (0, "validation")

    desk.loop.observed(first, {"error": 0.5, "seconds": 2.0})
    for _ in range(desk.loop.config.finetune.repeats):
        trial = desk.next_trial()
        assert (trial.run.n, trial.split, trial.settings) == (0, "test", first.settings)
        desk.loop.observed(trial, {"error": 0.4, "seconds": 2.0})

    (run,) = desk.loop.table.runs
    assert (run.run, run.error) == (first.run, pytest.approx(0.4))
    assert desk.ledger.by_stage()["finetune"]["device_s"] == pytest.approx(2.0 * (1 + run.repeats))


def test_a_run_that_is_under_way_when_the_budget_is_used_up_is_given_up_and_can_be_taken_up_again(desk: Desk) -> None:
    # given a fine-tune under way, when ten minutes pass that nobody reckoned with
    trial = desk.next_trial()
    desk.clock.now = 601.0

    # then the sweep is over, says why and what it leaves, and keeps no money back
    assert desk.loop.next_trial() is None
    assert desk.loop.finished
    assert desk.loop.stop is not None
    assert desk.loop.stop.kind == "budget"
    assert "the budget of 10 minutes is used up; left unfinished: " in desk.loop.stop.reason
    assert trial.arm.name in desk.loop.stop.reason
    assert desk.ledger.reserved().wall_s == 0

    # and what comes in too late does no harm
    desk.loop.observed(trial, {"error": 0.5, "seconds": 2.0})
    assert desk.loop.table.runs == []


def test_fine_tunes_under_way_count_against_a_cap_of_dollars(tmp_path: Path) -> None:
    with desk_of(tmp_path, budget={"usd": 1}, prices={"cpu_core_hour": 36.0}) as desk:
        # given a fine-tune that was reserved for some cents and goes on and on
        desk.next_trial()
        desk.clock.now = 5000.0

        # then the cap ends the sweep, and what it used is charged
        assert desk.loop.next_trial() is None
        assert desk.loop.stop is not None
        assert "the budget of 1 usd is used up" in desk.loop.stop.reason
        assert desk.ledger.spent().usd > 1


def test_a_fine_tune_that_waits_for_a_place_is_not_charged_for_it(tmp_path: Path) -> None:
    with desk_of(tmp_path, budget={"usd": 1}, prices={"cpu_core_hour": 36.0}) as desk:
        # given a fine-tune that was handed out, and no node to run it on for hours
        deadline = time.monotonic() + 20
        while (trial := desk.loop.next_trial()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert trial is not None
        desk.clock.now = 5000.0

        # then nothing was spent and the sweep goes on; its time runs from when it begins
        desk.loop.over_the_cap()
        assert desk.loop.stop is None
        desk.loop.started(trial)
        desk.clock.now += 5000.0
        assert desk.loop.over_the_cap()


def test_decisions_of_another_study_are_not_carried_out_again(desk: Desk) -> None:
    decisions = desk.loop.config.run_folder / "decisions.jsonl"
    event = {"step": 1, "n": 16000, "seed": 0, "gain": 1.0, "cost": 1.0, "unit": "minutes", "reason": "another's"}
    arm = desk.loop.plan.arms[0].name
    for study in ("an-older-recipe", desk.loop.studies.current[arm]):
        append_event(decisions, event | {"arm": arm, "study": study, "reason": study})
    append_event(decisions, {"asm": arm})

    (kept,) = read_decisions(decisions, desk.loop.studies, s=0)

    assert kept.reason == desk.loop.studies.current[arm]


def test_a_fine_tune_that_fails_for_good_is_charged_and_its_run_not_tried_again(desk: Desk) -> None:
    failed = desk.next_trial()

    desk.loop.observed(failed, None)

    assert desk.ledger.spent().device_s > 0
    assert desk.ledger.measured("finetune") == [], "a failure is no measurement of what a fine-tune costs"
    for _ in range(6):
        trial = desk.next_trial()
        assert trial.run != failed.run
        desk.loop.observed(trial, {"error": 0.4, "seconds": 2.0})


def test_a_grid_keeps_as_many_runs_under_way_as_the_config_says_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    policy = {"name": "grid", "in_flight": 3, "reference_seeds": 1}
    with desk_of(tmp_path, tune={"trials": 0}, policy=policy, finetune={"tasks": ["simulated"], "repeats": 1}) as desk:
        plan = desk.loop.plan
        runs = len(plan.arms) * len(plan.ladder) + 1
        # given three runs under way, whichever is measured makes room for another at once
        under_way = [desk.next_trial() for _ in range(3)]
        asked = list(under_way)
        while len(asked) < runs:
            desk.loop.observed(under_way.pop(0), {"error": 0.4, "seconds": 2.0})
            under_way.append(desk.next_trial())
            asked.append(under_way[-1])

    assert len({trial.run for trial in asked}) == runs


def test_what_was_decided_before_a_restart_is_decided_once(desk: Desk) -> None:
    desk.next_trial()
    decisions = desk.loop.config.run_folder / "decisions.jsonl"
    before = list(read_events(decisions))

    loop = desk.loop
    again = Loop(loop.config, loop.plan, loop.inventory, loop.stages, desk.ledger, loop.reporter, slots=2)
    Desk(again, desk.ledger, desk.clock).next_trial()
    again.close()

    assert list(read_events(decisions))[: len(before)] == before
    runs = [(d["arm"], d["n"], d["seed"]) for d in read_events(decisions)]
    assert len(runs) == len(set(runs))


def test_ended_amid_a_decision_it_keeps_no_money_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a driver that is told to end right after it has reserved money for a run
    def told_to_end(proposal: Any) -> Any:
        raise SystemExit

    monkeypatch.setattr(desk.loop._log, "write", told_to_end)
    with pytest.raises(SystemExit):
        desk.next_trial()

    desk.loop.close()

    events = read_events(desk.loop.config.run_folder / "ledger.jsonl")
    assert Ledger(desk.loop.config.run_folder / "ledger.jsonl", desk.loop.config.budget).reserved().wall_s == 0
    assert [event["cost"]["usd"] for event in events if event["event"] == "settle"] == [0.0]


def finished(desk: Desk, trials: int) -> list[Trial]:
    """So many fine-tunes, each told an error as soon as it is handed out."""
    seen = []
    for _ in range(trials):
        trial = desk.next_trial()
        desk.loop.observed(trial, {"error": 0.3 + trial.settings["lr"], "seconds": 1.0})
        seen.append(trial)
    return seen


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


def test_controls_are_decided_after_the_pilot_and_stay_outside_the_fits(tmp_path: Path) -> None:
    controls = {"shuffled_labels": 4000, "seeds": 2}
    with desk_of(tmp_path, controls=controls, budget={"minutes": 10}) as desk:
        planned = [p.run for p in desk.loop.decider._planned]
        control = "plain/simulated-shuffled/small_resnet/simulated"
        assert planned[-2:] == [Run(control, 4000, 0), Run(control, 4000, 1)]

        # and the arm itself is run there too, or there would be nothing to compare with
        assert Run("plain/simulated/small_resnet/simulated", 4000, 0) in planned

        finished(desk, len(planned) * desk.loop.config.finetune.repeats + 3)

        done = {each.run.arm for each in desk.loop.table.runs}
        assert control in done
        assert list(desk.loop.decider.knowledge().fits) == ["plain/simulated/small_resnet/simulated"]


def test_a_failed_fine_tune_is_tried_again_as_often_as_the_config_says_and_then_its_cause_is_told(desk: Desk) -> None:
    trial, tries = desk.next_trial(), desk.loop.config.finetune.max_failures
    for _ in range(tries):
        desk.loop.observed(trial, None, Failure("it broke"))
        trial = desk.next_trial()
        assert not desk.loop.failed

    desk.loop.observed(trial, None, Failure("it broke"))

    ((run, cause),) = desk.loop.failed.items()
    assert run == trial.run
    assert cause.endswith("it broke")


def test_a_fine_tune_whose_node_is_lost_again_and_again_has_not_failed(desk: Desk) -> None:
    trial = desk.next_trial()
    for _ in range(20):
        desk.loop.observed(trial, None, Failure("its node has died", lost_node=True))
        again = desk.next_trial()
        assert again.what == trial.what

    desk.loop.observed(trial, {"error": 0.5, "seconds": 2.0})
    assert not desk.loop.failed


def test_the_time_of_an_attempt_that_was_lost_with_its_node_is_paid_for(desk: Desk) -> None:
    # given the fine-tunes of one run, two seconds each, and one that was lost after five
    lost = desk.next_trial()
    desk.loop.observed(lost, None, Failure("its node has died", lost_node=True, seconds=5.0))
    made = 1 + desk.loop.config.finetune.repeats
    for _ in range(made):
        desk.loop.observed(desk.next_trial(), {"error": 0.4, "seconds": 2.0})

    assert len(desk.loop.table.runs) == 1
    assert desk.ledger.by_stage()["finetune"]["device_s"] == pytest.approx(5.0 + 2.0 * made)


def test_what_would_only_fail_the_same_way_is_not_tried_again(desk: Desk) -> None:
    trial = desk.next_trial()

    desk.loop.observed(trial, None, Failure("FloatingPointError: the loss is nan at step 3", hopeless=True))

    assert "the loss is nan at step 3" in next(iter(desk.loop.failed.values()))


def test_a_sweep_that_is_ended_keeps_no_money_back_and_charges_what_was_used(desk: Desk) -> None:
    desk.next_trial()
    desk.clock.now = 0.1

    desk.loop.close()

    assert desk.ledger.reserved().wall_s == 0
    assert 0 < desk.ledger.by_stage()["finetune"]["wall_s"] <= 0.1
