"""The model of effects: a setting's log error is a mean, main effects, pair effects and a residual of its own.

    y(x) = mu + sum_f b_f(x) + sum_fg b_fg(x) + u(x),    a run's log error = y(x) + its noise

with b_f ~ N(0, v_f) for each contrast of factor f, b_fg ~ N(0, v_fg), u ~ N(0, w), noise ~ N(0, sigma^2 + known). The
scales are inferred:

    v_f = scale^2 l_f / mean(l) / columns of mains        log l_f ~ N(0, (2 ACTIVITY_SD)^2)
    v_fg ~ l_f l_g, in all scale^2 pairs                  pairs of factors that matter are likelier to matter (heredity)
    w = scale^2 rest

With known tables of other tasks, y(x) also has sum_t a_t z_t(x), z_t the table of task t with mean 0 and sd 1, with
a_t ~ N(scale * expected, scale^2 others). Posterior of the scales by sequential Monte Carlo (Del Moral, Doucet and
Jasra 2006): particles from the prior, tempered to the posterior; given the scales everything else is normal and exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.effects.factors import Factors
from analysis.laws import Floats

PARTICLES = 192
# Random-walk moves of every particle at each temperature.
_MOVES = 3
# Share of the particles that count after a step to the next temperature.
_KEPT = 0.5
_MEAN_SD = 3.0  # of mu, in log error: it may be anything


@dataclass(frozen=True)
class EffectsPrior:
    """Prior of the scales: log-normal, (median, sd of the log) each.

    scale: sd between settings from main effects, in log error: settings of one study differ by some per cent. pairs
    and rest: their variance over that of the main effects; wide, for it is their scales that the data must decide.
    noise: sd of a run's log error where repeats do not show it. others: variance from other tasks' tables. activity:
    sd of log sd of a factor's effects among factors, 1: a factor in six has a third of the typical effect or less.
    Medians and widths are round numbers; docs/howto/find-the-attribute.md says what was compared.
    """

    scale: tuple[float, float] = (0.05, 1.2)
    pairs: tuple[float, float] = (0.4, 0.8)
    rest: tuple[float, float] = (0.4, 1.2)
    noise: tuple[float, float] = (0.01, 0.8)
    others: tuple[float, float] = (3.0, 0.8)
    activity: float = 1.0
    activities: tuple[tuple[float, float], ...] | None = None

    def moments(self, factors: int) -> tuple[Floats, Floats]:
        """Mean and sd of the coordinates (log scale, pairs, rest, noise, others, log l of each factor)."""
        five = (self.scale, self.pairs, self.rest, self.noise, self.others)
        each = self.activities or ((1.0, 2 * self.activity),) * factors
        mean = np.log([m for m, _ in (*five, *each)])
        sd = np.array([s for _, s in (*five, *each)])
        return mean, sd


@dataclass(frozen=True, eq=False)
class Measured:
    """Means of the log errors of the settings that were run.

    `place` (m,): the combination. `mean` (m,): of its runs' log errors. `variance` (m,): known variance of that mean.
    `noise_share` (m,): how much of a run's noise variance is in it besides. `runs` (m,): how many it has. `within`,
    `dof`: sum of squares of runs about their setting's mean, and its degrees of freedom.
    """

    place: np.ndarray
    mean: Floats
    variance: Floats
    noise_share: Floats
    runs: Floats
    within: float = 0.0
    dof: int = 0


@dataclass(frozen=True, eq=False)
class Scales:
    """Draws of the scales: variances of each coefficient (draws, columns), of the residual and the noise (draws,)."""

    coefficients: Floats
    centre: Floats
    residual: Floats
    noise: Floats


@dataclass(frozen=True, eq=False)
class Problem:
    """What the posterior is computed from: columns of all combinations, their terms, and the measured settings.

    `others` (combinations, tasks): standardised tables of other tasks; no columns where there are none. `expected`
    (tasks,): the coefficients they are expected to have, in units of the scale.
    """

    factors: Factors
    measured: Measured
    others: Floats
    expected: Floats
    prior: EffectsPrior

    @property
    def all_columns(self) -> Floats:
        """Of every combination: the mean, the factors' contrasts, other tasks' tables."""
        first = np.ones((len(self.factors.combinations), 1))
        return np.concatenate([first, self.factors.columns, self.others], axis=1)

    def scales(self, theta: Floats) -> Scales:
        """The scales at coordinates (draws, coordinates)."""
        size2 = np.exp(2 * theta[:, 0])
        activity = np.exp(theta[:, 5:])
        activity = activity / activity.sum(axis=1, keepdims=True)
        term_of, terms = self.factors.term_of, self.factors.terms
        shares = np.ones((len(theta), len(terms)))
        for i, term in enumerate(terms):
            for factor in term:
                shares[:, i] = shares[:, i] * activity[:, factor]
        of_column = shares[:, term_of] / np.bincount(term_of)[term_of]
        paired = np.array([len(terms[t]) == 2 for t in term_of])
        if paired.any():
            total = of_column[:, paired].sum(axis=1, keepdims=True)
            of_column[:, paired] *= np.exp(theta[:, 1:2]) / total
        tasks = self.others.shape[1]
        of_others = np.repeat(np.exp(theta[:, 4:5]) / max(tasks, 1), tasks, axis=1)
        known = np.full((len(theta), 1), _MEAN_SD**2)
        centre = np.zeros((len(theta), 1 + of_column.shape[1] + tasks))
        centre[:, 1 + of_column.shape[1] :] = np.exp(theta[:, :1]) * self.expected
        variances = np.concatenate([known, np.concatenate([of_column, of_others], axis=1) * size2[:, None]], axis=1)
        return Scales(variances, centre, size2 * np.exp(theta[:, 2]), np.exp(2 * theta[:, 3]))


@dataclass(frozen=True, eq=False)
class _Solved:
    """Of every draw of the scales: the log likelihood, and mean and factor of the normal posterior of coefficients in
    units of their prior sd (draws, columns)."""

    log_likelihood: Floats
    mean: Floats
    inverse: Floats | None


def solve(problem: Problem, scales: Scales, *, full: bool = False) -> _Solved:
    """Normal posterior of the coefficients given scales, by Woodbury's identity: the cost does not grow with the square
    of the settings measured. `full`: with the inverse of the posterior precision."""
    seen = problem.measured
    X, sd = problem.all_columns[seen.place], np.sqrt(scales.coefficients)
    spread = scales.residual[:, None] + scales.noise[:, None] * seen.noise_share + seen.variance
    weight = 1 / spread
    offset = float(seen.mean.mean())
    y = seen.mean - offset - scales.centre @ X.T
    outer = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    gram = (weight @ outer).reshape(len(sd), X.shape[1], X.shape[1])
    A = gram * sd[:, :, None] * sd[:, None, :]
    A[:, np.arange(X.shape[1]), np.arange(X.shape[1])] += 1
    side = ((weight * y) @ X) * sd
    L = np.linalg.cholesky(A)
    mean = np.linalg.solve(A, side[..., None])[..., 0]
    log_det = 2 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum(axis=1) + np.log(spread).sum(axis=1)
    square = (weight * y**2).sum(axis=1) - (side * mean).sum(axis=1)
    within = -0.5 * seen.dof * np.log(scales.noise) - 0.5 * seen.within / scales.noise
    return _Solved(-0.5 * (log_det + square) + within, mean, np.linalg.inv(L) if full else None)


def sample_scales(problem: Problem, rng: np.random.Generator, particles: int = PARTICLES) -> Floats:
    """Draws of the coordinates of the scales from their posterior; (particles, coordinates)."""
    mean, sd = problem.prior.moments(len(problem.factors.names))
    used = np.ones(mean.size, bool)
    used[1] = len(problem.factors.names) > 1
    used[4] = problem.others.shape[1] > 0
    theta = mean + sd * rng.standard_normal((particles, mean.size))
    fits = solve(problem, problem.scales(theta)).log_likelihood
    heat = 0.0
    while heat < 1:
        step = _next_step(fits, 1 - heat)
        heat = min(heat + step, 1.0)
        weight = np.exp(step * (fits - fits.max()))
        chosen = _resampled(weight / weight.sum(), rng)
        theta, fits = theta[chosen], fits[chosen]
        theta, fits = _moved(problem, theta, fits, heat, (mean, sd, used), rng)
    return theta


def _next_step(fits: Floats, most: float) -> float:
    """The largest step of the temperature that leaves a share _KEPT of the particles effective."""
    low, high = 0.0, most

    def effective(step: float) -> float:
        weight = np.exp(step * (fits - fits.max()))
        return float(weight.sum() ** 2 / (weight**2).sum() / weight.size)

    if effective(most) >= _KEPT:
        return most
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= _KEPT else (low, middle)
    return max(low, 1e-6)


def _resampled(share: Floats, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling: indices of the particles, each as often as its share says."""
    places = (rng.random() + np.arange(share.size)) / share.size
    return np.minimum(np.searchsorted(np.cumsum(share), places), share.size - 1)


def _moved(
    problem: Problem,
    theta: Floats,
    fits: Floats,
    heat: float,
    prior: tuple[Floats, Floats, np.ndarray],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Metropolis moves of all particles at one temperature, with their own covariance for proposals."""
    mean, sd, used = prior
    size = int(used.sum())
    spread = np.cov(theta[:, used], rowvar=False) + 1e-6 * np.diag(sd[used] ** 2)
    step = np.linalg.cholesky(spread) * 2.38 / np.sqrt(size)
    for move in range(_MOVES):
        new = theta.copy()
        # One in three moves is short: far from the prior the particles' covariance may be too wide.
        reach = 0.3 if move % 3 == 2 else 1.0
        new[:, used] += reach * rng.standard_normal((len(theta), size)) @ step.T
        new[:, ~used] = mean[~used] + sd[~used] * rng.standard_normal((len(theta), int((~used).sum())))
        found = solve(problem, problem.scales(new)).log_likelihood
        before, after = (-0.5 * (((each - mean) / sd)[:, used] ** 2).sum(axis=1) for each in (theta, new))
        accept = np.log(rng.random(len(theta))) < heat * (found - fits) + after - before
        theta, fits = np.where(accept[:, None], new, theta), np.where(accept, found, fits)
    return theta, fits
