"""What the theory promises, and how exponents are fitted."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.theory.exponents import fit_exponents, half_interval, upper_half
from analysis.theory.prescriptions import Case, pretraining_exponent


def test_exponents_of_two_sizes_are_found_with_an_interval_over_seeds() -> None:
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(0, 5, (2, 30)))
    error = sizes[0] ** 0.5 * sizes[1] ** 1.5 * np.exp(0.1 * rng.standard_normal((12, 30)))
    for found, truth in zip(fit_exponents(sizes, error), (0.5, 1.5), strict=True):
        assert found.low < truth < found.high
        assert found.high - found.low < 0.05
    assert np.isnan(fit_exponents(sizes, error[:1])[0].low)


def test_the_interval_of_a_mean_is_by_students_t() -> None:
    # Of 1, 2, 3: standard deviation 1, and t of two degrees of freedom is 4.3027.
    assert half_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    assert np.isnan(half_interval(np.array([1.0])))


def test_the_upper_half_of_a_ladder_is_fitted() -> None:
    assert list(upper_half(np.arange(5.0))) == [False, False, True, True, True]


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="2 cells are too few for 1 exponents"):
        fit_exponents(np.ones((1, 2)), np.ones((1, 2)))


@pytest.mark.parametrize(
    ("case", "exponents"),
    [
        (Case("I-A", 0.5, 0.5, 2.0, 0.25), (1 / 2, 1 / 3)),
        (Case("I-B", 0.5, 1.0, 2.0, 0.4), (0.4, 1 / 3)),
        (Case("II-A", 1.0, 0.5, 2.0, 0.2), (1 / 2, 1 / 2)),
        (Case("II-B", 0.5, 0.75, 2.0, 0.2), (1 / 2, 1 / 2)),
    ],
)
def test_the_bounds_are_those_of_the_table(case: Case, exponents: tuple[float, float]) -> None:
    case.check()
    assert case.exponents == pytest.approx(exponents)
    # The bound is the bias that the prescribed penalty leaves.
    assert case.bound(1000.0, 0.1) == pytest.approx(case.penalty(1000.0, 0.1) ** (2 * case.r))


@pytest.mark.parametrize(
    "case",
    [
        Case("I-A", 0.5, 0.75, 2.0, 0.5),
        Case("I-A", 0.5, 0.5, 2.0, 0.2),
        Case("I-B", 0.5, 1.0, 2.0, 0.3),
        Case("II-A", 1.0, 0.5, 2.0, 0.3),
        Case("II-B", 0.5, 0.8, 2.0, 0.1),
        Case("I-A", 0.5, 0.25, 2.0, 0.5),
    ],
)
def test_values_outside_a_case_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match=f"case {case.name} does not admit"):
        case.check()


def test_the_exponent_of_pretraining() -> None:
    assert pretraining_exponent(0.5, 2.0) == pytest.approx(2 / 3)
