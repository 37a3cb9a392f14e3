"""The kernel on the circle: a closed form, and eigenvalues that fall as the kink of the activation says."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.theory.activations import POWER, RELU, SOFTPLUS, SQUARE, TANH, Activation, rounded
from analysis.theory.kernel import decay, kernel, spectrum


def test_the_kernel_of_a_relu_is_the_known_arc_cosine_kernel() -> None:
    apart = np.linspace(0.1, np.pi, 9)
    found = kernel(spectrum(RELU), apart)
    values = (np.sin(apart) + (np.pi - apart) * np.cos(apart)) / (4 * np.pi)
    slopes = np.cos(apart) * (np.pi - apart) / (2 * np.pi)
    np.testing.assert_allclose(found, values + slopes, atol=2e-4)


def test_a_relu_without_bias_sees_no_odd_frequency_but_the_first() -> None:
    assert list(spectrum(RELU).frequency[:5]) == [0, 1, 2, 4, 6]


@pytest.mark.parametrize("activation", [RELU, POWER, SQUARE, rounded(0.5)], ids=lambda each: each.name)
def test_eigenvalues_fall_with_twice_the_order_of_the_kink(activation: Activation) -> None:
    assert decay(spectrum(activation), 64, 512) == pytest.approx(activation.xi, abs=0.1)


@pytest.mark.parametrize("activation", [TANH, SOFTPLUS], ids=lambda each: each.name)
def test_eigenvalues_of_an_analytic_activation_fall_faster_than_any_power(activation: Activation) -> None:
    of = spectrum(activation)
    assert decay(of, 2, 6) > 5
    assert decay(of, 8, 16) > 2 * decay(of, 2, 6)


def test_more_eigenvalues_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="ask for more frequencies"):
        decay(spectrum(RELU, 64), 8, 512)
