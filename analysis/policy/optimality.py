"""Policies by the classical criteria of optimal design, to measure `analysis.policy.adaptive.propose` against.

As in Li et al. 2026, "Spend Less, Fit Better" (arXiv 2604.22753), section 5.1, written here from the paper: D-optimal
and V-optimal. Both linearise the law at the best fit of least squares and divide the gain by cost^0.4, as the paper
does in all its experiments. The target region is the one beyond what can be run: the next three doublings.

The paper's own criterion, the mean squared prediction error over several local optima (sections 4.2 and 4.3), is
V-optimality where there is one optimum. The two scored the same in every measurement (docs/measurements/policy.md), so
only V-optimality is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.estimator.law_fit import LawFit
from analysis.estimator.least_squares import solve_linear
from analysis.estimator.posterior import ALPHA_RANGE
from analysis.estimator.prior import Prior
from analysis.laws import Floats
from analysis.policy.baselines import Pick, Prepare, Priced, greedy_policy
from analysis.policy.runs import ArmState, Run

COST_EXPONENT = 0.4
_TARGET_DOUBLINGS = np.array([2.0, 4.0, 8.0])
_ALPHAS = np.geomspace(*ALPHA_RANGE, 241)
_PRIOR = Prior()
_PRIOR_PRECISION = np.diag(np.array([_PRIOR.alpha_log_sd, _PRIOR.r_sd, _PRIOR.log_error_sd]) ** -2)


@dataclass(frozen=True, eq=False)
class BestFit:
    """The law of least squares over an arm's runs, and what the runs leave open of it.

    `alpha`, `C`, `d`: the law C + d exp(-alpha (log n - log_n_ref)), with n_ref the geometric mean size and `scale` the
    mean error. `covariance` (3, 3): that of theta = (log alpha, C / scale, log d), (J' J / sigma^2 + Lambda)^-1 with J
    the gradients of log error at the runs and Lambda the precision of the estimator's own prior. `noise`: sigma^2, the
    variance of a run's log error.
    """

    alpha: float
    C: float
    d: float
    log_n_ref: float
    scale: float
    covariance: Floats
    noise: float

    def jacobian(self, n: Floats) -> Floats:
        """Gradient of log error in theta, shape (sizes, 3)."""
        decay = self.d * np.exp(-self.alpha * (np.log(n) - self.log_n_ref))
        slope = -decay * self.alpha * (np.log(n) - self.log_n_ref)
        return np.stack([slope, np.full_like(decay, self.scale), decay], axis=-1) / (decay + self.C)[:, None]

    def seen(self, n: int) -> BestFit:
        """The same after a run at n, whatever its outcome (rank-one update)."""
        gain, spread = self.response(n)
        return replace(self, covariance=self.covariance - np.outer(gain, gain) / (spread + self.noise))

    def response(self, n: int) -> tuple[Floats, float]:
        """Covariance of theta with the law's log error at n, shape (3,), and the variance of that log error."""
        slope = self.jacobian(np.array([n], float))[0]
        gain = self.covariance @ slope
        return gain, float(slope @ gain)


# What a further run at n would bring, with the sizes of the target region.
Gain = Callable[[BestFit, int, Floats], float]


def log_det_gain(fit: BestFit, n: int, _: Floats) -> float:
    """D-optimality: the rise of log det of the information, log(1 + j' Sigma j / sigma^2)."""
    _, spread = fit.response(n)
    return float(np.log1p(spread / fit.noise))


def target_variance_gain(fit: BestFit, n: int, target: Floats) -> float:
    """V-optimality: the fall of the mean variance over the target region, |J Sigma j|^2 / (sigma^2 + j' Sigma j)."""
    gain, spread = fit.response(n)
    shift = fit.jacobian(target) @ gain
    return float(shift @ shift) / (fit.noise + spread) / target.size


def _worthiest(gain: Gain) -> Prepare:
    """The run of the largest gain per cost^0.4; what it leaves open is then reckoned anew."""

    def prepare(
        arms: Sequence[ArmState], candidates: Mapping[str, Sequence[int]], pending: Sequence[Run], seed: int
    ) -> Pick:
        fits = {state.arm: best_fit(state.fit) for state in arms}
        targets = {s.arm: max((*candidates[s.arm], *s.fit.n)) * _TARGET_DOUBLINGS for s in arms}
        for run in pending:
            if run.arm in fits:
                fits[run.arm] = fits[run.arm].seen(run.n)
        ties = np.random.default_rng(seed)

        def worth(option: Priced) -> tuple[float, float]:
            run, price = option
            gained = gain(fits[run.arm], run.n, targets[run.arm]) / max(price, 1e-12) ** COST_EXPONENT
            return float(f"{gained:.9e}"), float(ties.random())

        def pick(runs: Sequence[Priced]) -> Priced:
            chosen = max(runs, key=worth)
            run, _ = chosen
            fits[run.arm] = fits[run.arm].seen(run.n)
            return chosen

        return pick

    return prepare


propose_d_optimal = greedy_policy("D-optimal", _worthiest(log_det_gain))
propose_v_optimal = greedy_policy("V-optimal on the target region", _worthiest(target_variance_gain))


def best_fit(fit: LawFit) -> BestFit:
    """The best of least squares over the arm's runs, with the run noise of its posterior."""
    noise = float((fit.samples.sigma**2).mean())
    C, D, loss = solve_linear(_ALPHAS, fit.n, fit.error, None)
    best = int(loss.argmin())
    scale = float(fit.error.mean())
    log_n_ref = float(np.log(fit.n).mean())
    d = max(float(D[best] * np.exp(-_ALPHAS[best] * log_n_ref)), 1e-6 * scale)
    bare = BestFit(float(_ALPHAS[best]), float(C[best]), d, log_n_ref, scale, np.zeros((3, 3)), noise)
    slopes = bare.jacobian(fit.n) / np.sqrt(noise + fit.log_variance)[:, None]
    covariance = np.asarray(np.linalg.inv(slopes.T @ slopes + _PRIOR_PRECISION), dtype=np.float64)
    return replace(bare, covariance=covariance)
