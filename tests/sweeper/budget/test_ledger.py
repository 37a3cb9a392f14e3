"""Money first: reserved before it is spent, within every cap, and nothing forgotten whatever is killed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sweeper.budget.costs import FREE, NOTHING, Cost, Guess, cost_of, estimate
from sweeper.budget.devices import gpu_type
from sweeper.budget.ledger import Ledger, ticking
from sweeper.config.schema import Budget, Prices
from sweeper.storage.json_lines import append_event, read_events
from tests.sweeper.examples import Clock, dollars

RUN = "plain n=200 seed=0"
STOPPED = Clock()


def opened(path: Path, clock: Clock = STOPPED, **caps: float) -> Ledger:
    ledger = Ledger(path, Budget(**caps), clock)
    ledger.start()
    return ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def reserve(ledger: Ledger, cost: Cost, stage: str = "render", what: str = RUN) -> str:
    ids = ledger.reserve(what, {stage: (cost, 100.0)})
    assert ids is not None
    return ids[stage]


def test_what_is_reserved_is_not_left_and_what_was_not_needed_comes_back(path: Path) -> None:
    ledger = opened(path, usd=10)

    id_ = reserve(ledger, dollars(4))
    assert (ledger.spent().usd, ledger.reserved().usd, ledger.left()["usd"]) == (0, 4, 6)

    ledger.settle(id_, dollars(1.5), 100)
    assert (ledger.spent().usd, ledger.reserved().usd, ledger.left()["usd"]) == (1.5, 0, 8.5)


def test_a_refund_charges_only_what_the_failed_work_used(path: Path) -> None:
    ledger = opened(path, usd=10)

    ledger.settle(reserve(ledger, dollars(4)), NOTHING, 0)
    assert ledger.left()["usd"] == 10

    ledger.settle(reserve(ledger, dollars(4)), dollars(0.5), 0)
    assert ledger.left()["usd"] == 9.5


def test_a_damaged_line_is_said_and_what_it_closed_is_charged_in_full(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # given work that was reserved for 4 dollars and cost 1, and a line that no longer says so
    ledger = opened(path, usd=10)
    id_ = reserve(ledger, dollars(4))
    ledger.begin(id_)
    ledger.settle(id_, dollars(1), 100)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1].replace('"stage"', '"stagf"'), ""]))

    again = opened(path, usd=10)

    assert "a damaged line is passed over" in caplog.text
    assert again.left()["usd"] == 6


def test_a_repair_without_a_reservation_is_charged_all_the_same(path: Path) -> None:
    ledger = opened(path, usd=10)

    ledger.charge("render", RUN, dollars(2), 100)

    assert ledger.left()["usd"] == 8
    assert ledger.by_stage()["render"]["units"] == 100


def test_a_run_is_reserved_whole_or_not_at_all(path: Path) -> None:
    ledger = opened(path, usd=10)

    assert ledger.reserve(RUN, {"render": (dollars(6), 100), "pretrain": (dollars(5), 1)}) is None

    assert ledger.left()["usd"] == 10


@pytest.mark.parametrize(
    ("cap", "fits", "too_much"),
    [
        ({"usd": 10.0}, dollars(10), dollars(10.01)),
        ({"device_hours": 2.0}, Cost(0, 7200, 0), Cost(0, 7201, 0)),
        ({"minutes": 5.0}, Cost(300, 0, 0), Cost(301, 0, 0)),
    ],
)
def test_each_cap_is_hard(path: Path, cap: dict[str, float], fits: Cost, too_much: Cost) -> None:
    ledger = opened(path, STOPPED, **cap)

    assert ledger.reserve(RUN, {"render": (too_much, 1)}) is None
    assert ledger.reserve(RUN, {"render": (fits, 1)}) is not None
    assert ledger.left() == {next(iter(cap)): 0}


def test_every_cap_that_is_given_holds(path: Path) -> None:
    ledger = opened(path, usd=100, device_hours=1)
    assert not ledger.affords({"pretrain": Cost(0, 3601, 1)})
    assert not ledger.affords({"pretrain": Cost(0, 1, 101)})
    assert ledger.affords({"pretrain": Cost(1e9, 3600, 100)}), "no cap on minutes was given"


def test_minutes_run_out_while_nothing_is_bought(path: Path) -> None:
    clock = Clock()
    ledger = opened(path, clock, minutes=10)

    clock.now = 480.0

    assert ledger.left()["minutes"] == pytest.approx(2)
    assert ledger.reserve(RUN, {"render": (Cost(121, 0, 0), 1)}) is None
    assert ledger.reserve(RUN, {"render": (Cost(119, 0, 0), 1)}) is not None


def test_time_that_was_reserved_runs_off_only_while_its_stage_is_at_work(path: Path) -> None:
    clock = Clock()
    ledger = opened(path, clock, minutes=10)

    # given two runs that share the machine
    first = ledger.reserve("first", {"render": (Cost(120, 0, 0), 1), "pretrain": (Cost(120, 0, 0), 1)})
    ledger.reserve("second", {"finetune": (Cost(60, 0, 0), 1)})
    assert first is not None
    assert ledger.left()["minutes"] == pytest.approx(5)

    # when a minute passes before anything begins, it is lost
    clock.now = 60.0
    assert ledger.left()["minutes"] == pytest.approx(4)

    # when rendering has begun, its minutes are those that were reserved
    ledger.begin(first["render"])
    clock.now = 120.0
    assert ledger.left()["minutes"] == pytest.approx(4)

    # and once it takes longer than was reserved, others' time goes
    clock.now = 240.0
    assert ledger.left()["minutes"] == pytest.approx(3)


def test_works_that_go_on_side_by_side_share_the_minutes(path: Path) -> None:
    # given a machine that pre-trains two runs at a time
    ledger = opened(path, STOPPED, minutes=10)
    ledger.go_side_by_side("pretrain", 2)
    five_minutes = {"pretrain": (Cost(300, 300, 0), 1.0)}

    # then three pre-trainings of five minutes take half of their minutes each
    for run, left in enumerate((5, 5, 2.5)):
        assert ledger.reserve(f"run {run}", five_minutes) is not None
        # but one alone takes all of its own
        assert ledger.left()["minutes"] == pytest.approx(left)

    # and neither a run that alone takes longer than is left fits, nor one more than the machine's time holds
    assert not opened(path.with_name("other"), STOPPED, minutes=4).affords({"pretrain": Cost(300, 300, 0)})
    assert ledger.reserve("a fourth", five_minutes) is not None
    assert ledger.reserve("a fifth", five_minutes) is None


@pytest.mark.parametrize(
    ("caps", "cost", "cap"),
    [
        ({"minutes": 3}, Cost(60, 0, 0), "3 minutes"),
        ({"usd": 2}, Cost(60, 120, 1), "2 usd"),
        ({"device_hours": 0.05}, Cost(60, 120, 1), "0.05 device-hours"),
    ],
)
def test_work_that_takes_longer_than_was_reserved_is_noticed_when_it_reaches_a_cap(
    path: Path, caps: dict[str, float], cost: Cost, cap: str
) -> None:
    clock = Clock()
    ledger = opened(path, clock, **caps)
    id_ = reserve(ledger, cost)
    ledger.begin(id_)

    clock.now = 80.0
    assert ledger.exceeded() is None
    clock.now = 190.0
    assert ledger.exceeded() == cap

    # and what it has used until then is charged when it is given up
    used = ledger.used(id_)
    ledger.settle(id_, used, 0)
    assert ledger.spent().usd == pytest.approx(cost.usd * 190 / 60)
    ledger.settle(id_, cost, 1)
    assert ledger.spent().usd == pytest.approx(cost.usd * 190 / 60), "a late end is not charged twice"


def test_the_clock_goes_on_after_a_restart_from_the_last_tick(path: Path) -> None:
    clock = Clock(1000.0)
    ledger = opened(path, clock, minutes=10)
    clock.now += 90
    ledger.tick()
    clock.now += 5

    # Another process, killed in between; its monotonic clock counts from elsewhere.
    later = Clock(7.0)
    again = opened(path, later, minutes=10)
    later.now += 30

    assert again.spent().wall_s == pytest.approx(120)


def test_the_time_in_which_ray_starts_counts_also_after_a_kill(path: Path) -> None:
    """Given a driver that is killed while it waits for Ray, the next one knows of most of that time."""
    clock = Clock(1000.0)
    ledger = opened(path, clock, minutes=10)
    with ticking(ledger):
        clock.now += 30
        time.sleep(2.5)

    assert opened(path, Clock(7.0), minutes=10).spent().wall_s == pytest.approx(30)


def test_what_a_dead_driver_left_open_is_charged_in_full(path: Path) -> None:
    dead = opened(path, usd=10)
    dead.begin(reserve(dead, dollars(4)))

    ledger = opened(path, usd=10)

    assert (ledger.spent().usd, ledger.reserved().usd) == (4, 0)
    made = ledger.by_stage()["render"]
    assert (made["units"], made["lost_usd"]) == (0, 4), "what was lost was not made"
    assert ledger.measured("render") == [], "lost work is no measurement of what work costs"
    assert opened(path, usd=10).spent().usd == 4, "it is charged once"


def test_what_a_dead_driver_had_not_begun_comes_back(path: Path) -> None:
    dead = opened(path, usd=10)
    reserve(dead, dollars(4))

    ledger = opened(path, usd=10)

    assert (ledger.spent().usd, ledger.reserved().usd) == (0, 0)


def test_fine_tunes_of_several_runs_share_the_machine_that_each_has_reserved(path: Path) -> None:
    # given two runs that each reserved the whole machine for 100 seconds of fine-tunes
    clock = Clock()
    ledger = opened(path, clock, usd=10)
    first, second = (reserve(ledger, Cost(100, 200, 1.0), "finetune") for _ in range(2))

    # when one works alone for 10 seconds and then both for 20
    ledger.begin(first)
    clock.now += 10
    ledger.begin(second)
    clock.now += 20

    # then together they used the machine for 30 seconds, not for 50
    assert (ledger.used(first).wall_s, ledger.used(second).wall_s) == pytest.approx((20, 10))


@pytest.mark.parametrize("left_of_line", [b'{"event": "settle", "id', b'{"event": "settle", "units": 1', b"\0" * 7])
def test_a_line_cut_short_by_a_kill_costs_neither_what_was_before_nor_what_comes_next(
    path: Path, left_of_line: bytes
) -> None:
    ledger = opened(path, usd=10)
    ledger.settle(reserve(ledger, dollars(3)), dollars(2), 100)
    with path.open("ab") as stream:
        stream.write(left_of_line)

    again = opened(path, usd=10)
    again.settle(reserve(again, dollars(3)), dollars(1), 100)

    assert opened(path, usd=10).spent().usd == 3


def test_events_come_back_in_order(path: Path) -> None:
    for step in range(3):
        append_event(path, {"step": step, "reason": "for 1 €\nand more"})
    assert [event["step"] for event in read_events(path)] == [0, 1, 2]
    assert list(read_events(path.with_name("absent.jsonl"))) == []


def test_the_first_event_after_a_line_that_was_cut_short_is_kept(path: Path) -> None:
    append_event(path, {"step": 0})
    with path.open("ab") as stream:
        stream.write(b'{"step": 1, "rea')

    append_event(path, {"step": 2})

    assert list(read_events(path)) == [{"step": 0}, {"step": 2}]


PRICES = Prices(cpu_core_hour=0.36, gpu_hour=3.6)
GUESS = Guess(fixed=10, per_unit=1)


def test_devices_are_priced_by_the_hour() -> None:
    cores, gpu = cost_of(PRICES, 100, cpus=2), cost_of(PRICES, 100, cpus=8, gpus=1)

    assert (cores.wall_s, cores.device_s, gpu.wall_s, gpu.device_s) == (100, 200, 100, 100)
    assert (cores.usd, gpu.usd) == (pytest.approx(0.02), pytest.approx(0.18))


def test_before_anything_is_measured_a_cost_is_a_guess_good_to_a_factor_of_two() -> None:
    guessed = estimate(GUESS, [], 90, PRICES, cpus=2, gpus=0)

    assert (guessed.low.wall_s, guessed.expected.wall_s, guessed.high.wall_s) == (50, 100, 200)
    assert guessed.source == "guess"


def test_measured_work_replaces_the_guess_and_narrows_it(path: Path) -> None:
    ledger = opened(path)
    for units, seconds in ((90, 50.0), (190, 100.0), (90, 40.0)):
        ids = ledger.reserve(RUN, {"render": (Cost(400, 400, 0), units)})
        assert ids is not None
        ledger.settle(ids["render"], Cost(seconds, seconds, 0), units)
    ledger.settle(reserve(ledger, Cost(400, 400, 0)), NOTHING, 0)

    measured = estimate(GUESS, ledger.measured("render"), 390, PRICES, cpus=2, gpus=0)

    assert measured.source == "measured"
    assert measured.expected.wall_s == pytest.approx(200)
    assert (measured.low.wall_s, measured.high.wall_s) == (pytest.approx(160), pytest.approx(220))


def test_nothing_to_do_costs_nothing() -> None:
    assert estimate(GUESS, [], 0, PRICES, cpus=2, gpus=0) == FREE


def test_what_one_type_of_device_took_is_not_believed_of_another(path: Path) -> None:
    # given renders measured on a CPU, then on a T4
    ledger = opened(path)
    for device, seconds in (("cpu", 40.0), ("cpu", 44.0), ("T4", 2.0)):
        ledger.charge("render", RUN, Cost(seconds, seconds, 0.0), 100, device)

    # then each type has its own, and who does not know the type gets that of the last one
    assert [cost.wall_s for _, cost in ledger.measured("render", "cpu")] == [40.0, 44.0]
    assert [cost.wall_s for _, cost in ledger.measured("render", "T4")] == [2.0]
    assert [cost.wall_s for _, cost in ledger.measured("render")] == [2.0]
    assert ledger.measured("render", "H200") == []
    # and so it is for who comes back later
    assert Ledger(path, Budget()).measured("render", "cpu") == ledger.measured("render", "cpu")


def test_a_cluster_with_one_type_of_gpu_names_it_and_a_mixed_one_does_not() -> None:
    assert gpu_type({"CPU": 8.0, "GPU": 2.0, "accelerator_type:T4": 2.0}) == "T4"
    assert gpu_type({"GPU": 2.0, "accelerator_type:T4": 1.0, "accelerator_type:A100": 1.0}) == "gpu"
    assert gpu_type({"GPU": 1.0}) == "gpu"
