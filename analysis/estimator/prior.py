"""The prior of law (1), on quantities whose scale is known before any run."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betaln, log_expit, polygamma

from analysis.laws import Floats

NOISE_LEVELS = 12
# Of the variance of the run noise, what the runs of one block share; each as probable as the others.
BLOCK_SHARES = (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Prior:
    """The prior of law (1), with the reason of each choice.

    alpha: log-normal, median 0.35, 95 % within 0.07 to 1.7 (the paper's curves lie in 0.1 to 1.5), cut at
    0.02 and 3. r, the share of the reference error that is transfer gap: Beta(2, 1), density 2 r, so that it is a
    half or more with probability 3/4: measured curves flatten, and a pure power law (r = 0) is hardly ever seen.
    m, the log error at the reference size: normal and wide, cut at 0.

    sigma, the run noise in log error: density sigma^-0.25 in log sigma from 0.0005 to 0.15 (half below 0.0034,
    90 % below 0.05), since measured run noise is mostly 0.001 to 0.004 and at times 0.05. The density has no peak,
    because with a peak the intervals do not cover where runs are noisier than the peak. Arms fitted together have
    noises that scatter by `noise_spread` (sd of log sigma) around a common level, which then has this prior. Published
    run noise, 0.001 to 0.004, scatters like this.

    tau, the discrepancy: how fast the law goes wrong below the largest size, in log error per e-fold of n to
    the power 2.5 (see `analysis.estimator.posterior`). It is 0 with probability 1 - `discrepancy_share`, else one of
    `discrepancies`. The smallest has the size of the smallest run noise; with the largest the law hardly shows.

    `plateau_share`: probability that the error falls no further in the range of the runs and beyond it.
    `break_share`: probability that the law ends inside that range, anywhere in log n, and the error stays there.

    `pooled_share`: probability that an arm's D and alpha resemble those of its group (see `pooling`).

    `outlier_share`: probability that a run is an outlier (see `analysis.estimator.outliers`); 0, the default, for none.
    """

    alpha_median: float = 0.35
    alpha_log_sd: float = 0.8
    r_a: float = 2.0
    r_b: float = 1.0
    log_error_mean: float = -1.5
    log_error_sd: float = 2.0
    sigma_slope: float = 0.25
    sigma_low: float = 0.0005
    sigma_high: float = 0.15
    noise_spread: float = 0.5
    discrepancies: tuple[float, ...] = (0.004, 0.016, 0.064, 0.256)
    discrepancy_share: float = 0.02
    plateau_share: float = 0.1
    break_share: float = 0.05
    pooled_share: float = 0.9
    outlier_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that are no probabilities: below 0 a fit would silently not be robust."""
        for name in ("outlier_share", "plateau_share", "break_share", "discrepancy_share"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise ValueError(f"{name} is {share:g}; give a probability, at least 0 and below 1")
        if self.plateau_share + self.break_share >= 1:
            raise ValueError("plateau_share and break_share together must stay below 1: the rest is the law's")

    @property
    def r_sd(self) -> float:
        """Standard deviation of r before any data."""
        total = self.r_a + self.r_b
        return float(np.sqrt(self.r_a * self.r_b / (total**2 * (total + 1))))

    @property
    def logit_r_sd(self) -> float:
        """Standard deviation of logit r before any data."""
        return float(np.sqrt(polygamma(1, self.r_a) + polygamma(1, self.r_b)))

    def log_alpha_density(self, log_alpha: Floats) -> Floats:
        """Log density of log alpha."""
        z = (log_alpha - np.log(self.alpha_median)) / self.alpha_log_sd
        return -0.5 * z**2 - np.log(self.alpha_log_sd * np.sqrt(2 * np.pi))

    def log_r_density(self, logit_r: Floats) -> Floats:
        """Log density of logit r."""
        return self.r_a * log_expit(logit_r) + self.r_b * log_expit(-logit_r) - betaln(self.r_a, self.r_b)

    def log_error_density(self, log_error: Floats) -> Floats:
        """Log density of m, the log error at the reference size."""
        z = (log_error - self.log_error_mean) / self.log_error_sd
        return -0.5 * z**2 - np.log(self.log_error_sd * np.sqrt(2 * np.pi))

    def log_noise_density(self, log_sigma: Floats) -> Floats:
        """Log density of log sigma, up to a constant."""
        return -self.sigma_slope * log_sigma

    def sigma_quantile(self, share: float) -> float:
        """The run noise that `share` (0 to 1) of the prior lies below."""
        if self.sigma_slope == 0:
            return float(self.sigma_low * (self.sigma_high / self.sigma_low) ** share)
        low, high = self.sigma_low**-self.sigma_slope, self.sigma_high**-self.sigma_slope
        return float((low - share * (low - high)) ** (-1 / self.sigma_slope))

    def noise_top(self) -> float:
        """The run noise at which the highest of the levels begins."""
        return float(self.sigma_high * (self.sigma_low / self.sigma_high) ** (1 / NOISE_LEVELS))

    def noise(self, *, blocks: bool = False) -> tuple[Noise, ...]:
        """The run noises without a discrepancy, and every pair of a run noise and a discrepancy above 0; where runs
        share `blocks`, each with every share of a block."""
        shares = BLOCK_SHARES if blocks else (0.0,)
        if not self.discrepancies or self.discrepancy_share == 0:
            return (self._pairs((0.0,), shares, 1.0),)
        off_law = self._pairs(self.discrepancies, shares, self.discrepancy_share)
        return self._pairs((0.0,), shares, 1 - self.discrepancy_share), off_law

    def _pairs(self, discrepancies: tuple[float, ...], shares: tuple[float, ...], weight: float) -> Noise:
        edges = np.linspace(np.log(self.sigma_low), np.log(self.sigma_high), NOISE_LEVELS + 1)
        levels = (edges[1:] + edges[:-1]) / 2
        each = len(discrepancies) * len(shares)
        log_weight = np.log(weight / each) + self.log_noise_density(levels)
        return Noise(
            np.repeat(np.arange(levels.size), each),
            np.repeat(levels, each),
            float(edges[1] - edges[0]),
            np.tile(np.repeat(discrepancies, len(shares)), levels.size),
            np.repeat(log_weight, each),
            np.tile(shares, levels.size * len(discrepancies)),
        )


@dataclass(frozen=True, eq=False)
class Noise:
    """Pairs of run noise and discrepancy, shape (pairs,) each, with the log weight of a pair.

    `level`: index of the pair's run noise, whose centre is `log_sigma` and whose cell is `width` wide. `shared`: of the
    run noise's variance, what the runs of one block have in common.
    """

    level: np.ndarray
    log_sigma: Floats
    width: float
    tau: Floats
    log_weight: Floats
    shared: Floats

    def weighted(self, log_level_weight: Floats) -> Noise:
        """The same pairs with the log weight of each run noise, shape (levels,), added."""
        return replace(self, log_weight=self.log_weight + log_level_weight[self.level])

    def thinned(self) -> Noise:
        """Every third run noise, with every other of its pairs."""
        each = self.tau.size // (self.level.max() + 1)
        keep = (self.level % 3 == 1) & (np.arange(self.tau.size) % each % 2 == 0)
        kept = {name: getattr(self, name)[keep] for name in ("level", "log_sigma", "tau", "log_weight", "shared")}
        return replace(self, **kept)
