from __future__ import annotations

import numpy as np
import pytest

from analysis.laws import (
    LawSamples,
    full_law_error,
    full_law_gradient,
    law_error,
    law_gradient,
)


@pytest.mark.parametrize(("alpha", "C", "D"), [(0.1, 0.0, 0.5), (0.44, 0.2, 1.3), (1.4, 0.9, 40.0)])
def test_gradient_agrees_with_finite_differences(alpha: float, C: float, D: float) -> None:
    n = np.array([1.0, 200.0, 6400.0, 1e6])
    at, step = np.array([alpha, C, D]), 1e-6
    numeric = np.stack(
        [(law_error(n, *(at + step * e)) - law_error(n, *(at - step * e))) / (2 * step) for e in np.eye(3)], axis=-1
    )
    np.testing.assert_allclose(law_gradient(n, alpha, C, D), numeric, rtol=1e-6, atol=1e-9)


def test_law_falls_from_d_plus_c_towards_c() -> None:
    assert law_error(1, 0.5, 0.1, 0.3) == pytest.approx(0.4)
    assert law_error(1e12, 0.5, 0.1, 0.3) == pytest.approx(0.1, abs=1e-6)


def test_full_law_at_fixed_s_is_law_one() -> None:
    """delta s^-beta (gamma + n^-alpha) is D n^-alpha + C with D = delta s^-beta and C = gamma D."""
    n, s = np.array([1000.0, 8000.0, 64000.0]), 500.0
    D = 41.8 * s**-0.322
    np.testing.assert_allclose(
        full_law_error(n, s, 0.544, 0.322, 0.478, 41.8), law_error(n, 0.544, 0.478 * D, D), rtol=1e-12
    )


def test_n_needed_is_where_the_curve_meets_the_target_and_infinite_below_the_gap() -> None:
    alpha, C, D, sigma = (np.array(x) for x in ([0.5, 0.5], [0.1, 0.3], [1.0, 1.0], [0.01, 0.01]))
    laws = LawSamples(alpha, C, D, sigma)
    needed = laws.n_needed(0.2)
    assert needed[0] == pytest.approx(100)
    assert np.isinf(needed[1])


@pytest.mark.parametrize(
    "values", [(0.544, 0.322, 0.478, 41.8, 0.0), (0.1, 0.05, 0.0, 0.5, 0.2), (1.2, 0.9, 2.0, 300.0, 0.05)]
)
def test_gradient_of_the_full_law_agrees_with_finite_differences(values: tuple[float, ...]) -> None:
    n, s = np.array([1000.0, 8000.0, 64000.0]), np.array([500.0, 12_800.0, 1_281_167.0])
    at, step = np.array(values), 1e-6
    numeric = np.stack(
        [
            (full_law_error(n, s, *(at + step * e)) - full_law_error(n, s, *(at - step * e))) / (2 * step)
            for e in np.eye(5)
        ],
        axis=-1,
    )
    np.testing.assert_allclose(full_law_gradient(n, s, *values[:4]), numeric, rtol=1e-5, atol=1e-7)


def test_irreducible_error_is_what_no_amount_of_real_data_removes() -> None:
    assert full_law_error(1e5, 1e60, 0.5, 0.3, 0.4, 10.0, 0.07) == pytest.approx(0.07)
