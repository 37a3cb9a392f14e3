"""Laws of (n, s): gradients, bounds, and what a loss of labels may be."""

import numpy as np
import pytest

from analysis.exchange.laws import LAWS, JointLaw, Scale, log_labels, without_pretraining

SCALE = Scale(n=2_000.0, s=300.0, error=0.4)
N, S = np.array([100.0, 1_000.0, 10_000.0, 100_000.0]), np.array([50.0, 500.0, 5_000.0, 100.0])


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_gradients_are_those_of_finite_differences(law: JointLaw) -> None:
    z = np.random.default_rng(0).standard_normal((5, len(law.parameters)))
    n = np.concatenate([[0.0], N[1:]]) if law.holds_at_zero else N
    step = 1e-5

    found = law.gradient(z, n, S, SCALE)

    expected = np.stack(
        [
            (law.log_error(z + step * unit, n, S, SCALE) - law.log_error(z - step * unit, n, S, SCALE)) / (2 * step)
            for unit in np.eye(z.shape[1])
        ],
        axis=-1,
    )
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_the_error_without_pretraining_falls_and_stays_between_its_bounds() -> None:
    theta = LAWS["labels"].mean + LAWS["labels"].sd * np.random.default_rng(1).standard_normal((50, 11))
    m = np.linspace(-30, 30, 200)[None]

    logs, slope, _ = without_pretraining(m, theta)

    assert (logs <= 0).all()
    assert (slope <= 0).all()
    assert (np.diff(logs, axis=1) <= 1e-12).all()


def test_harm_never_costs_more_than_all_labels() -> None:
    left = np.exp(log_labels(np.array([-5.0, -0.1, 0.0, 2.0]), np.array([100.0])))

    assert (left > 0).all()
    assert left[2] == pytest.approx(100)
    assert left[3] == pytest.approx(300)
