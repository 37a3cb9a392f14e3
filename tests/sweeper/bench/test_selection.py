from __future__ import annotations

from analysis.evidence.selection import HEAD
from sweeper.bench.selection import figures_of


def test_each_candidate_stands_beside_the_shipped_prior_of_its_backtest() -> None:
    lines = [
        "shipped,64k above n/2,36,0.002,0,0,0.94",
        "no discrepancy,64k above n/2,36,0.003,0.001,0,0.9",
        "shipped,few_shot above n/4,30,0.01,0,0,0.9",
        "nls_D_0.48,few_shot above n/4,30,0.05,0.04,0,",
    ]
    figures = figures_of(lines, HEAD, "hidden", "rmse", "mean of {curves} curves")
    shown = {name: (figure.value, figure.reference, figure.unit) for name, figure in figures.items()}
    assert shown["rmse_64k_above_n_2_no_discrepancy"] == (0.003, 0.002, "mean of 36 curves")
    assert shown["rmse_few_shot_above_n_4_nls_D_0.48"] == (0.05, 0.01, "mean of 30 curves")
