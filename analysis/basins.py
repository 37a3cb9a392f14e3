"""Law (1) near each of its best fits, as a Gaussian: what the classical design criteria look at.

Li et al. 2026, "Spend Less, Fit Better" (arXiv 2604.22753), section 4.1 and appendix C: a mixture
sum_k w_k N(theta_k, Sigma_k) over the local optima ("basins") of least squares,

    Sigma_k = (J' J / sigma^2 + Lambda)^-1,   w_k proportional to exp(-BIC_k / 2),  BIC_k = runs log MSE_k + const

J the Jacobian of the predictions at the runs, Lambda a diagonal prior precision that holds weak directions.

What differs from the paper, and why: predictions are of log error, whose noise is the same at every n. The paper
starts 64 searches and merges what ends in nearly the same prediction; law (1) is linear in C and D, so a scan
over alpha alone finds every optimum once, and there is nothing to merge. theta = (log alpha, C / e, log d), e the
mean error and d = D n_ref^-alpha the decaying part at the geometric mean size: on these scales Lambda is the
house's own prior (`analysis.prior`). sigma is that of the arm's fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.fit import LawFit
from analysis.laws import Floats
from analysis.nls import solve_linear
from analysis.posterior import ALPHA_RANGE
from analysis.prior import Prior

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
