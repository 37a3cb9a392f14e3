from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from analysis import fit_law
from analysis.laws import TrueLaw, law_gradient
from analysis.replay.optimal_design import GAP, best_design, bound, relative, variance

RUNGS = [1000 * 2**i for i in range(7)]
FINE = [1000 * 2 ** (i / 4) for i in range(25)]
LAW = TrueLaw(0.45, 0.3, 0.35 * 1000**0.45, 0.004)
FLAT = TrueLaw(0.25, 0.8, 0.1 * 1000**0.25, 0.002)


@pytest.mark.parametrize("law", [LAW, FLAT])
@pytest.mark.parametrize("runs", [3, 5, 7])
def test_the_best_design_is_the_best_of_all_that_there_are(law: TrueLaw, runs: int) -> None:
    criterion = relative(law)
    least = min(variance(list(sizes), law, criterion) for sizes in combinations_with_replacement(RUNGS, runs))
    assert variance(best_design(RUNGS, runs, law, criterion), law, criterion) == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize("law", [LAW, FLAT])
def test_three_sizes_are_enough_by_the_general_equivalence_theorem(law: TrueLaw) -> None:
    """At the optimum no size lowers the criterion faster than the design's own average (Kiefer and Wolfowitz)."""
    # given the divisible optimum as very many runs
    design = best_design(FINE, 300, law, relative(law))
    looks = law_gradient(np.array(FINE), law.alpha, law.C, law.D) / law.error(FINE)[:, None]
    counts = np.array([np.isclose(design, n).sum() for n in FINE])
    inverse = np.linalg.inv((looks * counts[:, None]).T @ looks / design.size)
    falls = (looks @ inverse @ np.diag([law.alpha**-2, law.C**-2, 0.0]) * (looks @ inverse)).sum(axis=1)
    # then the steepest fall is the average one
    assert falls.max() == pytest.approx(counts @ falls / design.size, rel=0.03)


def test_no_design_is_below_the_bound_and_long_ones_come_near_it() -> None:
    criterion = relative(LAW)
    least = bound(FINE, LAW, criterion)
    ratios = [variance(best_design(FINE, runs, LAW, criterion), LAW, criterion) * runs / least for runs in (5, 14, 28)]
    assert min(ratios) >= 1
    assert ratios[-1] < 1.01


def test_the_papers_grid_has_seven_tenths_more_variance_than_the_best_design() -> None:
    criterion = relative(LAW)
    best = variance(best_design(FINE, 14, LAW, criterion), LAW, criterion)
    assert variance(2 * RUNGS, LAW, criterion) / best == pytest.approx(1.7, abs=0.1)


def test_the_variance_is_what_the_estimator_ends_up_with() -> None:
    """Many quiet runs: the sd of C of free least squares, median of nine sets, against the bound at the truth."""
    n = np.array(6 * RUNGS, float)
    noise = LAW.sigma * np.random.default_rng(0).standard_normal((9, n.size))
    sds = [fit_law(n, LAW.error(n) * np.exp(each), method="nls").C.sd for each in noise]
    assert np.median(sds) == pytest.approx(variance(n, LAW, GAP) ** 0.5, rel=0.2)


def test_two_sizes_leave_three_unknowns_open_and_two_runs_are_refused() -> None:
    assert variance([1000, 1000, 64_000, 64_000], LAW, GAP) == float("inf")
    with pytest.raises(ValueError, match="runs is 2; three unknowns need at least 3"):
        best_design(RUNGS, 2, LAW, GAP)
