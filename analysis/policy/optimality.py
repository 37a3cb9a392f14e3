"""Policies by the classical criteria of optimal design, to measure `analysis.policy.adaptive.propose` against.

As in Li et al. 2026, "Spend Less, Fit Better" (arXiv 2604.22753), written here from the paper: D-optimal and
V-optimal (section 5.1) linearise the law at the best fit alone; the mean squared prediction error over several
modes (sections 4.2 and 4.3, appendix D) keeps every basin. All three divide the gain by cost^0.4, as the paper does
in all its experiments. The target region is the one beyond what can be run: the next three doublings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.estimator.fit import LawFit
from analysis.estimator.least_squares import solve_linear
from analysis.estimator.posterior import ALPHA_RANGE
from analysis.estimator.prior import Prior
from analysis.laws import Floats
from analysis.policy.baselines import Pick, Prepare, Priced, greedy_policy
from analysis.policy.runs import ArmState, Run

COST_EXPONENT = 0.4
_TARGET_DOUBLINGS = np.array([2.0, 4.0, 8.0])
_QUADRATURE = 401
_REACH = 6.0


@dataclass(frozen=True, eq=False)
class Mixture:
    """What an arm's runs leave open: its basins, the noise variance of a log error, and the sizes to predict."""

    basins: tuple[Basin, ...]
    noise: float
    target: Floats

    def seen(self, n: int) -> Mixture:
        """The same after a run at n, whatever its outcome."""
        return replace(self, basins=tuple(basin.seen(n, self.noise) for basin in self.basins))

    def best(self) -> Mixture:
        """The best fit alone."""
        return replace(self, basins=(replace(self.basins[0], weight=1.0),))


# What a further run at n would bring.
Gain = Callable[[Mixture, int], float]


def log_det_gain(known: Mixture, n: int) -> float:
    """D-optimality: the rise of log det of the information, log(1 + j' Sigma j / sigma^2), at the best fit."""
    basin = known.basins[0]
    look = basin.jacobian(np.array([n], float))[0]
    return float(np.log1p(look @ basin.covariance @ look / known.noise))


def target_variance_gain(known: Mixture, n: int) -> float:
    """V-optimality: the fall of the mean variance over the target region, at the best fit."""
    return _within(known.best(), n)


def prediction_error_gain(known: Mixture, n: int) -> float:
    """The expected fall of the target region's mean squared prediction error (section 4.2): within and between."""
    between = 0.0
    if len(known.basins) > 1:
        between = _between(known) - _between_after(known, n)
    return _within(known, n) + between


def _worthiest(gain: Gain) -> Prepare:
    """The run of the largest gain per cost^0.4; what it leaves open is then looked at anew."""

    def prepare(
        arms: Sequence[ArmState], candidates: Mapping[str, Sequence[int]], pending: Sequence[Run], seed: int
    ) -> Pick:
        known = {state.arm: _mixture(state, candidates[state.arm], pending) for state in arms}
        ties = np.random.default_rng(seed)

        def worth(option: Priced) -> tuple[float, float]:
            run, price = option
            gained = gain(known[run.arm], run.n) / max(price, 1e-12) ** COST_EXPONENT
            return float(f"{gained:.9e}"), float(ties.random())

        def pick(runs: Sequence[Priced]) -> Priced:
            chosen = max(runs, key=worth)
            run, _ = chosen
            known[run.arm] = known[run.arm].seen(run.n)
            return chosen

        return pick

    return prepare


propose_d_optimal = greedy_policy("D-optimal", _worthiest(log_det_gain))
propose_v_optimal = greedy_policy("V-optimal on the target region", _worthiest(target_variance_gain))
propose_prediction_error = greedy_policy("least prediction error over several modes", _worthiest(prediction_error_gain))


def _mixture(state: ArmState, sizes: Sequence[int], pending: Sequence[Run]) -> Mixture:
    noise = float((state.fit.samples.sigma**2).mean())
    top = max((*sizes, *state.fit.n))
    known = Mixture(tuple(find_basins(state.fit, noise)), noise, top * _TARGET_DOUBLINGS)
    for run in pending:
        if run.arm == state.arm:
            known = known.seen(run.n)
    return known


def _within(known: Mixture, n: int) -> float:
    """Appendix D.3: sum_k w_k |J_k Sigma_k j_k|^2 / s_k^2, a mean over the target region."""
    total = 0.0
    for basin in known.basins:
        look = basin.jacobian(np.array([n], float))[0]
        gain = basin.covariance @ look
        shift = basin.jacobian(known.target) @ gain
        total += basin.weight * float(shift @ shift) / (known.noise + float(look @ gain))
    return total / known.target.size


