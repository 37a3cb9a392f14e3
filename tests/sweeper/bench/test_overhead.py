"""What `bench overhead` measures: the slope is a slope, the sweep is as large as it says, the loop goes through Ray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sweeper.bench import overhead as bench_overhead
from sweeper.bench.figures import Figure
from sweeper.bench.overhead import RUNS, SEEDS, figures, proposal, slope, sweep_config
from sweeper.bench.registry import run_bench
from sweeper.study.arms import make_plan


def test_the_slope_is_what_a_run_costs_more_after_a_thousand() -> None:
    runs = np.arange(500)
    assert slope(30 + 0.004 * runs) == pytest.approx(4.0)
    assert slope(np.full(500, 30.0)) == pytest.approx(0.0, abs=1e-9)


def test_the_sweep_has_room_for_two_thousand_runs_and_no_goal_that_ends_it(tmp_path: Path) -> None:
    config = sweep_config(tmp_path, RUNS)
    plan = make_plan(config)
    assert len(plan.arms) * len(plan.choices) * SEEDS == RUNS == 2000
    assert config.budget.model_dump(exclude_none=True) == {}


def test_the_proposal_that_is_timed_is_said_with_its_size() -> None:
    figure = proposal(arms=5, sizes=7, pending=3)
    assert figure.unit == "s; 5 arms, 7 sizes, 3 pending; reference: arm by arm"
    assert min(figure.value, figure.reference) > 0


def test_fewer_runs_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def none_made(runs: int) -> dict[str, Figure]:
        asked.append(runs)
        return {}

    monkeypatch.setattr(bench_overhead, "proposal", lambda: Figure(1.0, 1.0, "s"))
    monkeypatch.setattr(bench_overhead, "figures", none_made)
    assert set(run_bench("overhead", {"runs": 120})) == {"proposal_200_arms_s"}
    assert set(run_bench("overhead", {})) == {"proposal_200_arms_s"}
    assert asked == [120, RUNS]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_runs_go_through_the_real_loop() -> None:
    found = figures(20)
    assert found["driver_ms_per_run"].value > 0
    assert found["driver_ms_per_run"].reference > 0
    assert set(found) == {"driver_ms_per_run", "driver_ms_slope"}
