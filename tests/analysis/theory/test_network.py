"""The network starts at 0, is pulled to its start, and follows the function-space recursion as it grows wide."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.theory.activations import RELU, SQUARE
from analysis.theory.failures import COVERED
from analysis.theory.network import squared_error, start, train
from analysis.theory.targets import POINTS, Samples, fresh
from analysis.theory.width import distance


def test_the_network_is_0_at_the_start() -> None:
    network = start(RELU, 64, 3, np.random.default_rng(0))
    assert squared_error(network, np.zeros((3, POINTS))).max() < 1e-28
    np.testing.assert_allclose(network.b_x**2 + network.b_y**2, 1.0)


def test_the_halves_must_cancel() -> None:
    with pytest.raises(ValueError, match="width 5 is odd"):
        start(RELU, 5, 1, np.random.default_rng(0))


def test_a_step_descends_the_gradient() -> None:
    network = start(SQUARE, 8, 1, np.random.default_rng(0))
    angle, y, nudge, rate = 2 * np.pi * 100 / POINTS, 0.7, 1e-6, 0.1
    _, moved = train(network, Samples(np.array([[100]]), np.array([[y]])), rate, 0.0)

    def loss(a: np.ndarray, b_x: np.ndarray) -> float:
        inner = b_x * np.cos(angle) + network.b_y * np.sin(angle)
        g = float(np.sum(a * np.maximum(inner, 0) ** 2)) / np.sqrt(8)
        return (g - y) ** 2 / 2

    for r in range(8):
        one = nudge * np.eye(8)[r][None]
        of_a = (loss(network.a + one, network.b_x) - loss(network.a - one, network.b_x)) / (2 * nudge)
        of_b = (loss(network.a, network.b_x + one) - loss(network.a, network.b_x - one)) / (2 * nudge)
        assert moved.a[0, r] - network.a[0, r] == pytest.approx(-rate * of_a, abs=1e-8)
        assert moved.b_x[0, r] - network.b_x[0, r] == pytest.approx(-rate * of_b, abs=1e-8)


def test_the_average_counts_the_start() -> None:
    network = start(RELU, 8, 1, np.random.default_rng(0))
    average, last = train(network, Samples(np.array([[100]]), np.array([[0.7]])), 0.1, 0.0)
    for name in ("a", "b_x", "b_y"):
        begun, ended = getattr(network, name), getattr(last, name)
        assert np.abs(ended - begun).max() > 1e-4
        np.testing.assert_allclose(getattr(average, name), (begun + ended) / 2)


def test_a_penalty_keeps_the_network_near_where_it_started() -> None:
    rng = np.random.default_rng(0)
    network = start(RELU, 64, 2, rng)
    samples = fresh(np.tile(np.cos(2 * np.pi * np.arange(POINTS) / POINTS), (2, 1)), 200, rng)
    moved = [np.abs(train(network, samples, 0.5, penalty)[1].a - network.a).mean() for penalty in (0.0, 0.1, 1.0)]
    assert moved[0] > 1.5 * moved[1] > 3 * moved[2]


def test_wide_networks_follow_the_recursion_in_function_space_through_both_trainings() -> None:
    narrow, wide = (distance(COVERED, 64, 64, width, 4) for width in (32, 512))
    for stage in ("pretrained", "finetuned"):
        assert getattr(wide, stage).mean() < getattr(narrow, stage).mean() / 4
        assert getattr(wide, stage).mean() < 0.02 * getattr(wide, f"{stage}_error").mean()
