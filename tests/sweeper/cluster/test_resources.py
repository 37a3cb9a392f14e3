"""Whether nodes have what stages ask for; no Ray is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sweeper.cluster.resources import Need, finetunes_at_a_time, fit_together, needs, shortage
from tests.sweeper.examples import real_sweep, sweep_of


@pytest.mark.parametrize(
    ("changes", "nodes", "said"),
    [
        ({}, [{"CPU": 2.0}], None),
        ({}, [{"CPU": 1.0}, {"CPU": 1.0}], None),
        ({"pretrain": {"workers": 4}}, [{"CPU": 2.0}], "pretrain.workers asks for 4 CPUs, but Ray has 2: lower"),
        (
            {"finetune": {"cpus": 4}},
            [{"CPU": 2.0}] * 3,
            r"finetune.cpus asks for 4 CPUs, but Ray has 6 \(2 on its largest node\): lower finetune.cpus",
        ),
        ({"pretrain": {"gpu": True}}, [{"CPU": 8.0}], "pretrain.gpu asks for 2 GPUs, but Ray has 0"),
        ({"pretrain": {"gpu": True}}, [{"CPU": 8.0, "GPU": float("inf")}], None),
        ({"finetune": {"gpus": 0.25}}, [{"CPU": 8.0, "GPU": 1.0}], None),
        ({}, [], "but Ray has 0"),
    ],
)
def test_what_no_node_can_run_is_said_with_the_key_to_change(
    tmp_path: Path, changes: dict, nodes: list[dict[str, float]], said: str | None
) -> None:
    short = shortage(needs(sweep_of(tmp_path, real_sweep(**changes))), nodes)

    if said is None:
        assert short is None
    else:
        assert re.search(said, short or "")


def test_training_that_can_do_with_fewer_workers_needs_no_more(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep(pretrain={"workers": 8, "min_workers": 2}))
    assert next(need.count for need in needs(config) if need.key == "pretrain.workers") == 2


@pytest.mark.parametrize(
    ("finetune", "nodes", "slots"),
    [
        ({"cpus": 2}, [{"CPU": 5.0, "GPU": 1.0}, {"CPU": 4.0}], 4),
        ({"cpus": 1, "gpus": 1}, [{"CPU": 16.0, "GPU": 1.0}], 1),
        ({"cpus": 1, "gpus": 0.1}, [{"CPU": 16.0, "GPU": 1.0}, {"CPU": 16.0}], 10),
        ({"cpus": 4, "gpus": 1}, [{"CPU": 8.0, "GPU": 8.0}], 2),
        ({"cpus": 1, "gpus": 1}, [{"CPU": 16.0}], 1),
    ],
)
def test_fine_tunes_at_a_time_are_bounded_by_gpus_as_well_as_by_cores(
    tmp_path: Path, finetune: dict[str, float], nodes: list[dict[str, float]], slots: float
) -> None:
    """By cores alone a machine of 16 cores and a GPU reserved a sixteenth of the minutes that a fine-tune takes."""
    assert finetunes_at_a_time(sweep_of(tmp_path, real_sweep(finetune=finetune)), nodes) == slots


def test_a_worker_must_fit_on_one_node() -> None:
    four, pair = Need("finetune.cpus", "CPU", 4), Need("pretrain.workers", "CPU", 2, 2)
    assert fit_together([pair, four], [{"CPU": 4.0}, {"CPU": 4.0}])
    assert not fit_together([pair, four], [{"CPU": 5.0}, {"CPU": 3.0}])
    assert not fit_together([pair, Need("pretrain.gpu", "GPU", 1, 2)], [{"CPU": 8.0, "GPU": 1.0}])
