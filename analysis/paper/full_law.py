"""Law (2) fitted to many sizes n and numbers s of real images, and the paper's appendix D: one D for all settings.

Law (2) is law (1) at each s with D = delta s^-beta and C = gamma D. The posteriors of law (1) at each s therefore give
estimates of law (2) too, although alpha and gamma may differ between them: `full_law_draws`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares as minimise

from analysis.estimator.least_squares import ALPHA_BOUNDS, Space, optimum, solve_linear
from analysis.laws import Floats, LawSamples, full_law_error, full_law_gradient

_STARTS = 24


@dataclass(frozen=True)
class FullLaw:
    """Law (2) at the least squares optimum; `sd`: standard errors in the order of the values, nan at a bound.

    `rmse`: in error for space "linear", in log error for "log". E is 0 and has sd 0 where it was not fitted.
    """

    space: Space
    alpha: float
    beta: float
    gamma: float
    delta: float
    E: float
    sd: tuple[float, ...]
    rmse: float


def fit_full_law(
    n: Floats, s: Floats, error: Floats, *, space: Space = "linear", irreducible: bool = False, seed: int = 0
) -> FullLaw:
    """Least squares of law (2) from many starts.

    The search is in (log alpha, beta, log gamma, log delta, E), which keeps all values positive; 0.02 <= alpha <= 3.

    Args:
        n, s, error: synthetic images, real images and error of each run, shape (runs,).
        space: where the squares are summed.
        irreducible: whether E is fitted; else it is 0.
        seed: draws the starts.

    Raises:
        ValueError: fewer runs than values, fewer than three values of n, or fewer than two of s.
    """
    values = 5 if irreducible else 4
    if n.size <= values or np.unique(n).size < 3 or np.unique(s).size < 2:
        raise ValueError(f"law (2) needs more than {values} runs over at least 3 n and 2 s; there are {n.size} runs")
    low = np.array([np.log(0.02), 0.0, np.log(1e-6), np.log(1e-6), 0.0])[:values]
    high = np.array([np.log(3.0), 3.0, np.log(1e3), np.log(1e6), float(error.min())])[:values]
    rng = np.random.default_rng(seed)
    best = None
    for _ in range(_STARTS):
        alpha, beta = float(np.exp(rng.uniform(np.log(0.1), np.log(1.5)))), rng.uniform(0.05, 1.0)
        gamma = float(np.exp(rng.uniform(np.log(1e-3), np.log(3))))
        delta = float(np.exp(np.mean(np.log(error) - np.log(full_law_error(n, s, alpha, beta, gamma, 1.0)))))
        start = np.array([np.log(alpha), beta, np.log(gamma), np.log(delta), 0.3 * error.min()])[:values]
        found = minimise(
            _residual,
            np.clip(start, low + 1e-9, high - 1e-9),
            jac=_jacobian,
            bounds=(low, high),
            args=(n, s, error, space),
            x_scale="jac",
            xtol=1e-12,
            ftol=1e-12,
            max_nfev=400,
        )
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    alpha, beta, gamma, delta, E = _values(best.x)
    covariance = np.linalg.pinv(best.jac.T @ best.jac) * 2 * best.cost / (n.size - values)
    scale = np.array([alpha, 1.0, gamma, delta, 1.0])[:values]
    sd = np.sqrt(np.diag(covariance)) * scale
    sd[np.minimum(best.x - low, high - best.x) < 1e-7] = np.nan
    spread = (*map(float, sd), *([0.0] if not irreducible else []))
    return FullLaw(space, alpha, beta, gamma, delta, E, spread, float(np.sqrt(2 * best.cost / n.size)))


def full_law_draws(laws: Mapping[float, LawSamples]) -> dict[str, Floats]:
    """Draws of (alpha, beta, gamma, delta) from those of law (1) at each number s of real images, two or more.

    beta and delta gamma: the straight line of log C over log s, which the runs know far better than D. alpha and
    log gamma = log(C / D): means over s, each s weighted by how well it knows them.
    """
    log_s = np.log(np.array(list(laws)))
    alpha = np.array([law.alpha for law in laws.values()])
    log_gap = np.log(np.maximum([law.C for law in laws.values()], 1e-6))
    log_share = log_gap - np.log(np.maximum([law.D for law in laws.values()], 1e-6))
    slope, level = np.polyfit(log_s, log_gap, 1)
    gamma = np.exp(_weighted(log_share))
    return {"alpha": _weighted(alpha), "beta": -slope, "gamma": gamma, "delta": np.exp(level) / gamma}


def _weighted(draws: Floats) -> Floats:
    """Mean over the rows (s, draws), each weighted by its precision."""
    weight = 1 / draws.var(axis=1)
    mean: Floats = weight @ draws / weight.sum()
    return mean


def appendix_D(curves: Sequence[tuple[Floats, Floats]], start: float | None = None) -> tuple[float, list[float]]:  # noqa: N802
    """The paper's appendix D: one D for all settings, by medians in turn; returns it and the steps to it.

    First the median over the settings (n, error) of their own D, fitted with alpha and C (or `start` instead). Then,
    given D, every setting has its alpha; given alpha, its own D by linear least squares; the next D is the median of
    those, until it moves by less than 0.001, at most 60 times. A setting whose alpha is on its bound is left out.
    """
    steps = [_median_D(curves, None) if start is None else start]
    while len(steps) <= 60:
        steps.append(_median_D(curves, steps[-1]))
        if abs(steps[-1] - steps[-2]) < 0.001:
            break
    return steps[-1], steps


def _median_D(curves: Sequence[tuple[Floats, Floats]], D: float | None) -> float:  # noqa: N802
    """Median of the settings' own D at the alpha that each has under D (None: free)."""
    found = []
    for n, error in curves:
        alpha = optimum(n, error, D)[0]
        if ALPHA_BOUNDS[0] + 1e-6 < alpha < ALPHA_BOUNDS[1] - 1e-6:
            found.append(float(solve_linear(np.array([alpha]), n, error, None)[1][0]))
    if not found:
        at = "D free" if D is None else f"D = {D:g}"
        raise ValueError(f"with {at} every alpha is at its bound; start appendix D elsewhere")
    return float(np.median(found))


def loss_landscape(curves: Sequence[tuple[Floats, Floats]], alpha: Floats, D: Floats) -> Floats:
    """RMSE of law (1) over (alpha, D) with each setting's best C in [0, 1], mean over settings; shape (alpha, D)."""
    total = np.zeros((alpha.size, D.size))
    for n, error in curves:
        for j, each in enumerate(D):
            total[:, j] += np.sqrt(solve_linear(alpha, n, error, float(each))[2] / n.size)
    return total / len(curves)


def _values(x: Floats) -> tuple[float, float, float, float, float]:
    return (
        float(np.exp(x[0])),
        float(x[1]),
        float(np.exp(x[2])),
        float(np.exp(x[3])),
        float(x[4]) if x.size > 4 else 0.0,
    )


def _residual(x: Floats, n: Floats, s: Floats, error: Floats, space: Space) -> Floats:
    predicted = full_law_error(n, s, *_values(x))
    return predicted - error if space == "linear" else np.log(predicted) - np.log(error)


def _jacobian(x: Floats, n: Floats, s: Floats, error: Floats, space: Space) -> Floats:
    alpha, beta, gamma, delta, E = _values(x)
    gradient = full_law_gradient(n, s, alpha, beta, gamma, delta) * np.array([alpha, 1.0, gamma, delta, 1.0])
    if space == "log":
        gradient = gradient / full_law_error(n, s, alpha, beta, gamma, delta, E)[:, None]
    return gradient[:, : x.size]
