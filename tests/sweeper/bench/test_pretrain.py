"""The parts of `bench pretrain`, small: what it measures is what it says. Speeds themselves are not asserted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from sweeper.bench.pretrain import data_from_shards
from sweeper.bench.training_loops import CLASSES, Setting, in_turns, side_by_side

SMALL = Setting("small_resnet", side=16, batch=4, precision="fp32", device="cpu", steps=2)


def test_both_loops_run_on_what_shards_hold(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    data = data_from_shards(SMALL.side, 12, tmp_path)
    assert data.images.shape == (12, 16, 16, 3)
    assert data.labels.sum(axis=1).tolist() == [1] * 12
    assert len(data.class_names) == CLASSES

    ours, plain = side_by_side(SMALL, data, rounds=1)

    assert ours > 0
    assert plain > 0


def test_two_sides_take_turns_and_the_first_round_is_not_counted(tmp_path: Path) -> None:
    done: list[str] = []

    def block(name: str) -> None:
        done.append(f"{name} begins")
        # the first block of each is slow, as a start is
        time.sleep(0.2 if len(done) <= 4 else 0.01)
        done.append(f"{name} ends")

    with ThreadPoolExecutor(2) as sides:
        first = sides.submit(in_turns, tmp_path, "one", "two", lambda: block("one"), 2, begins=True)
        second = sides.submit(in_turns, tmp_path, "two", "one", lambda: block("two"), 2, begins=False)

    assert done == [f"{name} {what}" for _ in range(3) for name in ("one", "two") for what in ("begins", "ends")]
    assert max(first.result(), second.result()) < 0.15
