"""The table of all fine-tunes grows, loses nothing, and its curves count nothing twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sweeper.bench.reality import read_curves
from sweeper.commands.collect import SCHEMA, Kept

RUN = Kept(
    sweep="first",
    sweep_seed=0,
    dataset="clothing",
    s=300,
    rendering="plain",
    attributes='{"look": "hue"}',
    pretrain_task="sinclass",
    backbone="small_resnet",
    finetune_task="sinclass",
    n=500,
    views=64_000,
    seed=0,
    repeat=0,
    error=0.25,
    test_size=8,
    right=bytes([0b11111100]),
    steps=300,
    lr=0.006,
    finetune_s=9.0,
    pretrain_s=90.0,
    learnt=0.6,
    checkpoint="c1",
    study="s1",
    versions="torch",
)


def test_a_row_takes_what_it_lacks_from_a_later_look_and_keeps_what_the_store_has_no_more() -> None:
    # given a row of an older table, and the same fine-tune after its store was emptied
    older = replace(RUN, attributes="", views=None)
    later = replace(RUN, right=None, pretrain_s=None, learnt=None)

    assert older.with_more(later) == RUN


def test_a_run_that_two_sweeps_did_counts_once_and_a_longer_pre_training_is_another_curve(tmp_path: Path) -> None:
    # given three sizes, again in another sweep to the bit, and one of them with twice the views
    first = [replace(RUN, n=n, error=error) for n, error in ((500, 0.3), (1000, 0.25), (2000, 0.2))]
    again = [replace(row, sweep="second", study="s2") for row in first]
    longer = replace(first[0], sweep="longer", study="s3", views=128_000, error=0.1)
    table = tmp_path / "kept.parquet"
    pq.write_table(pa.Table.from_pylist([vars(row) for row in (*first, *again, longer)], schema=SCHEMA), table)

    short, long = sorted(read_curves(table).values(), key=lambda curve: -curve.n.size)

    assert short.n.tolist() == [500, 1000, 2000]
    assert np.exp(short.log_error) == pytest.approx([0.3, 0.25, 0.2])
    assert short.repeats.tolist() == [1, 1, 1]
    assert np.exp(long.log_error) == pytest.approx([0.1])
