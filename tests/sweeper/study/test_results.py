"""The results table."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.policy.runs import Run
from sweeper.config.schema import SweepConfig
from sweeper.stages.identity import studies
from sweeper.study.results import SCHEMA, discard_damaged, left_out, read, runs, write
from sweeper.study.studies import Studies
from tests.sweeper.examples import ARM, STUDIES, real_sweep, row


def studies_of(**changes: Any) -> Studies:
    return studies(SweepConfig.model_validate(real_sweep(**changes)))


def test_rows_come_back_as_written_in_order(tmp_path: Path) -> None:
    later, earlier, tried = (
        row(n=400),
        row(n=200, repeat=1),
        row(n=200, split="validation", tuned='{"lr": 0.01}', share=0.25, folds=(0.3, 0.2)),
    )
    for observation in (later, tried, earlier):
        write(tmp_path, observation)

    assert read(tmp_path, STUDIES) == [earlier, tried, later]


def test_a_row_keeps_the_errors_on_the_resampled_test_images_and_every_part_has_the_same_columns(
    tmp_path: Path,
) -> None:
    tested = row(test_size=400, resampled=(0.1, 1 / 3, 0.0))
    for observation in (tested, row(repeat=1)):
        write(tmp_path, observation)

    assert read(tmp_path, STUDIES) == [tested, row(repeat=1)]
    assert all(pq.read_schema(part).equals(SCHEMA) for part in tmp_path.iterdir())
    assert SCHEMA.field("resampled").type == pa.list_(pa.float64())


def test_a_row_in_which_a_resample_has_no_error_is_read_back(tmp_path: Path) -> None:
    write(tmp_path, row(test_size=2, resampled=(0.5, math.nan)))

    (read_back,) = read(tmp_path, STUDIES)
    assert read_back.resampled == pytest.approx((0.5, math.nan), nan_ok=True)


@pytest.mark.parametrize("later", [{"folds"}, {"test_size", "resampled"}, {"folds", "test_size", "resampled"}])
def test_a_row_that_was_written_before_it_had_these_columns_is_read(tmp_path: Path, later: set[str]) -> None:
    # given a part as it was written then: its checksum is over the columns that there were
    old = {name: value for name, value in asdict(row()).items() if name not in later}
    checksum = hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()
    table = pa.Table.from_pylist([old]).replace_schema_metadata({"sha256": checksum})
    pq.write_table(table, tmp_path / row().file_name)

    assert read(tmp_path, STUDIES) == [row()]
    assert (row().folds, row().test_size, row().resampled) == ((), 0, ())


def test_writing_a_row_twice_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, row())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write(tmp_path, row())

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert read(tmp_path, STUDIES) == [row()]


def test_a_part_that_was_never_finished_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, row())
    (tmp_path / f".{row(repeat=1).file_name}.1234").write_bytes(b"PAR1 half of a part")

    assert read(tmp_path, STUDIES) == [row()]
    assert read(tmp_path / "absent", STUDIES) == []


def test_no_flipped_byte_is_ever_read_as_another_result(tmp_path: Path) -> None:
    write(tmp_path, row())
    (part,) = tmp_path.iterdir()
    whole = part.read_bytes()

    for place in range(0, len(whole), 7):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        # Some bytes of a part mean nothing; the row is as it was, or it is not there.
        assert read(tmp_path, STUDIES) in ([], [row()]), f"byte {place}"

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
        row(split="validation", tuned='{"lr": 0.004}'),
        row(arm=ARM.replace("plain", "fixed")),
    ]
    for observation in rows:
        write(tmp_path, observation)

    assert len(read(tmp_path, STUDIES)) == len(rows)


def test_rows_of_another_recipe_or_data_set_are_left_out_and_counted(tmp_path: Path) -> None:
    for repeat in range(2):
        write(tmp_path, row(repeat=repeat))
    other, same = studies_of(finetune={"fraction": 0.5}), studies_of(budget={"minutes": 3})

    assert read(tmp_path, other) == []
    assert str(left_out(tmp_path, other)).startswith("2 rows of the results table are left out: measured with another")
    assert read(tmp_path, same) == [row(), row(repeat=1)]
    assert left_out(tmp_path, same) is None


def test_a_run_is_the_mean_of_its_repeats_log_errors_with_the_variance_of_that_mean() -> None:
    errors = (0.2, 0.3, 0.25)
    rows = [row(repeat=i, error=error) for i, error in enumerate(errors)]
    rows += [row(split="validation", error=0.9), row(seed=1, error=0.4)]

    three, single = runs(rows)

    logs = [math.log(error) for error in errors]
    mean = sum(logs) / 3
    assert three.error == pytest.approx((0.2 * 0.3 * 0.25) ** (1 / 3))
    assert three.variance == pytest.approx(sum((log - mean) ** 2 for log in logs) / 2 / 3)
    assert (three.repeats, three.run) == (3, Run(ARM, 200, 0, 600))
    assert (single.run.seed, single.error, single.variance) == (1, pytest.approx(0.4), None)


def test_a_perfect_run_has_a_finite_log_error() -> None:
    assert 0 < runs([row(error=0.0)])[0].error < 1e-3


def test_a_run_has_its_log_error_on_every_resample_where_all_its_fine_tunes_have() -> None:
    first, second = (
        row(error=0.2, test_size=10, resampled=(0.2, 0.0)),
        row(test_size=10, resampled=(0.8, 0.2), repeat=1),
    )

    (both,) = runs([first, second])
    (partly,) = runs([first, row(repeat=1, test_size=10)])
    (unknown,) = runs([first, row(repeat=1)])

    # of ten images, no mistake counts as half of one
    logs = [(math.log(0.2) + math.log(0.8)) / 2, (math.log(0.05) + math.log(0.2)) / 2]
    assert both.test_size == 10
    assert both.log_resampled == pytest.approx(np.array(logs))
    assert (partly.test_size, partly.log_resampled) == (10, None)
    assert (unknown.test_size, unknown.log_resampled) == (None, None)


def test_a_perfect_run_counts_half_a_mistake_where_the_test_images_are_known() -> None:
    assert runs([row(error=0.0, test_size=400)])[0].error == pytest.approx(1 / 800)
