"""The loop without Ray: what it hands out, takes back and gives up. Errors are drawn by the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.policy.runs import Run
from sweeper.budget.ledger import Ledger
from sweeper.cluster.failures import Failure
from sweeper.search.decision_log import read_decisions
from sweeper.search.loop import Loop
from sweeper.stages.identity import Trial
from sweeper.storage.json_lines import append_event, read_events
from sweeper.study import results
from tests.sweeper.search.desk import Desk, desk_of, finished


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_of(tmp_path, budget={"minutes": 10}) as desk:
        yield desk


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


def test_what_was_got_right_of_the_test_images_stands_in_the_row(desk: Desk) -> None:
    resampled = (0.3, 0.4, 0.5)
    desk.loop.observed(desk.next_trial(), {"error": 0.5, "seconds": 2.0})
    for _ in range(desk.loop.config.finetune.repeats):
        result = {"error": 0.4, "seconds": 2.0, "test_size": 10, "resampled": resampled}
        desk.loop.observed(desk.next_trial(), result)

    (run,) = desk.loop.table.runs
    assert run.test_size == 10
    assert run.log_resampled == pytest.approx(np.log(resampled))
    rows = results.read(desk.loop.config.run_folder / "results", desk.loop.studies)
    kept = {(row.split, row.test_size, row.resampled) for row in rows}
    assert kept == {("test", 10, resampled), ("validation", 0, ())}


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


def test_the_policy_chooses_while_the_last_run_of_the_pilot_is_under_way_and_no_earlier(tmp_path: Path) -> None:
    finetune = {"tasks": ["simulated"], "repeats": 1}
    policy = {"in_flight": 3, "reference_seeds": 1}
    with desk_of(tmp_path, policy=policy, finetune=finetune, tune={"trials": 0}) as desk:
        pilot = {proposal.run for proposal in desk.loop.decider._planned}
        under_way: list[Trial] = []

        # given a pilot of which all runs but two have come in
        for _ in range(len(pilot)):
            under_way.append(desk.next_trial())
            if len(under_way) > 2:
                desk.loop.observed(trial := under_way.pop(0), {"error": drawn(trial), "seconds": 1.0})

        # then nothing is chosen yet
        assert {trial.run for trial in under_way} == set(desk.loop.active)
        assert desk.loop.next_trial() is None
        assert set(desk.loop.active) <= pilot

        # but once only one is missing, the policy fills its place
        desk.loop.observed(trial := under_way.pop(0), {"error": drawn(trial), "seconds": 1.0})
        chosen = desk.next_trial().run
        assert chosen not in pilot
        assert under_way[0].run in desk.loop.active


def drawn(trial: Trial) -> float:
    """An error by a law, and less noise than the policy could take for the end of it."""
    return 0.1 + 2.0 * max(100, trial.run.n) ** -0.5 * (1.0 + 0.01 * trial.run.seed)


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
