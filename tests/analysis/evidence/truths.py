"""Known laws to recover: drawn from the estimator's prior, with runs as a sweep would make them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis import Prior
from analysis.laws import Floats, law_error


@dataclass(frozen=True, eq=False)
class Truth:
    alpha: float
    C: float
    D: float
    sigma: float
    n: Floats
    error: Floats

    def at(self, n: float) -> float:
        return float(law_error(n, self.alpha, self.C, self.D))


def observe(alpha: float, C: float, D: float, sigma: float, n: Floats, seed: int) -> Truth:
    noise = np.random.default_rng(seed).standard_normal(n.size)
    return Truth(alpha, C, D, sigma, n, law_error(n, alpha, C, D) * np.exp(sigma * noise))


def draw_truths(count: int, seed: int) -> Iterator[Truth]:
    """`count` laws from the prior, each with 4 to 10 runs on a ladder of 1000 x 2^i, errors within (0, 1]."""
    rng, prior, made = np.random.default_rng(seed), Prior(), 0
    while made < count:
        alpha = float(np.exp(np.log(prior.alpha_median) + prior.alpha_log_sd * rng.standard_normal()))
        r, level = (
            float(rng.beta(prior.r_a, prior.r_b)),
            float(np.exp(rng.normal(prior.log_error_mean, prior.log_error_sd))),
        )
        sigma = prior.sigma_quantile(rng.uniform())
        n = np.sort(1000 * 2.0 ** rng.choice(8, rng.integers(4, 11)))
        D = level * (1 - r) * np.exp(alpha * np.log(n).mean())
        truth = observe(alpha, level * r, D, sigma, n, int(rng.integers(2**31)))
        if level <= 1 and truth.error.max() <= 1 and 0.02 < alpha < 3:
            made += 1
            yield truth
