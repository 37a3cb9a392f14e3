"""The money of one run is charged once, whichever thread comes first."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sweeper.budget.costs import Cost
from sweeper.budget.ledger import STAGES, Ledger
from sweeper.budget.reservation import Reservation
from sweeper.config.schema import Budget
from sweeper.storage.json_lines import read_events
from tests.sweeper.examples import Clock, dollars

RUN = "plain n=200 seed=0"
# What is set aside for a stage: ten seconds and a dollar.
EACH = Cost(10.0, 10.0, 1.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    ledger = Ledger(tmp_path / "ledger.jsonl", Budget(usd=1000), clock)
    ledger.start()
    return ledger


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def reserved(ledger: Ledger, *stages: str) -> Reservation:
    ids = ledger.reserve(RUN, dict.fromkeys(stages, (EACH, 100.0)))
    assert ids is not None
    return Reservation(ledger, RUN, ids)


def dollars_of(ledger: Ledger, stage: str) -> float:
    return ledger.by_stage()[stage]["usd"]


def test_a_stage_is_charged_what_it_cost_and_what_was_not_needed_comes_back(ledger: Ledger) -> None:
    run = reserved(ledger, *STAGES)

    run.begin("render")
    run.settle("render", dollars(0.25), 100)
    run.refund("pretrain", "render")

    assert ledger.spent().usd == 0.25
    assert ledger.reserved().usd == 1.0, "the fine-tunes are still to come"


def test_work_without_money_set_aside_for_it_is_charged_all_the_same(ledger: Ledger) -> None:
    # given a run for which nothing had to be rendered, when a damaged shard is made again
    run = reserved(ledger, "finetune")
    run.begin("render")
    run.settle("render", dollars(0.25), 100)

    # then it is charged, and after the run was given up too: nobody charged it then
    assert dollars_of(ledger, "render") == 0.25
    run.give_up()
    run.settle("render", dollars(0.25), 100)
    assert dollars_of(ledger, "render") == 0.5


def test_a_run_that_is_given_up_is_charged_what_it_used_and_its_stages_end_without_a_further_charge(
    ledger: Ledger, clock: Clock
) -> None:
    # given a run that renders for half of the time set aside, when it is given up
    run = reserved(ledger, *STAGES)
    run.begin("render")
    clock.now = 5.0
    run.give_up()

    # then half is charged and nothing kept back
    assert dollars_of(ledger, "render") == pytest.approx(0.5)
    assert (ledger.spent().usd, ledger.reserved().usd) == (pytest.approx(0.5), 0.0)

    # and the stages that end later, or are given back, change nothing
    run.begin("pretrain")
    run.settle("render", dollars(0.75), 100)
    run.settle("finetune", dollars(0.75), 1)
    run.refund("pretrain")
    run.give_up()
    assert ledger.spent().usd == pytest.approx(0.5)


@pytest.mark.usefixtures("often_switched")
def test_stages_that_end_while_the_run_is_given_up_are_charged_once(ledger: Ledger, tmp_path: Path) -> None:
    # given runs of which every stage is settled by a thread of its own, while others give them up
    runs, start = 20, threading.Barrier(len(STAGES) + 2)

    def settle(run: Reservation, stage: str) -> None:
        run.begin(stage)
        start.wait()
        run.settle(stage, dollars(0.25), 100)

    def give_up(run: Reservation) -> None:
        start.wait()
        run.give_up()

    with ThreadPoolExecutor(start.parties) as threads:
        for _ in range(runs):
            run = reserved(ledger, *STAGES)
            work = [threads.submit(settle, run, stage) for stage in STAGES]
            work += [threads.submit(give_up, run) for _ in range(2)]
            for each in work:
                each.result()

    # then each reservation was closed once, and nothing was charged besides
    events = list(read_events(tmp_path / "ledger.jsonl"))
    opened = {event["id"] for event in events if event["event"] == "reserve"}
    closed = Counter(event["id"] for event in events if event["event"] == "settle")
    assert closed == Counter(opened)
    assert len(closed) == runs * len(STAGES)
    assert ledger.reserved().usd == 0
    assert ledger.spent().usd <= runs * len(STAGES) * 0.25