def _between(known: Mixture) -> float:
    """Section 4.1: how far the basins' predictions lie apart, a mean over the target region."""
    weights = np.array([basin.weight for basin in known.basins])
    predicted = np.array([basin.predict(known.target) for basin in known.basins])
    apart = predicted - weights @ predicted
    return float((weights @ apart**2).mean())


def _between_after(known: Mixture, n: int) -> float:
    """Appendix D.4: the same, expected after a run at n; an integral over its outcome y."""
    at = np.array([n], float)
    weights = np.array([basin.weight for basin in known.basins])
    looks = np.array([basin.jacobian(at)[0] for basin in known.basins])
    gains = np.array([basin.covariance @ look for basin, look in zip(known.basins, looks, strict=True)])
    mean = np.array([basin.predict(at)[0] for basin in known.basins])
    variance = known.noise + (looks * gains).sum(axis=1)
    sd = np.sqrt(variance)
    y = np.linspace((mean - _REACH * sd).min(), (mean + _REACH * sd).max(), _QUADRATURE)
    density = weights * np.exp(-0.5 * ((y[:, None] - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    total = np.maximum(density.sum(axis=1), 1e-300)
    after = density / total[:, None]
    slopes = np.array([b.jacobian(known.target) @ g for b, g in zip(known.basins, gains, strict=True)])
    slopes /= variance[:, None]
    predicted = np.array([basin.predict(known.target) for basin in known.basins])
    updated = predicted + slopes * (y[:, None] - mean)[..., None]
    apart = updated - (after[..., None] * updated).sum(axis=1, keepdims=True)
    spread = (after[..., None] * apart**2).sum(axis=1).mean(axis=1)
    return float(np.trapezoid(spread * total, y))


_ALPHAS = np.geomspace(*ALPHA_RANGE, 241)


_PRIOR = Prior()


_PRIOR_PRECISION = np.diag(np.array([_PRIOR.alpha_log_sd, _PRIOR.r_sd, _PRIOR.log_error_sd]) ** -2)


@dataclass(frozen=True, eq=False)
class Basin:
    """One local optimum and how well the runs hold it.

    `weight`: share of the mixture. `alpha`, `C`, `d`, `log_n_ref`, `scale` (e): the law there; `covariance` (3, 3)
    of theta.
    """

    weight: float
    alpha: float
    C: float
    d: float
    log_n_ref: float
    scale: float
    covariance: Floats

    def predict(self, n: Floats) -> Floats:
        """Log error at n, shape (sizes,)."""
        return np.log(self.d * self._decay(n) + self.C)

    def jacobian(self, n: Floats) -> Floats:
        """Gradient of log error in theta, shape (sizes, 3)."""
        decay = self.d * self._decay(n)
        slope = -decay * self.alpha * (np.log(n) - self.log_n_ref)
        return np.stack([slope, np.full_like(decay, self.scale), decay], axis=-1) / (decay + self.C)[:, None]

    def seen(self, n: float, noise: float) -> Basin:
        """The same after a run at n whose noise has variance `noise`, whatever its outcome (rank-one update)."""
        look = self.jacobian(np.array([n], float))[0]
        gain = self.covariance @ look
        return replace(self, covariance=self.covariance - np.outer(gain, gain) / (look @ gain + noise))

    def _decay(self, n: Floats) -> Floats:
        decay: Floats = np.exp(-self.alpha * (np.log(n) - self.log_n_ref))
        return decay


def find_basins(fit: LawFit, noise: float) -> list[Basin]:
    """Every local optimum of least squares over the arm's runs, the best first; `noise`: variance of a log error."""
    C, D, loss = solve_linear(_ALPHAS, fit.n, fit.error, None)
    padded = np.concatenate([[np.inf], loss, [np.inf]])
    # On a plateau, as where no decay fits at all, its first point stands for all.
    optima = np.flatnonzero((loss < padded[:-2]) & (loss <= padded[2:]))
    optima = optima[loss[optima].argsort()]
    scale = float(fit.error.mean())
    # Three runs can be met exactly; what a fit leaves is never taken for less than a hundredth of the noise.
    mean_square = loss[optima] / fit.n.size + 1e-4 * noise * scale**2
    weights = (mean_square / mean_square[0]) ** (-fit.n.size / 2)
    log_n_ref = float(np.log(fit.n).mean())
    found = []
    for at, weight in zip(optima, weights / weights.sum(), strict=True):
        d = max(float(D[at] * np.exp(-_ALPHAS[at] * log_n_ref)), 1e-6 * scale)
        bare = Basin(float(weight), float(_ALPHAS[at]), float(C[at]), d, log_n_ref, scale, np.zeros((3, 3)))
        looks = bare.jacobian(fit.n) / np.sqrt(noise + fit.log_variance)[:, None]
        covariance = np.asarray(np.linalg.inv(looks.T @ looks + _PRIOR_PRECISION), dtype=np.float64)
        found.append(replace(bare, covariance=covariance))
    return found
