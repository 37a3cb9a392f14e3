"""The posterior of law (1) for one arm, on a grid that is refined where the mass is. It is deterministic.

Model, in log error, for run i with n_i images:

    log e_i = m + log((1 - r) (n_i / n_ref)^-alpha + r) + b(n_i) + noise,   noise ~ N(0, sigma^2 + v_i)

which is law (1) (Mikami et al. 2021, equation 1) written with well-scaled quantities: m is the log error at
the geometric mean n_ref of the sizes, r = C / exp(m) the share of that error which is transfer gap, v_i the
known variance of the run's mean over its fine-tuning repeats. D = exp(m) (1 - r) n_ref^alpha follows. The prior is on
the error at a size inside the data, because with a prior uniform in D the intervals do not cover.

b is the discrepancy: small n may lie before the region that the law describes. It is a random walk of the
curvature that starts from nothing at the largest n and goes down in log n (a Brownian motion integrated twice),

    cov(b(n), b(n')) = tau^2 p^3 (p^2 - 5 p q + 10 q^2) / 120,   p <= q the distances log(n_max / n), log(n_max / n')

so that runs far below the largest n inform the law less than those near it. How much less follows from tau, which is
inferred. No cut in n has to be chosen. Beyond the largest n the law goes wrong half as
fast (`analysis.laws.Bend`).

With probability `Prior.plateau_share` the error falls no further in the range of the runs and beyond it: r = 1, and
log e_i = m + b(n_i) + noise. Measured curves do end in plateaus, and a law whose r has a density comes near to one only
with a small part of its mass. With probability `Prior.break_share` the law ends between two of the sizes, and the error
stays as it is from there on.

m and b are integrated out exactly (normals; m is cut at error <= 1); (r, alpha, sigma, tau) live on the grid.
For a given r the data fix alpha narrowly, so each row of the grid has its own range of alpha: the grid follows the
ridge of the posterior.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, log_expit, log_ndtr, ndtr, ndtri

from analysis.estimator.likelihood import ArmData, Weights, misfit, weigh
from analysis.estimator.prior import Noise, Prior
from analysis.laws import Bend, Floats, LawSamples

ROWS, COLUMNS = 32, 24
DRAWS = 4000
# Cells this far below the best (in log posterior) hold no mass that matters: exp(-7) = 0.001.
_NEGLIGIBLE = 7.0
_ZOOMS = 3
_MOST_STOPS = 4
_LOGIT_R = (-6.0, 7.0)
ALPHA_RANGE = (0.02, 3.0)
# Above this many standard deviations the cut of m at error 1 takes nothing away.
_FAR_FROM_ONE = 6.0

# Log of what a group says of an arm, relative to the arm's own prior: a function of (log alpha, logit r, m).
LogRatio = Callable[[Floats, Floats, Floats], Floats]


@dataclass(frozen=True, eq=False)
class Part:
    """What one grid describes: an arm's runs, the noise pairs (L,), and the runs that are taken for outliers.

    `plateau`: the error falls no further at all (r = 1). `stop`: the x at which the law ends; `data.x` goes up to it.
    """

    data: ArmData
    noise: Noise
    outliers: tuple[int, ...] = ()
    plateau: bool = False
    stop: float = np.inf


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid over (logit r, log alpha, noise pairs) with the log posterior mass of its cells.

    `rows` (R,) and `row_width`; `low`, `high` (R,): each row's range of log alpha; `log_mass` (R, A, L), not
    normalised.
    """

    part: Part
    rows: Floats
    row_width: float
    low: Floats
    high: Floats
    log_mass: Floats

    @property
    def noise(self) -> Noise:
        """The noise pairs, shape (L,)."""
        return self.part.noise

    @property
    def log_alpha(self) -> Floats:
        """Centres of the cells, shape (R, A)."""
        return _centres(self.low, self.high, COLUMNS)

    def log_level_mass(self) -> Floats:
        """Log mass of each run noise, shape (levels,)."""
        pairs = _log_sum(self.log_mass, axis=(0, 1))
        return _log_sum(pairs.reshape(self.noise.level.max() + 1, -1), axis=1)

    def reweighted(self, noise: Noise) -> Grid:
        """The same cells under other weights of the same noise pairs."""
        part = replace(self.part, noise=noise)
        return replace(self, part=part, log_mass=self.log_mass + (noise.log_weight - self.noise.log_weight))

    def total(self) -> float:
        """Log of the whole mass."""
        return float(_log_sum(self.log_mass, axis=(0, 1, 2)))


