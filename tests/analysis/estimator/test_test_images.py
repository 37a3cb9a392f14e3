"""What the finite test set does to errors, measured by resampling its images."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.estimator.fit import fit_laws
from analysis.estimator.observations import check_runs
from analysis.estimator.test_images import image_variances

RESAMPLES = 4000


def _runs(runs: int, *, everywhere: float, in_arm: float, own: float, seed: int) -> list[np.ndarray]:
    """Log errors on resamples: deviations that all arms share, that the runs of an arm share, and a run's own."""
    shared = np.random.default_rng(0).standard_normal(RESAMPLES)
    rng = np.random.default_rng(seed)
    of_arm = rng.standard_normal(RESAMPLES)
    return [-1 + everywhere * shared + in_arm * of_arm + own * rng.standard_normal(RESAMPLES) for _ in range(runs)]


def test_the_variance_of_the_test_images_is_taken_apart() -> None:
    kinds = {"everywhere": 0.04, "in_arm": 0.02, "own": 0.01}
    found = image_variances({"a": _runs(4, **kinds, seed=1), "b": _runs(4, **kinds, seed=2)})

    assert found["a"].in_all == pytest.approx(0.04**2, rel=0.1)
    assert found["a"].in_arm == pytest.approx(0.02**2, rel=0.2)
    assert found["b"].own == pytest.approx(0.01**2, rel=0.2)


def test_resamples_that_are_undefined_for_one_run_are_left_out_for_all() -> None:
    runs = _runs(3, everywhere=0.04, in_arm=0.0, own=0.01, seed=1)
    runs[0][:100] = np.nan
    found = image_variances({"a": runs})
    assert np.isfinite(found["a"].own).all()
    assert image_variances({"a": [np.full(RESAMPLES, np.nan), runs[1]]}) == {}


def test_a_difference_carries_less_of_the_test_images_than_an_error() -> None:
    """Given runs whose test images do the same to all of them, the error is uncertain by it and the slope is not."""
    n = np.array([250, 1000, 4000, 16_000] * 2)
    error = 0.2 + 3 * n**-0.5
    resampled = _runs(n.size, everywhere=0.05, in_arm=0.0, own=0.0, seed=1)
    images = image_variances({"a": resampled, "b": _runs(2, everywhere=0.05, in_arm=0.0, own=0.0, seed=2)})["a"]

    told = fit_laws({"a": check_runs("a", n, error, test_size=400, images=images)})["a"]
    untold = fit_laws({"a": (n, error)})["a"]

    assert told.level_shift.std() == pytest.approx(0.05, rel=0.1)
    assert told.arm_shift.std() < 0.01
    assert told.alpha.sd == pytest.approx(untold.alpha.sd, rel=0.1)
    assert told.C.sd > 1.5 * untold.C.sd
