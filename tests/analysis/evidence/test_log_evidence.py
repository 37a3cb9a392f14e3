from __future__ import annotations

import numpy as np
import pytest

from analysis.estimator.prior import Prior
from analysis.evidence.log_evidence import log_evidence
from analysis.laws import Floats
from analysis.paper.recorded import Curve
from tests.analysis.evidence.truths import observe


def test_evidence_is_the_likelihood_averaged_over_the_prior() -> None:
    """Given three noisy runs, the grid's evidence is that of a million laws drawn from the prior."""
    prior = Prior(discrepancies=())
    seen = observe(0.4, 0.1, 3.0, 0.05, np.array([1e3, 8e3, 64e3], dtype=np.float64), seed=1)
    rng, count = np.random.default_rng(0), 1_000_000
    log_alpha = np.log(prior.alpha_median) + prior.alpha_log_sd * rng.standard_normal(count)
    r = rng.beta(prior.r_a, prior.r_b, count)
    m = prior.log_error_mean + prior.log_error_sd * rng.standard_normal(count)
    sigma = np.array([prior.sigma_quantile(share) for share in rng.random(2000)])[rng.integers(0, 2000, count)]
    x, y = np.log(seen.n) - np.log(seen.n).mean(), np.log(seen.error)
    law = m[:, None] + np.log((1 - r[:, None]) * np.exp(-np.exp(log_alpha)[:, None] * x) + r[:, None])
    density = np.exp(-0.5 * ((y - law) / sigma[:, None]) ** 2) / (sigma[:, None] * np.sqrt(2 * np.pi))
    # The grid cuts alpha's range and m at error 1; the prior is normalised without these cuts.
    allowed = (m <= 0) & (np.abs(log_alpha - np.log(0.35)) < 2)
    drawn = float(np.log((density.prod(axis=1) * allowed).mean()))
    alone, pooling = log_evidence({"arm": Curve(seen.n, seen.error)}, {"arm": ""}, prior)
    assert alone == pytest.approx(drawn, abs=0.15)
    assert pooling == 0


def test_arms_alike_are_more_probable_together() -> None:
    """Given arms of one D and alpha, evidence favours one group; given arms of all sorts, it does not."""
    ladder: Floats = 1000 * 2.0 ** np.arange(7, dtype=np.float64)
    truths = {f"arm {i}": observe(0.3, 0.2 + 0.1 * i, 0.5, 0.003, ladder, seed=i) for i in range(5)}
    alike = {name: Curve(each.n, each.error) for name, each in truths.items()}
    spread = [(0.05, 0.7), (0.2, 1.0), (0.5, 10.0), (0.9, 200.0), (1.3, 3000.0)]
    odd = {
        f"arm {i}": Curve(ladder, observe(alpha, 0.1, D, 0.003, ladder, seed=i).error)
        for i, (alpha, D) in enumerate(spread)
    }
    gains = [log_evidence(arms, dict.fromkeys(arms, "one"), Prior())[1] for arms in (alike, odd)]
    assert gains[0] > 3
    assert gains[1] < gains[0] - 3