def arm_parts(data: ArmData, prior: Prior, outliers: tuple[int, ...] = (), log_weight: float = 0.0) -> list[Part]:
    """The parts of an arm's posterior with these outliers, of the prior log weight `log_weight` together: for each of
    the prior's noises the law and the plateau; and without discrepancy the law that ends between two sizes."""
    on_law, *_ = noises = prior.noise(blocks=data.together is not None)
    stops = _stops(data) if prior.break_share else []
    rest = 1 - prior.plateau_share - prior.break_share * bool(stops)
    parts = [Part(data, _weighted(noise, rest, log_weight), outliers) for noise in noises]
    if prior.plateau_share:
        parts += [Part(data, _weighted(each, prior.plateau_share, log_weight), outliers, True) for each in noises]
    for stop, share in stops:
        ended = replace(data, x=np.minimum(data.x, stop))
        parts.append(Part(ended, _weighted(on_law, prior.break_share * share, log_weight), outliers, stop=stop))
    return parts


def _stops(data: ArmData) -> list[tuple[float, float]]:
    """Where a law may end: midway between two sizes, and the share of the range of sizes that lies between them.

    Of many sizes only the largest matter, because a law that ends early is nearly a plateau.
    """
    sizes = np.unique(data.x)[-_MOST_STOPS - 1 :]
    gaps = np.diff(sizes)
    return list(zip((sizes[:-1] + gaps / 2).tolist(), (gaps / np.ptp(data.x)).tolist(), strict=True))


def _weighted(noise: Noise, share: float, log_weight: float) -> Noise:
    return replace(noise, log_weight=noise.log_weight + log_weight + np.log(share))


def fit_grids(parts: Sequence[Part], prior: Prior, ratio: LogRatio | None = None) -> tuple[Grid, ...]:
    """The posterior mass of one arm, a grid for each of its parts; `ratio`: what its group adds to its prior.

    The law alone, the law with a discrepancy and the plateau with and without one have a grid each. With a discrepancy
    the fit is nearly as good far from the ridge, and a grid wide enough for that would miss the narrow ridge of the law
    alone.
    """
    return tuple(_plateau(part, prior) if part.plateau else _fit_grid(part, prior, ratio) for part in parts)


def _plateau(part: Part, prior: Prior) -> Grid:
    """The mass of a plateau: r = 1, and alpha, of which the runs say nothing, as its prior has it."""
    rows, low, high = np.array([np.inf]), np.log([ALPHA_RANGE[0]]), np.log([ALPHA_RANGE[1]])
    log_alpha = _centres(low, high, COLUMNS)
    log_mass = _level_density(part.data, prior, log_alpha, rows, (part.noise, weigh(part.data, part.noise)))[0]
    log_mass += (prior.log_alpha_density(log_alpha) + np.log(high - low)[:, None])[..., None]
    return Grid(part, rows, 0.0, low, high, log_mass)


def _fit_grid(part: Part, prior: Prior, ratio: LogRatio | None) -> Grid:
    """Zoom in on the posterior mass of one part."""
    data, noise = part.data, part.noise
    bottom, top = _LOGIT_R
    # The first passes only search for the ridge. A few noise pairs are enough for that and save time.
    few = noise.thinned()
    scout, full = (few, weigh(data, few)), (noise, weigh(data, noise))
    while True:
        rows = _centres(np.array([bottom]), np.array([top]), ROWS)[0]
        low, high, row_mass = _follow_ridge(data, prior, rows, scout, ratio)
        width = (top - bottom) / ROWS
        kept = np.flatnonzero(row_mass > row_mass.max() - _NEGLIGIBLE)
        # The span counts, not the number: between the rows kept, rows of a very narrow ridge may be missing.
        if kept[-1] - kept[0] >= ROWS // 2:
            log_mass = _log_posterior(data, prior, _centres(low, high, COLUMNS), rows, full, ratio)
            log_mass += np.log((high - low) * width)[:, None, None]
            return Grid(part, rows, width, low, high, log_mass)
        bottom, top = max(rows[kept[0]] - width, _LOGIT_R[0]), min(rows[kept[-1]] + width, _LOGIT_R[1])


