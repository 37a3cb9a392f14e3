"""Does the posterior cover what it says? Simulated curves with known truth, and profile likelihood beside it.

Two questions: averaged over truths drawn from the prior, and cell by cell at fixed truths. In a cell D is set so
that half of what is not transfer gap is left at n = 1000. `sweeper bench calibration-cells` asks both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import f as f_distribution

from analysis.estimator.fit import fit_law
from analysis.estimator.law_fit import LawFit
from analysis.estimator.posterior import ALPHA_RANGE
from analysis.estimator.prior import Prior
from analysis.laws import Floats, TrueLaw

ALPHAS, GAPS, NOISES = (0.1, 0.2, 0.44, 0.8), (0.05, 0.5, 0.935), (0.001, 0.01, 0.05)
TARGETS = ("alpha", "C", "10x", "20x")
HEAD = ",".join(
    ["line", "alpha", "C", "noise", "sizes", "repeats", "simulations", "identified"]
    + [f"{kind}_{each}" for kind in ("covered", "width", "profile_covered", "profile_width") for each in TARGETS]
)
_SMALLEST = 1000.0


@dataclass(frozen=True)
class Design(TrueLaw):
    """A known law and the runs made at it: `sizes` doublings from n = 1000, each `repeats` times."""

    sizes: int
    repeats: int

    @property
    def n(self) -> Floats:
        """Sizes of all runs."""
        return np.repeat(_SMALLEST * 2.0 ** np.arange(self.sizes), self.repeats)

    def truths(self) -> Floats:
        """The values of TARGETS."""
        far = self.error(self.n.max() * np.array([10.0, 20.0]))
        return np.array([self.alpha, self.C, *far])

    def runs(self, rng: np.random.Generator) -> Floats:
        """Errors of one simulation."""
        return self.observed(self.n, rng.standard_normal(self.n.size))


def cells(sizes: Sequence[int] = (4, 7, 10), repeats: Sequence[int] = (1, 2)) -> list[Design]:
    """Every fixed cell."""
    made = []
    for k, again, alpha, C, sigma in product(sizes, repeats, ALPHAS, GAPS, NOISES):
        made.append(Design(alpha, C, 0.5 * (1 - C) * _SMALLEST**alpha, sigma, k, again))
    return made


def prior_designs(count: int, seed: int, prior: Prior | None = None) -> list[Design]:
    """Truths from the prior without discrepancy, 4 to 10 sizes, with and without repeats, errors within (0, 1)."""
    p, rng, made = prior or Prior(), np.random.default_rng(seed), list[Design]()
    while len(made) < count:
        alpha = float(np.exp(np.log(p.alpha_median) + p.alpha_log_sd * rng.standard_normal()))
        level, r = float(np.exp(rng.normal(p.log_error_mean, p.log_error_sd))), float(rng.beta(p.r_a, p.r_b))
        sigma = p.sigma_quantile(rng.uniform())
        sizes, repeats = int(rng.integers(4, 11)), int(rng.integers(1, 3))
        middle = _SMALLEST * 2 ** ((sizes - 1) / 2)
        design = Design(alpha, level * r, level * (1 - r) * middle**alpha, sigma, sizes, repeats)
        top = float(design.error(_SMALLEST))
        if top * np.exp(2 * sigma) < 1 and ALPHA_RANGE[0] < alpha < ALPHA_RANGE[1]:
            made.append(design)
    return made


def simulate(design: Design, simulations: int, seed: int) -> Floats:
    """Fit `simulations` curves of one design, by the posterior and by profile likelihood; shape (17,), as in `HEAD`.

    The share of fits that call alpha and C identified; then, per entry of TARGETS, the share that 95 % intervals cover
    and their median width; then the same of profile likelihood.
    """
    rng, truth = np.random.default_rng(seed), design.truths()
    ours, profile, identified = [], [], []
    for _ in range(simulations):
        error = design.runs(rng)
        fit = fit_law(design.n, error)
        ours.append(posterior_intervals(fit))
        identified.append(fit.identified)
        profile.append(profile_intervals(design.n, error))
    return np.array([np.mean(identified), *_judge(np.array(ours), truth), *_judge(np.array(profile), truth)])


def posterior_intervals(fit: LawFit) -> Floats:
    """95 % intervals of TARGETS, shape (4, 2)."""
    low, high = fit.band(fit.n.max() * np.array([10.0, 20.0]), 0.95)
    return np.array([fit.alpha.interval(0.95), fit.C.interval(0.95), (low[0], high[0]), (low[1], high[1])])


def profile_intervals(n: Floats, error: Floats, level: float = 0.95) -> Floats:
    """Profile-likelihood intervals of TARGETS with the F quantile, shape (4, 2); in log error, the same bounds.

    All values that some law takes whose sum of squares is within the F quantile of the least. (alpha, r) are
    searched on rows of r that zoom in; the level is solved exactly.
    """
    dof = n.size - 3
    slack = f_distribution.ppf(level, 1, dof) / dof
    x, y, far = np.log(n) - np.log(n).mean(), np.log(error), np.log(n.max() * np.array([10.0, 20.0])) - np.log(n).mean()
    bottom, top = -7.0, 8.0
    # The first looks only bracket the region; the last draws its edge.
    for rows, columns in ((40, 20), (40, 20), (40, 20), (80, 40)):
        edge = np.linspace(bottom, top, rows + 1)
        logit_r = (edge[1:] + edge[:-1]) / 2
        low, high = (np.full(rows, np.log(value)) for value in ALPHA_RANGE)
        for _ in range(4):
            log_alpha = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, columns)
            r = 1 / (1 + np.exp(-logit_r))[:, None, None]
            alpha = np.exp(log_alpha)[..., None]
            residual = y - np.log((1 - r) * np.exp(-alpha * x) + r)
            squares = residual.var(axis=-1) * n.size
            limit = np.maximum(squares.min() * (1 + slack), squares.min(axis=1, keepdims=True))
            inside = squares <= limit
            first, last = inside.argmax(axis=1), columns - 1 - inside[:, ::-1].argmax(axis=1)
            at = np.arange(rows)
            low, high = log_alpha[at, np.maximum(first - 1, 0)], log_alpha[at, np.minimum(last + 1, columns - 1)]
        limit = squares.min() * (1 + slack)
        inside = squares <= limit
        held = np.flatnonzero(inside.any(axis=1))
        step = edge[1] - edge[0]
        bottom, top = max(logit_r[held[0]] - step, -7.0), min(logit_r[held[-1]] + step, 8.0)
    # At each (alpha, r) the level has room too: log level = mean residual +- room keeps the sum of squares allowed.
    level, room = residual.mean(axis=-1)[inside], np.sqrt((limit - squares[inside]) / n.size)
    relative = [r[..., 0] + 0 * squares, *(((1 - r) * np.exp(-alpha * each) + r)[..., 0] for each in far)]
    alphas = np.exp(log_alpha)[inside]
    ends = [(alphas.min(), alphas.max())]
    for each in relative:
        log_value = level + np.log(each[inside])
        ends.append((np.exp((log_value - room).min()), np.exp((log_value + room).max())))
    return np.array(ends)


def line(index: int, design: Design, simulations: int) -> str:
    """The line of CSV under `HEAD` of the design at `index` of a table."""
    known = (design.alpha, design.C, design.sigma, design.sizes, design.repeats, simulations)
    found = simulate(design, simulations, seed=7000 + index)
    return ",".join([str(index), *(f"{value:.4g}" for value in (*known, *found))])


def _judge(intervals: Floats, truth: Floats) -> Floats:
    """Share that holds the truth, then median width, per target; intervals (simulations, 4, 2)."""
    held = (intervals[..., 0] <= truth) & (truth <= intervals[..., 1])
    widths = intervals[..., 1] - intervals[..., 0]
    return np.concatenate([held.mean(axis=0), np.median(widths, axis=0)])
