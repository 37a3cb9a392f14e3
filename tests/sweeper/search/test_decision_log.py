"""What was decided is written once, and what came of it is written beside what was expected."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import pytest

from analysis.policy.objectives import Expected
from analysis.policy.proposal import Proposal
from analysis.policy.runs import Run
from sweeper.search.decision_log import DecisionLog, learning_events
from sweeper.search.knowledge import goals_of, learn
from sweeper.stages.identity import studies
from sweeper.storage.json_lines import read_events
from sweeper.study.arms import make_plan
from sweeper.study.results import MeasuredRun
from tests.sweeper.examples import simulated_sweep, sweep_of

ARM = "plain/simulated/small_resnet/simulated"
TOP = Proposal(Run(ARM, 64000, 0), 0.5, 1.0, "minutes", "because", expected=Expected("C", 0.02, 0.01, "why", "what"))


def measured(n: int) -> MeasuredRun:
    return MeasuredRun(Run(ARM, n, 0), log(0.1 + 2.0 * n**-0.5), None, 1)


def test_a_decision_is_written_once_and_keeps_its_step_and_what_it_expected(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, simulated_sweep())
    names = studies(config, make_plan(config))
    log_ = DecisionLog(tmp_path, names, "minutes", s=0)
    first = Proposal(Run(ARM, 1000, 0), None, 1.0, "minutes", "pilot")

    # given two decisions, when they are taken again after a restart
    assert [log_.write(each)["step"] for each in (first, TOP)] == [1, 2]
    again = DecisionLog(tmp_path, names, "minutes", s=0)
    assert [again.write(each)["step"] for each in (TOP, first)] == [2, 1]

    # then each is in the file once, with what it was for
    events = list(read_events(tmp_path / "decisions.jsonl"))
    assert [event["step"] for event in events] == [1, 2]
    assert "about" not in events[0]
    assert (events[1]["about"], events[1]["before"], events[1]["after"]) == ("C", 0.02, 0.01)
    assert again.earlier[1].expected == Expected("C", 0.02, 0.01, "", "")
    assert [each.reason for each in again.earlier] == ["pilot, for 1 minutes", "because for 1 minutes"]


def test_what_a_run_did_is_written_when_it_is_fitted(tmp_path: Path) -> None:
    # given an arm with its pilot, and a run that was decided to pin down C
    config = sweep_of(tmp_path, simulated_sweep(objective="law"))
    plan = make_plan(config)
    names = studies(config, plan)
    log_ = DecisionLog(tmp_path, names, "minutes", s=0)
    log_.write(TOP)
    pilot = [measured(n) for n in (1000, 8000, 32000)]
    before, after = (learn(config, plan, runs, None) for runs in (pilot, [*pilot, measured(64000)]))

    # when the run is in, then the sd of C before and after it is on record, and a refit without news adds nothing
    log_.learnt(before, after, goals_of(config))
    log_.learnt(after, after, goals_of(config))
    assert len(list(read_events(tmp_path / "learning.jsonl"))) == 1
    was, is_now = learning_events(tmp_path, names)[1]
    assert was == pytest.approx(before.fits[ARM].C.sd)
    assert is_now == pytest.approx(after.fits[ARM].C.sd)
    # and nothing of it is read for another study of the arm
    assert learning_events(tmp_path, replace(names, current={ARM: "another"})) == {}