def best_law(grid: Grid) -> Floats:
    """Log error at each size of the arm's data by the cell of the most mass, but for the level; shape (sizes,)."""
    row, column, _ = np.unravel_index(grid.log_mass.argmax(), grid.log_mass.shape)
    law: Floats = _shape(grid.part.data.x, grid.log_alpha[row, column], grid.rows[row])
    return law


def draw(prior: Prior, grids: Sequence[Grid], rng: np.random.Generator) -> LawSamples:
    """DRAWS joint draws in random order: each grid gives as many as its share of the mass."""
    totals = np.array([grid.total() for grid in grids])
    shares = np.exp(totals - _log_sum(totals, axis=0))
    ends = np.rint(np.cumsum(shares) * DRAWS).astype(int)
    counts = np.diff(ends, prepend=0)
    parts = [_draw_from(prior, grid, int(count), rng) for grid, count in zip(grids, counts, strict=True) if count]
    # The cells come in order. Without a shuffle the draws of two arms would be correlated.
    order = rng.permutation(DRAWS)
    alpha, C, D, sigma, tau, stop = (np.concatenate(values)[order] for values in zip(*parts, strict=True))
    return LawSamples(alpha, C, D, sigma, tau, _bend(grids[0].part.data, tau, rng), stop)


def _bend(data: ArmData, tau: Floats, rng: np.random.Generator) -> Bend | None:
    """How draws with a discrepancy leave the law beyond the largest size; None where none has one."""
    if not tau.any():
        return None
    last = float(np.exp(data.x.max() + data.log_n_ref))
    return Bend(tau / np.sqrt(80), rng.standard_normal(tau.size), last, float(np.ptp(data.x)))


def _draw_from(prior: Prior, grid: Grid, count: int, rng: np.random.Generator) -> tuple[Floats, ...]:
    """alpha, C, D, sigma, tau and the n at which the law ends, (count,) each.

    By systematic resampling of the cells, then a place inside each cell.
    """
    data = grid.part.data
    mass = np.exp(grid.log_mass - grid.log_mass.max())
    cumulative = np.cumsum(mass)
    points = (np.arange(count) + rng.random()) / count * cumulative[-1]
    cells = np.minimum(np.searchsorted(cumulative, points), mass.size - 1)
    row, column, pair = np.unravel_index(cells, grid.log_mass.shape)

    logit_r = grid.rows[row] + grid.row_width * (rng.random(count) - 0.5)
    column_width = (grid.high - grid.low)[row] / COLUMNS
    centres = grid.log_alpha
    log_alpha = centres[row, column] + column_width * (rng.random(count) - 0.5)
    if not grid.part.plateau:
        log_alpha += _along_ridge(grid, mass.sum(axis=2), row, logit_r)
    log_alpha = np.clip(log_alpha, *np.log(ALPHA_RANGE))
    sigma = np.exp(grid.noise.log_sigma[pair] + grid.noise.width * (rng.random(count) - 0.5))

    alpha, r = np.exp(log_alpha), expit(logit_r)
    residual, weights = data.y - _shape(data.x, log_alpha, logit_r), weigh(data, grid.noise)
    sums = weights.sums[pair]
    if weights.shift is not None:
        residual += weights.shift[pair]
    mean, sd = _reference(sums.sum(axis=1), (sums * residual).sum(axis=1), prior)
    share = np.clip(rng.random(count) * ndtr(-mean / sd), 1e-300, 1.0)
    error_ref = np.exp(np.minimum(mean + sd * ndtri(share), 0.0))
    D = error_ref * (1 - r) * np.exp(alpha * data.log_n_ref)
    stop = np.full(count, np.exp(grid.part.stop + data.log_n_ref))
    return alpha, error_ref * r, D, sigma, grid.noise.tau[pair], stop


def _along_ridge(grid: Grid, in_row: Floats, row: np.ndarray, logit_r: Floats) -> Floats:
    """How far alpha moves along the ridge where r moves inside its row; otherwise narrow posteriors would become wider.

    `in_row` (R, A): mass of the cells; `row`, `logit_r` (draws,).
    """
    centres, total = grid.log_alpha, in_row.sum(axis=1)
    best = centres[np.arange(grid.rows.size), in_row.argmax(axis=1)]
    ridge = np.where(total > 0, (in_row * centres).sum(axis=1) / np.maximum(total, 1e-300), best)
    moved: Floats = np.interp(logit_r, grid.rows, ridge) - ridge[row]
    return moved


