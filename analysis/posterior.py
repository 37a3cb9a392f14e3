"""The posterior of law (1) for one arm, on a grid that zooms in: no random walk, the same answer every time.

Model, in log error, for run i with n_i images:

    log e_i = m + log((1 - r) (n_i / n_ref)^-alpha + r) + noise,   noise ~ N(0, sigma^2 + v_i)

which is law (1) (Mikami et al. 2021, equation 1) written with well-scaled quantities: m is the log error at
the geometric mean n_ref of the sizes, r = C / exp(m) the share of that error which is transfer gap, v_i the
known variance of the run's mean over its fine-tuning repeats. D = exp(m) (1 - r) n_ref^alpha follows. A prior
that is uniform in D ruins the coverage of the intervals; one on the error at a size inside the data does not.

m is integrated out exactly (a normal, cut at error <= 1); (r, alpha, sigma) live on the grid. For a given r
the data fix alpha narrowly, so each row of the grid has its own range of alpha: the grid follows that ridge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, expit, log_expit, log_ndtr, logsumexp, ndtr, ndtri

from analysis.laws import Floats, LawSamples

ROWS, COLUMNS, NOISES = 40, 36, 25
DRAWS = 4000
# Cells this far below the best (in log posterior) hold no mass that matters: exp(-10) = 5e-5.
NEGLIGIBLE = 10.0
_ZOOMS = 3
_LOGIT_R = (-6.0, 7.0)
_ALPHA = (0.02, 3.0)


@dataclass(frozen=True)
class Prior:
    """The prior of law (1), on quantities whose scale is known before any data.

    alpha: log-normal, median 0.35, 95 % within 0.07 to 1.7 (the paper's curves lie in 0.1 to 1.5), cut at
    0.02 and 3. r, the share of the reference error that is transfer gap: Beta(a, b), uniform by default, for
    nothing is known of it. m, the log error at the reference size: normal and wide, cut at 0. sigma, the run
    noise in log error: log-uniform from 0.0005 to 0.15, since measured run noise is 0.001 to 0.05.
    """

    alpha_median: float = 0.35
    alpha_log_sd: float = 0.8
    r_a: float = 1.0
    r_b: float = 1.0
    log_error_mean: float = -1.5
    log_error_sd: float = 2.0
    sigma_low: float = 0.0005
    sigma_high: float = 0.15

    @property
    def r_sd(self) -> float:
        """Standard deviation of r before any data."""
        total = self.r_a + self.r_b
        return float(np.sqrt(self.r_a * self.r_b / (total**2 * (total + 1))))

    def log_density(self, log_alpha: Floats, logit_r: Floats) -> Floats:
        """Log density in (log alpha, logit r); the arguments broadcast."""
        z = (log_alpha - np.log(self.alpha_median)) / self.alpha_log_sd
        beta = self.r_a * log_expit(logit_r) + self.r_b * log_expit(-logit_r) - betaln(self.r_a, self.r_b)
        return beta - 0.5 * z**2


@dataclass(frozen=True, eq=False)
class ArmData:
    """An arm as the posterior sees it: log n - log n_ref, log errors, known variances; shape (runs,)."""

    x: Floats
    y: Floats
    v: Floats
    log_n_ref: float


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid over (logit r, log alpha, log sigma) with the log posterior mass of its cells.

    `rows` (R,) and `row_width`; `low`, `high` (R,): each row's range of log alpha; `log_sigma` (S,) and
    `noise_width`; `log_mass` (R, A, S), not normalised.
    """

    rows: Floats
    row_width: float
    low: Floats
    high: Floats
    log_sigma: Floats
    noise_width: float
    log_mass: Floats

    @property
    def log_alpha(self) -> Floats:
        """Centres of the cells, shape (R, A)."""
        return _centres(self.low, self.high, COLUMNS)

    def log_noise_likelihood(self) -> Floats:
        """Log of the mass of each noise level, shape (S,): how well this arm's runs agree with it."""
        return logsumexp(self.log_mass, axis=(0, 1))


def arm_data(n: Floats, error: Floats, log_variance: Floats) -> ArmData:
    """Log coordinates of checked observations; arrays of shape (runs,)."""
    log_n = np.log(n)
    return ArmData(log_n - log_n.mean(), np.log(error), log_variance, float(log_n.mean()))


def noise_levels(low: float, high: float) -> tuple[Floats, float]:
    """Centres in log sigma of NOISES cells from `low` to `high` (log sigma), and their width."""
    return _centres(np.array([low]), np.array([high]), NOISES)[0], (high - low) / NOISES


def fit_grid(data: ArmData, prior: Prior, log_sigma: Floats, width: float, log_weight: Floats) -> Grid:
    """Zoom in on the posterior mass of one arm.

    `log_sigma`, `log_weight`: noise levels and the log weight of each (what other arms say of it), shape
    (S,).
    """
    bottom, top = _LOGIT_R
    while True:
        grid = _zoom_alpha(data, prior, bottom, top, (log_sigma, width, log_weight))
        row_mass = logsumexp(grid.log_mass, axis=(1, 2))
        kept = np.flatnonzero(row_mass > row_mass.max() - NEGLIGIBLE)
        if kept.size > ROWS // 2:
            return grid
        bottom = max(grid.rows[kept[0]] - grid.row_width, _LOGIT_R[0])
        top = min(grid.rows[kept[-1]] + grid.row_width, _LOGIT_R[1])


def draw(data: ArmData, prior: Prior, grid: Grid, rng: np.random.Generator) -> LawSamples:
    """DRAWS joint draws: systematic resampling of the cells, then a place inside each cell."""
    mass = np.exp(grid.log_mass - grid.log_mass.max()).ravel()
    cumulative = np.cumsum(mass) / mass.sum()
    points = (np.arange(DRAWS) + rng.random()) / DRAWS
    cells = np.minimum(np.searchsorted(cumulative, points), mass.size - 1)
    row, column, noise = np.unravel_index(cells, grid.log_mass.shape)

    logit_r = grid.rows[row] + grid.row_width * (rng.random(DRAWS) - 0.5)
    column_width = (grid.high - grid.low)[row] / COLUMNS
    log_alpha = grid.log_alpha[row, column] + column_width * (rng.random(DRAWS) - 0.5)
    # Moving r inside its row must move alpha along the ridge, or narrow posteriors would be smeared out.
    weights = np.exp(grid.log_mass - grid.log_mass.max(axis=(1, 2), keepdims=True)).sum(axis=2)
    ridge = (weights * grid.log_alpha).sum(axis=1) / weights.sum(axis=1)
    log_alpha += np.interp(logit_r, grid.rows, ridge) - ridge[row]
    log_alpha = np.clip(log_alpha, *np.log(_ALPHA))
    sigma = np.exp(grid.log_sigma[noise] + grid.noise_width * (rng.random(DRAWS) - 0.5))

    alpha, r = np.exp(log_alpha), expit(logit_r)
    residual = data.y - _shape(data.x, log_alpha, logit_r)
    weight = 1.0 / (sigma[:, None] ** 2 + data.v)
    mean, sd = _reference(weight.sum(axis=1), (weight * residual).sum(axis=1), prior)
    share = np.clip(rng.random(DRAWS) * ndtr(-mean / sd), 1e-300, 1.0)
    error_ref = np.exp(np.minimum(mean + sd * ndtri(share), 0.0))
    return LawSamples(alpha, error_ref * r, error_ref * (1 - r) * np.exp(alpha * data.log_n_ref), sigma)


def _zoom_alpha(data: ArmData, prior: Prior, bottom: float, top: float, noise: tuple[Floats, float, Floats]) -> Grid:
    """The grid with rows from `bottom` to `top` (logit r), each row zoomed to its own range of log alpha."""
    rows = _centres(np.array([bottom]), np.array([top]), ROWS)[0]
    low, high = np.full(ROWS, np.log(_ALPHA[0])), np.full(ROWS, np.log(_ALPHA[1]))
    log_sigma, noise_width, log_weight = noise
    for zoom in range(_ZOOMS + 1):
        # The first passes only look for the ridge: every fourth noise level is enough.
        levels = slice(None, None, 1 if zoom == _ZOOMS else 4)
        log_alpha = _centres(low, high, COLUMNS)
        log_mass = _log_posterior(data, prior, log_alpha, rows, log_sigma[levels], log_weight[levels])
        log_mass += np.log(high - low)[:, None, None]
        if zoom < _ZOOMS:
            low, high = _narrow(low, high, logsumexp(log_mass, axis=2))
    return Grid(rows, (top - bottom) / ROWS, low, high, log_sigma, noise_width, log_mass)


def _narrow(low: Floats, high: Floats, log_mass: Floats) -> tuple[Floats, Floats]:
    """Each row's range cut to the columns that hold mass and one more on either side."""
    kept = log_mass > log_mass.max(axis=1, keepdims=True) - NEGLIGIBLE
    first = np.maximum(kept.argmax(axis=1) - 1, 0)
    last = np.minimum(COLUMNS - kept[:, ::-1].argmax(axis=1) + 1, COLUMNS)
    width = (high - low) / COLUMNS
    return low + first * width, low + last * width


def _log_posterior(
    data: ArmData, prior: Prior, log_alpha: Floats, rows: Floats, log_sigma: Floats, log_weight: Floats
) -> Floats:
    """Log posterior density at (rows, log_alpha, log_sigma) with m integrated out; shape (R, A, S)."""
    residual = data.y - _shape(data.x, log_alpha, rows[:, None])
    weight = 1.0 / (np.exp(2 * log_sigma)[:, None] + data.v)
    total, first, second = weight.sum(axis=1), residual @ weight.T, residual**2 @ weight.T
    mean, sd = _reference(total, first, prior)
    constant = 0.5 * np.log(weight).sum(axis=1) + log_weight
    misfit = second + (prior.log_error_mean / prior.log_error_sd) ** 2 - (mean / sd) ** 2
    density = constant + np.log(sd) - 0.5 * misfit + log_ndtr(-mean / sd)
    return density + prior.log_density(log_alpha, rows[:, None])[..., None]


def _reference(total: Floats, first: Floats, prior: Prior) -> tuple[Floats, Floats]:
    """Mean and sd of m given the rest, before the cut at 0; from summed weights and weighted residuals."""
    precision = total + prior.log_error_sd**-2
    return (first + prior.log_error_mean * prior.log_error_sd**-2) / precision, precision**-0.5


def _shape(x: Floats, log_alpha: Floats, logit_r: Floats) -> Floats:
    """log((1 - r) exp(-alpha x) + r): the law relative to its value at the reference; adds the axis of x."""
    decay = log_expit(-logit_r)[..., None] - np.exp(log_alpha)[..., None] * x
    return np.logaddexp(decay, log_expit(logit_r)[..., None])


def _centres(low: Floats, high: Floats, cells: int) -> Floats:
    """Centres of `cells` equal cells between each low and high: shape low.shape + (cells,)."""
    return low[..., None] + (high - low)[..., None] * (np.arange(cells) + 0.5) / cells
