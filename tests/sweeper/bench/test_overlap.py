"""What `bench overlap` measures: a hundred runs that wait, through the real loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.bench.overlap import RUNS, measure, sweep_config
from sweeper.cluster.resources import cpu_count
from sweeper.study.arms import make_plan


def test_a_hundred_runs_of_a_second_wait_and_more_are_under_way_than_there_are_cores(tmp_path: Path) -> None:
    config = sweep_config(tmp_path, RUNS, 1.0)
    plan = make_plan(config)
    assert len(plan.arms) * len(plan.ladder) == RUNS == 100
    assert config.policy.in_flight > cpu_count()
    assert {law.seconds for law in config.simulated.values()} == {1.0}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_runs_go_through_the_real_loop_and_no_core_is_more_than_busy() -> None:
    figure = measure(10, 0.5)["utilisation"]
    assert figure.value >= 11 * 0.5
    assert figure.value <= figure.reference * 1.05