def _follow_ridge(
    data: ArmData, prior: Prior, rows: Floats, scout: tuple[Noise, Weights], ratio: LogRatio | None
) -> tuple[Floats, Floats, Floats]:
    """Each row's range of log alpha, zoomed to where its mass is, and the row's log mass: three (R,) arrays."""
    low, high = np.full(ROWS, np.log(ALPHA_RANGE[0])), np.full(ROWS, np.log(ALPHA_RANGE[1]))
    for _ in range(_ZOOMS):
        log_alpha = _centres(low, high, COLUMNS)
        log_mass = _log_sum(_log_posterior(data, prior, log_alpha, rows, scout, ratio), axis=2)
        log_mass += np.log(high - low)[:, None]
        low, high = _narrow(low, high, log_mass)
    return low, high, _log_sum(log_mass, axis=1)


def _narrow(low: Floats, high: Floats, log_mass: Floats) -> tuple[Floats, Floats]:
    """Each row's range cut to the columns that hold mass and one more on either side."""
    kept = log_mass > log_mass.max(axis=1, keepdims=True) - _NEGLIGIBLE
    first = np.maximum(kept.argmax(axis=1) - 1, 0)
    last = np.minimum(COLUMNS - kept[:, ::-1].argmax(axis=1) + 1, COLUMNS)
    width = (high - low) / COLUMNS
    return low + first * width, low + last * width


def _log_posterior(
    data: ArmData,
    prior: Prior,
    log_alpha: Floats,
    rows: Floats,
    pairs: tuple[Noise, Weights],
    ratio: LogRatio | None,
) -> Floats:
    """Log posterior density at (rows, log_alpha, noise pairs) with m and b integrated out; shape (R, A, L)."""
    density, mean = _level_density(data, prior, log_alpha, rows, pairs)
    logit_r = np.broadcast_to(rows[:, None], log_alpha.shape)
    own = prior.log_alpha_density(log_alpha) + prior.log_r_density(logit_r)
    if ratio is not None:
        at_best = np.take_along_axis(mean, density.argmax(axis=2)[..., None], axis=2)[..., 0]
        own = own + ratio(log_alpha, logit_r, np.minimum(at_best, 0.0))
    return density + own[..., None]


def _level_density(
    data: ArmData, prior: Prior, log_alpha: Floats, rows: Floats, pairs: tuple[Noise, Weights]
) -> tuple[Floats, Floats]:
    """Log density of the runs and the noise pairs at (rows, log_alpha), m and b integrated out, and the mean of m; both
    (R, A, L)."""
    noise, weights = pairs
    logit_r = np.broadcast_to(rows[:, None], log_alpha.shape)
    residual = data.y - _shape(data.x, log_alpha, logit_r)
    first, form = misfit(residual, weights)
    mean, sd = _reference(weights.sums.sum(axis=1), first, prior)
    form += (prior.log_error_mean / prior.log_error_sd) ** 2 - (mean / sd) ** 2
    density = weights.log_scale + noise.log_weight + np.log(sd) - 0.5 * form
    near_one = mean > -_FAR_FROM_ONE * sd
    if near_one.any():
        density[near_one] += log_ndtr(-(mean / sd)[near_one])
    return density, mean


def _reference(total: Floats, first: Floats, prior: Prior) -> tuple[Floats, Floats]:
    """Mean and sd of m given the rest, before the cut at 0; from summed weights and weighted residuals."""
    precision = total + prior.log_error_sd**-2
    return (first + prior.log_error_mean * prior.log_error_sd**-2) / precision, precision**-0.5


def _shape(x: Floats, log_alpha: Floats, logit_r: Floats) -> Floats:
    """log((1 - r) exp(-alpha x) + r): the law relative to its value at the reference; adds the axis of x."""
    decay = np.exp(log_expit(-logit_r)[..., None] - np.exp(log_alpha)[..., None] * x)
    return np.log(decay + expit(logit_r)[..., None])


def _log_sum(log_mass: Floats, axis: int | tuple[int, ...]) -> Floats:
    """scipy's logsumexp, without its overhead on small arrays."""
    peak = log_mass.max(axis=axis, keepdims=True)
    return np.log(np.exp(log_mass - peak).sum(axis=axis)) + peak.squeeze(axis)


def _centres(low: Floats, high: Floats, cells: int) -> Floats:
    """Centres of `cells` equal cells between each low and high: shape low.shape + (cells,)."""
    return low[..., None] + (high - low)[..., None] * (np.arange(cells) + 0.5) / cells
