from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.policy.registry import POLICIES
from sweeper.bench import policy as bench_policy
from sweeper.bench.registry import run_bench

FIGURES = (
    "variance_vs_bound_14_runs",
    "variance_vs_bound_28_runs",
    "cost_to_c_sd_vs_grid",
    "renderings_right_at_fifth_cost",
)


@pytest.mark.data
@pytest.mark.slow
def test_every_figure_is_there_for_every_policy_with_its_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set: the recorded curves are not at hand")

    def one_by_one(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], what: str) -> list[Any]:
        return [function(*job) for job in jobs]

    monkeypatch.setattr(bench_policy, "in_parallel", one_by_one)
    figures = bench_policy.measure_design(2) | bench_policy.measure_cost(2)
    figures |= bench_policy.measure_renderings(Path(root), 1) | bench_policy.measure_drawn_renderings(1)
    for name in FIGURES:
        assert {name, *(f"{name}_{policy}" for policy in POLICIES if policy != "adaptive")} <= set(figures)
    assert figures["variance_vs_bound_28_runs"].value < figures["variance_vs_bound_28_runs_grid"].value
    assert figures["cost_to_c_sd_vs_grid"].value >= figures["cost_to_c_sd_vs_grid_bound"].value
    assert "quartiles" in figures["cost_to_c_sd_vs_grid"].unit
    assert figures["renderings_right_at_fifth_cost"].value == 1
    assert {"drawn_renderings_right_at_fifth_cost", "drawn_renderings_right_at_fifth_cost_grid"} <= set(figures)


def test_a_question_can_be_asked_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no recorded curves, a question about known laws has its figures."""
    asked: list[str] = []

    def easy(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], what: str) -> list[Any]:
        asked.extend(policy for policy, _ in jobs)
        return [(1.0, 1.0) for _ in jobs]

    monkeypatch.delenv("SWEEPER_DATA_ROOT", raising=False)
    monkeypatch.setattr(bench_policy, "in_parallel", easy)
    figures = run_bench("policy-design", {})
    assert set(asked) == set(POLICIES)
    assert {"variance_vs_bound_14_runs", "variance_vs_bound_28_runs_grid"} <= set(figures)
    assert len(figures) == 2 * len(POLICIES)
