"""The simulated task draws from the law it was given."""

from __future__ import annotations

import numpy as np
import pytest

from sweeper.config.simulated import SimulatedArm
from sweeper.stages.simulated import simulated_error

LAW = SimulatedArm(alpha=0.5, C=0.1, D=4.0, sigma=0.05, zero_error=0.6)


def _draws(n: int, seeds: int, repeats: int) -> np.ndarray:
    return np.log([[simulated_error(LAW, n, s, r, arm="arm") for r in range(repeats)] for s in range(seeds)])


@pytest.mark.parametrize(("n", "median"), [(400, 4 / 20 + 0.1), (6400, 4 / 80 + 0.1), (0, 0.6)])
def test_errors_lie_around_the_law_with_its_noise(n: int, median: float) -> None:
    draws = _draws(n, seeds=400, repeats=2)

    # 400 independent runs: the mean is known to 0.05 / 20
    assert draws.mean() == pytest.approx(np.log(median), abs=4 * 0.05 / 20)
    assert draws[:, 0].std() == pytest.approx(0.05, rel=0.15)


def test_repeats_share_their_runs_luck() -> None:
    draws = _draws(1000, seeds=400, repeats=2)

    assert np.corrcoef(draws[:, 0], draws[:, 1])[0, 1] == pytest.approx(0.5, abs=0.15)


def test_an_error_is_a_pure_function_of_arm_size_seed_and_repeat() -> None:
    same = [simulated_error(LAW, 1000, 1, 2, arm="a") for _ in range(2)]
    other = [
        simulated_error(LAW, 1000, 1, 2, arm="b"),
        simulated_error(LAW, 1000, 2, 2, arm="a"),
        simulated_error(LAW, 1000, 1, 3, arm="a"),
    ]

    assert same[0] == same[1]
    assert same[0] not in other
