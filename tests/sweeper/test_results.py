"""The results table, and the learning rates that are rebuilt from it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sweeper.config import SweepConfig, Tune
from sweeper.results import discard_damaged, read, runs, write
from sweeper.tuning import LearningRate
from tests.sweeper.examples import ARM, STUDY, real_sweep, row

TUNE = Tune(lr=(1e-4, 1e-1), trials=4)
DEFAULT = 2e-3


def test_rows_come_back_as_written_in_order(tmp_path: Path) -> None:
    later, earlier, tried = row(n=400), row(n=200, repeat=1), row(n=200, split="validation", lr=0.01)
    for observation in (later, tried, earlier):
        write(tmp_path, observation)

    assert read(tmp_path, STUDY) == [earlier, tried, later]


def test_writing_a_row_twice_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, row())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write(tmp_path, row())

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert read(tmp_path, STUDY) == [row()]


def test_a_part_that_was_never_finished_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, row())
    (tmp_path / f".{row(repeat=1).file_name}.1234").write_bytes(b"PAR1 half of a part")

    assert read(tmp_path, STUDY) == [row()]
    assert read(tmp_path / "absent", STUDY) == []


def test_no_flipped_byte_is_ever_read_as_another_result(tmp_path: Path) -> None:
    write(tmp_path, row())
    (part,) = tmp_path.iterdir()
    whole = part.read_bytes()

    for place in range(0, len(whole), 7):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        # Some bytes of a part mean nothing; the row is as it was, or it is not there.
        assert read(tmp_path, STUDY) in ([], [row()]), f"byte {place}"

    part.write_bytes(whole[:-1])
    assert discard_damaged(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_every_fine_tune_has_a_part_of_its_own(tmp_path: Path) -> None:
    rows = [
        row(),
        row(repeat=1),
        row(seed=1),
        row(n=0),
        row(split="validation"),
        row(split="validation", lr=4e-3),
        row(arm=ARM.replace("plain", "fixed")),
    ]
    for observation in rows:
        write(tmp_path, observation)

    assert len(read(tmp_path, STUDY)) == len(rows)


def test_rows_of_another_recipe_or_data_set_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, row())

    assert read(tmp_path, SweepConfig.model_validate(real_sweep(finetune={"fraction": 0.5}))) == []
    assert read(tmp_path, SweepConfig.model_validate(real_sweep(budget={"minutes": 3}))) == [row()]


def test_a_run_is_the_mean_of_its_repeats_log_errors_with_the_variance_of_that_mean() -> None:
    errors = (0.2, 0.3, 0.25)
    rows = [row(repeat=i, error=error) for i, error in enumerate(errors)]
    rows += [row(split="validation", error=0.9), row(seed=1, error=0.4)]

    three, single = runs(rows)

    logs = [math.log(error) for error in errors]
    mean = sum(logs) / 3
    assert three.error == pytest.approx((0.2 * 0.3 * 0.25) ** (1 / 3))
    assert three.variance == pytest.approx(sum((log - mean) ** 2 for log in logs) / 2 / 3)
    assert (three.repeats, three.cost) == (3, 21.0)
    assert (single.seed, single.error, single.variance) == (1, pytest.approx(0.4), None)


def test_a_perfect_run_has_a_finite_log_error() -> None:
    assert 0 < runs([row(error=0.0)])[0].error < 1e-3


def test_the_recipes_own_learning_rate_is_tried_first_and_kept_where_none_was_tried() -> None:
    rate = LearningRate(TUNE, DEFAULT, [], seed=0)

    assert rate.best() == DEFAULT
    assert rate.ask() == DEFAULT


def off(lr: float) -> float:
    """A validation error that is lowest at 1e-2."""
    return abs(math.log(lr / 1e-2))


def tune_to_the_end(rate: LearningRate) -> list[float]:
    """The rates that are asked for, one after the other."""
    asked = []
    while (lr := rate.ask()) is not None:
        asked.append(lr)
        rate.tell(lr, off(lr))
    return asked


def test_learning_rates_differ_stay_in_range_and_end_after_the_agreed_number() -> None:
    rate = LearningRate(TUNE, DEFAULT, [], seed=0)

    asked = tune_to_the_end(rate)

    assert len(set(asked)) == 4
    assert all(1e-4 <= lr <= 1e-1 for lr in asked)
    assert max(asked) / min(asked) > 10, "the range is looked at from end to end"
    assert (rate.done, rate.remaining) == (4, 0)
    assert rate.best() == min(asked, key=off)


def test_no_more_than_two_rates_are_tried_at_a_time() -> None:
    rate = LearningRate(TUNE, DEFAULT, [], seed=0)

    first, second, third = rate.ask(), rate.ask(), rate.ask()

    assert first is not None
    assert second is not None
    assert third is None
    assert rate.remaining == 4, "none of them is finished"
    rate.tell(first, 0.5)
    assert rate.ask() not in (None, first, second)


def test_rebuilt_from_its_rows_it_goes_on_where_it_was() -> None:
    rate = LearningRate(TUNE, DEFAULT, [(DEFAULT, 0.5), (7e-3, 0.3)], seed=0)

    assert (rate.done, rate.remaining, rate.best()) == (2, 2, 7e-3)
    assert rate.ask() != DEFAULT


def test_rows_outside_the_range_that_is_tuned_now_do_not_count() -> None:
    assert LearningRate(TUNE, DEFAULT, [(0.5, 0.1)], seed=0).done == 0


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_rebuilt_from_its_rows_it_asks_for_the_rates_it_would_have_asked_for(finished: int) -> None:
    asked = tune_to_the_end(LearningRate(TUNE, DEFAULT, [], seed=0))

    rebuilt = LearningRate(TUNE, DEFAULT, [(lr, off(lr)) for lr in asked[:finished]], seed=0)

    assert tune_to_the_end(rebuilt) == pytest.approx(asked[finished:])


def test_the_default_is_tried_even_where_another_rate_was_finished_before_a_kill() -> None:
    assert LearningRate(TUNE, DEFAULT, [(7e-3, 0.3)], seed=0).ask() == DEFAULT


def test_trials_of_a_run_that_is_gone_are_asked_for_again() -> None:
    rate = LearningRate(TUNE, DEFAULT, [], seed=0)
    while rate.ask() is not None:
        pass

    rate.abandon()

    assert rate.ask() is not None
    assert rate.done == 0
