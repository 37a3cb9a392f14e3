"""The exact expected error of averaged SGD is what samples scatter about."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.theory import function_space
from analysis.theory.activations import RELU
from analysis.theory.expected_error import expected_error
from analysis.theory.kernel import spectrum
from analysis.theory.targets import draw, fresh, on_grid, smooth_power

OF = spectrum(RELU, 128)
POWER = smooth_power(OF, 0.5)


@pytest.mark.parametrize("penalty", [0.0, 0.02])
def test_the_mean_over_seeds_is_the_expectation(penalty: float) -> None:
    rng, seeds, steps, rate = np.random.default_rng(1), 1000, 64, 0.6
    phi = draw(POWER, OF, rng, seeds)
    average, last = function_space.train(OF, 0 * phi, fresh(on_grid(phi, OF), steps, rng), rate, penalty)
    expected = expected_error(OF, POWER[None], np.array([64.0]), np.array([rate]), np.array([penalty]))
    for found, mean in ((average, expected.average[0]), (last, expected.last[0])):
        errors = np.abs(found - phi) ** 2 @ OF.weight
        assert abs(errors.mean() - mean @ OF.weight) < 3 * errors.std() / np.sqrt(seeds)


def test_runs_of_different_length_do_not_disturb_each_other() -> None:
    steps, rate, penalty = np.array([5.0, 40.0, 17.0]), np.array([0.3, 0.5, 0.6]), np.array([0.1, 0.0, 0.02])
    together = expected_error(OF, np.tile(POWER, (3, 1)), steps, rate, penalty)
    for i in range(3):
        alone = expected_error(OF, POWER[None], steps[i : i + 1], rate[i : i + 1], penalty[i : i + 1])
        np.testing.assert_allclose(together.average[i], alone.average[0])
        np.testing.assert_allclose(together.last[i], alone.last[0])


def test_many_steps_at_once_are_as_good_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, rate, penalty = np.array([900.0, 1024.0, 3000.0]), np.full(3, 0.6), np.array([0.0, 0.01, 0.003])
    found = expected_error(OF, np.tile(POWER, (3, 1)), steps, rate, penalty)
    monkeypatch.setattr("analysis.theory.expected_error._FINENESS", 10**9)
    one_by_one = expected_error(OF, np.tile(POWER, (3, 1)), steps, rate, penalty)
    np.testing.assert_allclose(found.average, one_by_one.average, rtol=2e-4)
    np.testing.assert_allclose(found.last, one_by_one.last, rtol=2e-3)


def test_one_step_by_hand() -> None:
    rate, penalty, sigma = 0.5, 0.1, OF.eigenvalue
    found = expected_error(OF, POWER[None], np.array([1.0]), np.array([rate]), np.array([penalty]))
    # From 0 the penalty pulls nowhere: f = -h + rate h(x) k(x, .).
    by_hand = POWER * (1 - 2 * rate * sigma) + (rate * sigma) ** 2 * (POWER @ OF.weight)
    np.testing.assert_allclose(found.last[0], by_hand)


def test_a_learning_rate_that_diverges_is_refused() -> None:
    with pytest.raises(ValueError, match="SGD diverges at rate 3"):
        expected_error(OF, POWER[None], np.array([10.0]), np.array([3.0]), np.array([0.0]))
