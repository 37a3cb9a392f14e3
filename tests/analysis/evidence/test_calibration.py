from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import t

from analysis.evidence.calibration import (
    HEAD,
    Design,
    as_row,
    cells,
    fill,
    prior_designs,
    profile_intervals,
    simulate,
    summary,
)
from analysis.laws import Floats, law_error


def test_intervals_cover_what_they_say_over_truths_from_the_prior() -> None:
    """A small version of docs/measured/calibration-truths.csv: 60 truths; 0.86 is 3 sd below 95 %."""
    covered = [simulate(design, 1, seed=i).covered for i, design in enumerate(prior_designs(60, seed=3))]
    assert (np.mean(covered, axis=0) >= 0.86).all(), np.mean(covered, axis=0)


def test_intervals_are_narrower_than_profile_likelihoods_in_most_cells() -> None:
    """A small version of the table: every twelfth cell with two curves.

    The aim is 80 % of the cells; measured in docs/measured (calibration.csv, calibration-4-10.csv): 78 to 83 %.
    """
    results = [simulate(design, 2, seed=i) for i, design in enumerate(cells()[::12])]
    narrower = np.mean([np.array(r.width) < r.profile_width for r in results], axis=0)
    table = np.array([[float(cell) for cell in as_row(r).split(",")] for r in results])
    assert (narrower >= 0.5).all(), summary(table)


def test_profile_interval_is_students_where_the_law_is_nearly_linear() -> None:
    """Given quiet runs, when C is well known, profile likelihood and the linear approximation agree."""
    design = Design(0.8, 0.05, 0.475 * 1000**0.8, 0.002, sizes=10, repeats=1)
    error = design.runs(np.random.default_rng(2))

    def log_law(n: Floats, log_alpha: float, log_gap: float, log_at_1000: float) -> Floats:
        alpha = np.exp(log_alpha)
        return np.log(law_error(n, alpha, np.exp(log_gap), np.exp(log_at_1000) * 1000**alpha))

    best, covariance = curve_fit(log_law, design.n, np.log(error), p0=np.log([0.8, 0.05, 0.475]))
    half = t.ppf(0.975, 7) * np.sqrt(np.diag(covariance))[:2] * np.exp(best[:2])
    intervals = profile_intervals(design.n, error)[:2]
    assert intervals[:, 1] - intervals[:, 0] == pytest.approx(2 * half, rel=0.03)


def test_profile_likelihood_covers_a_well_determined_law() -> None:
    design = Design(0.44, 0.05, 10.0, 0.01, sizes=7, repeats=2)
    result = simulate(design, 20, seed=1)
    assert min(result.profile_covered) >= 0.8
    assert result.identified > 0.9


def test_profile_interval_of_a_noiseless_curve_is_tiny() -> None:
    design = Design(0.44, 0.05, 10.0, 0.0, sizes=8, repeats=1)
    clean = design.runs(np.random.default_rng(0)) * np.exp(1e-5 * np.random.default_rng(1).standard_normal(8))
    (low, high), (low_gap, high_gap) = profile_intervals(design.n, clean)[:2]
    assert low < 0.44 < high < low + 0.01
    assert low_gap < 0.05 < high_gap < low_gap + 0.01


def test_a_table_that_was_cut_short_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Given a run that had time for one line only, when run again, the table is whole, sorted and the same."""
    designs = [Design(0.2, 0.5, 1.0, sigma, sizes=4, repeats=1) for sigma in (0.01, 0.02, 0.03)]
    out = tmp_path / "cells.csv"
    fill(out, designs, 1, until=-np.inf)
    assert len(out.read_text(encoding="utf-8").splitlines()) == 2
    fill(out, designs, 1, until=np.inf)
    whole = out.read_text(encoding="utf-8")
    head, *lines = whole.splitlines()
    assert head == HEAD
    assert [line.split(",")[0] for line in lines] == ["0", "1", "2"]
    assert lines[1].startswith("1,0.2,0.5,0.02,4,1,1,")
    out.write_text("\n".join([head, lines[2]]) + "\n", encoding="utf-8")
    fill(out, designs, 1, until=np.inf)
    assert out.read_text(encoding="utf-8") == whole
