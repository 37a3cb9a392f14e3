"""The sampler and the likelihood, against what is known in closed form."""

import numpy as np
import pytest
from scipy.stats import multivariate_t

from analysis.exchange.noise import JointRuns, Likelihood
from analysis.exchange.sampler import sample
from analysis.laws import Floats


def test_draws_and_evidence_of_a_posterior_that_is_normal() -> None:
    # One measured value 2 with sd 0.1 of the first of three standard normal parameters.
    def log_likelihood(z: Floats) -> Floats:
        return -0.5 * ((z[:, 0] - 2) / 0.1) ** 2 - np.log(0.1 * np.sqrt(2 * np.pi))

    found = sample(log_likelihood, 3, 2_000, np.random.default_rng(0))

    assert found.z[:, 0].mean() == pytest.approx(2 / 1.01, abs=0.02)
    assert found.z[:, 0].std() == pytest.approx(0.0995, rel=0.1)
    assert found.z[:, 1].std() == pytest.approx(1, rel=0.1)
    exact = -0.5 * 4 / 1.01 - 0.5 * np.log(2 * np.pi * 1.01)
    assert found.log_evidence == pytest.approx(exact, abs=0.2)


def test_a_run_alone_has_the_density_of_students_t() -> None:
    runs = JointRuns(np.array([10.0]), np.array([5.0]), np.array([-0.5]), np.array([0]))

    found = Likelihood.of(runs).log_density(np.array([[-0.52]]))

    assert found[0] == pytest.approx(multivariate_t.logpdf([-0.5], loc=[-0.52], shape=[[1e-4]], df=1))


def test_a_shift_of_one_subset_costs_less_than_one_of_each_run() -> None:
    n, s = (each.reshape(-1) for each in np.meshgrid([0.0, 100.0, 1e3, 1e4], [10.0, 1e3, 1e5], indexing="ij"))
    runs = JointRuns(n, s, np.zeros(12), np.zeros(12, int))
    likelihood = Likelihood.of(runs)
    # Residuals of equal size: those of one s together, or scattered.
    together = np.where(likelihood.s == 10.0, 0.05, 0.0)
    scattered = np.zeros(12)
    scattered[[0, 4, 8, 11]] = [0.05, -0.05, 0.05, -0.05]

    by_luck, by_noise = likelihood.log_density(np.stack([together, scattered]))

    assert by_luck > by_noise + 1
