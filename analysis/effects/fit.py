"""Fit the model of effects to measured settings: joint draws of the error of every combination, run or not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from analysis.effects.factors import Factors
from analysis.effects.model import EffectsPrior, Measured, Problem, Scales, sample_scales, solve
from analysis.effects.other_tasks import taught
from analysis.effects.seeds import without_shared
from analysis.laws import Floats

# Draws of coefficients and residuals of each particle.
_DRAWS_EACH = 8
# Below exp(-13.8) a setting's error is not told from 0.
LOG_ERRORS = (float(np.log(1e-6)), 0.0)


@dataclass(frozen=True, eq=False)
class EffectsFit:
    """Joint posterior of the log errors of all combinations.

    `level` (draws, combinations): log error that a setting has on average over runs. `smooth`: the part of it that
    effects explain. `residual`, `noise` (draws,): sd of a setting's own part, and of a run about its setting.
    """

    factors: Factors
    measured: Measured
    level: Floats
    smooth: Floats
    residual: Floats
    noise: Floats

    @cached_property
    def error(self) -> Floats:
        """Draws of every combination's error; (draws, combinations)."""
        return np.exp(self.level)

    @cached_property
    def chance_best(self) -> Floats:
        """Probability that each combination has the lowest error; (combinations,)."""
        return np.bincount(self.level.argmin(axis=1), minlength=self.level.shape[1]) / len(self.level)

    @cached_property
    def unmeasured(self) -> np.ndarray:
        """Whether each combination was never run; (combinations,)."""
        never = np.ones(self.level.shape[1], bool)
        never[self.measured.place] = False
        return never

    def expected_gain(self) -> Floats:
        """By how much one run of each combination is expected to undercut the lowest error measured so far, in log
        error; (combinations,). A run that was made teaches nothing new here: 0 for measured ones.

        Expected improvement (Jones, Schonlau and Welch 1998), its mean over the draws, with residual and noise of the
        run integrated exactly.
        """
        lowest = float(self.measured.mean.min())
        sd = np.sqrt(self.residual**2 + self.noise**2)[:, None]
        below = (lowest - self.smooth) / sd
        density = np.exp(-0.5 * below**2) / np.sqrt(2 * np.pi)
        gain = (sd * (below * ndtr(below) + density)).mean(axis=0)
        return np.where(self.unmeasured, gain, 0.0)


def measured_of(
    places: Sequence[int],
    log_errors: Sequence[float] | Floats,
    variances: Sequence[float] | None = None,
    seeds: Sequence[Hashable] | None = None,
) -> Measured:
    """Runs by combination.

    Args:
        places: the combination of each run, (runs,).
        log_errors: of each run, or of a law at one size, (runs,).
        variances: known variance of each log error, (runs,); 0 or None: it is the run noise, which is inferred.
        seeds: of each run, where runs of one seed have something in common (`analysis.effects.seeds`).
    """
    at, y, taken = np.asarray(places), np.asarray(log_errors, float), 0.0
    if seeds is not None:
        y, taken = without_shared(places, seeds, y)
    known = np.zeros(y.size) if variances is None else np.asarray(variances, float)
    place, of = np.unique(at, return_inverse=True)
    runs = np.bincount(of).astype(float)
    mean = np.bincount(of, y) / runs
    noisy = known == 0
    within = float(((y - mean[of])[noisy] ** 2).sum())
    dof = max(round(noisy.sum() - np.unique(of[noisy]).size - taken), 0)
    noise_share = np.bincount(of, noisy) / runs**2
    return Measured(place, mean, np.bincount(of, known) / runs**2, noise_share, runs, within, dof)


def fit_effects(
    factors: Factors,
    measured: Measured,
    *,
    others: Floats | None = None,
    prior: EffectsPrior | None = None,
    within: tuple[float, float] = LOG_ERRORS,
    seed: int = 0,
) -> EffectsFit:
    """Posterior of the errors of all combinations.

    Args:
        factors: what settings differ in.
        measured: log errors of those that were run; at least one.
        others: log errors of all combinations on other tasks, (tasks, combinations): what is good there tends to be
            good here, as far as these tables agree among each other and with the runs.
        prior: of the scales; None: the default.
        within: the values that there can be; log errors lie within LOG_ERRORS.
        seed: decides the draws; the same seed gives the same fit.
    """
    rng = np.random.default_rng(seed)
    other = taught(factors, others, prior or EffectsPrior())
    problem = Problem(factors, measured, other.tables, other.expected, other.prior)
    scales = problem.scales(sample_scales(problem, rng))
    return _drawn(problem, scales, within, rng)


def _drawn(problem: Problem, scales: Scales, within: tuple[float, float], rng: np.random.Generator) -> EffectsFit:
    """Draws of coefficients and residuals given the scales."""
    solved = solve(problem, scales, full=True)
    assert solved.inverse is not None
    particles, columns = solved.mean.shape
    unit = solved.mean[:, None] + rng.standard_normal((particles, _DRAWS_EACH, columns)) @ solved.inverse
    offset = float(problem.measured.mean.mean())
    coefficients = unit * np.sqrt(scales.coefficients)[:, None] + scales.centre[:, None]
    smooth = offset + coefficients.reshape(-1, columns) @ problem.all_columns.T
    residual = np.sqrt(np.repeat(scales.residual, _DRAWS_EACH))
    noise = np.sqrt(np.repeat(scales.noise, _DRAWS_EACH))
    own = residual[:, None] * rng.standard_normal(smooth.shape)
    seen = problem.measured
    of_mean = noise[:, None] ** 2 * seen.noise_share + seen.variance
    share = residual[:, None] ** 2 / (residual[:, None] ** 2 + of_mean)
    left = rng.standard_normal((len(smooth), seen.place.size)) * np.sqrt(share * of_mean)
    own[:, seen.place] = share * (seen.mean - smooth[:, seen.place]) + left
    level = np.clip(smooth + own, *within)
    return EffectsFit(problem.factors, seen, level, smooth, residual, noise)
