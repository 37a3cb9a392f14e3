"""The paper's estimator of law (1): bounded least squares, in linear space as its code has it, or in log space as its
text says.

In linear space the law is linear in D and C for a given alpha, so D and C are solved exactly (variable projection) and
only alpha is searched. A dense scan finds every local optimum, and each is refined. The scan is needed because with D
fixed some curves have a second, meaningless optimum. Bounds as in the paper: 0.1 <= alpha <= 1.5, 0 <= C <= 1. In log
space only the level enters linearly. There the search starts from the linear optimum at each of many alphas, and the
best end counts.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.laws import Floats, LawSamples, law_error, law_gradient

Space = Literal["linear", "log"]
ALPHA_BOUNDS = (0.1, 1.5)
C_BOUNDS = (0.0, 1.0)
_STARTS = 281
_LOG_STARTS = 15
_DRAWS = 4000


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """The optimum of least squares.

    `sd` holds the standard errors of (alpha, C, D), nan where a value sits on its bound or is not determined;
    `at_bound` names the values on a bound; `dof` is runs minus free values; `samples` are draws from the
    asymptotic t distribution around the optimum.
    """

    alpha: float
    C: float
    D: float
    sigma: float
    sd: Floats
    at_bound: tuple[str, ...]
    dof: int
    samples: LawSamples


def least_squares(
    n: Floats, error: Floats, D: float | None, rng: np.random.Generator, space: Space = "linear"
) -> LeastSquares:
    """Minimise the sum over runs (arrays of shape (runs,)) of (error - D n^-alpha - C)^2, or of the same between logs.

    D None: free.
    """
    found = optimum(n, error, D) if space == "linear" else log_optimum(n, error, D)
    return _with_errors(n, error, D, found, rng, space)


def optimum(n: Floats, error: Floats, D: float | None) -> tuple[float, float, float]:
    """The (alpha, C, D) at which the sum of squares is least; as `least_squares`, without its errors."""
    # a third of a second, which the posterior does not need
    from scipy.optimize import minimize_scalar

    grid = np.linspace(*ALPHA_BOUNDS, _STARTS)
    scan = solve_linear(grid, n, error, D)[2]
    padded = np.concatenate([[np.inf], scan, [np.inf]])
    basins = np.flatnonzero((scan <= padded[:-2]) & (scan <= padded[2:]))
    step = grid[1] - grid[0]
    best, best_loss = float(grid[scan.argmin()]), float(scan.min())
    for centre in grid[basins]:
        found = minimize_scalar(
            lambda alpha: float(solve_linear(np.array([alpha]), n, error, D)[2][0]),
            bounds=(max(centre - step, ALPHA_BOUNDS[0]), min(centre + step, ALPHA_BOUNDS[1])),
            method="bounded",
            options={"xatol": 1e-10},
        )
        if found.fun < best_loss:
            best, best_loss = float(found.x), float(found.fun)
    C, decay, _ = solve_linear(np.array([best]), n, error, D)
    return best, float(C[0]), float(decay[0])


def log_optimum(n: Floats, error: Floats, D: float | None) -> tuple[float, float, float]:
    """The (alpha, C, D) at which the sum of squares between logs is least, within the bounds of `optimum`."""
    # a third of a second, which the posterior does not need
    from scipy.optimize import least_squares as minimise

    tried = np.linspace(*ALPHA_BOUNDS, _LOG_STARTS)
    C, decay, _ = solve_linear(tried, n, error, D)
    # At a bound of C the squares in logs hardly depend on C, so the search also starts inside.
    starts = [(a, c, d) for a, cs, d in zip(tried, C, decay, strict=True) for c in {float(cs), 0.5 * error.min()}]
    low, high = np.array([ALPHA_BOUNDS[0], C_BOUNDS[0], -50.0]), np.array([ALPHA_BOUNDS[1], C_BOUNDS[1], 50.0])
    free = slice(0, 3 if D is None else 2)
    log_error = np.log(error)

    def values(x: Floats) -> tuple[float, float, float]:
        return float(x[0]), float(x[1]), float(np.exp(x[2])) if D is None else D

    def residual(x: Floats) -> Floats:
        return np.log(np.maximum(law_error(n, *values(x)), 1e-300)) - log_error

    def jacobian(x: Floats) -> Floats:
        alpha, gap, rate = values(x)
        slopes = law_gradient(n, alpha, gap, rate) * np.array([1.0, 1.0, rate])
        return (slopes / np.maximum(law_error(n, alpha, gap, rate), 1e-300)[:, None])[:, free]

    ends = []
    for alpha, gap, rate in starts:
        begin = np.array([alpha, gap, np.log(max(rate, 1e-12))])[free]
        begin = np.clip(begin, low[free] + 1e-9, high[free] - 1e-9)
        ends.append(minimise(residual, begin, jac=jacobian, bounds=(low[free], high[free]), xtol=1e-12, ftol=1e-12))
    return values(min(ends, key=lambda end: float(end.cost)).x)


def solve_linear(alpha: Floats, n: Floats, error: Floats, D: float | None) -> tuple[Floats, Floats, Floats]:
    """The best C in [0, 1] and D >= 0 for each alpha, and the loss there: three arrays of shape (A,)."""
    decay = n ** -alpha[:, None]
    options: list[tuple[Floats, Floats]] = []
    if D is not None:
        # One convex variable: the clipped optimum is the bounded optimum.
        options.append((np.clip((error - D * decay).mean(axis=1), *C_BOUNDS), np.full(alpha.shape, D)))
    else:
        centred = decay - decay.mean(axis=1, keepdims=True)
        slope = (centred * error).sum(axis=1) / np.maximum((centred**2).sum(axis=1), 1e-300)
        inside = error.mean() - slope * decay.mean(axis=1)
        feasible = (slope >= 0) & (inside >= C_BOUNDS[0]) & (inside <= C_BOUNDS[1])
        options.append((np.where(feasible, inside, np.nan), slope))
        for edge in C_BOUNDS:
            rest = ((error - edge) * decay).sum(axis=1) / (decay**2).sum(axis=1)
            options.append((np.full(alpha.shape, edge), np.maximum(rest, 0.0)))
        options.append((np.full(alpha.shape, np.clip(error.mean(), *C_BOUNDS)), np.zeros(alpha.shape)))
    losses = np.stack([((error - d[:, None] * decay - c[:, None]) ** 2).sum(axis=1) for c, d in options])
    choice = np.nanargmin(losses, axis=0)
    at = np.arange(alpha.size)
    return (
        np.stack([c for c, _ in options])[choice, at],
        np.stack([d for _, d in options])[choice, at],
        losses[choice, at],
    )


def _with_errors(
    n: Floats,
    error: Floats,
    D: float | None,
    found: tuple[float, float, float],
    rng: np.random.Generator,
    space: Space,
) -> LeastSquares:
    """Standard errors from the Jacobian over the values that are free and off their bounds."""
    alpha, C, decay = found
    at_bound = tuple(
        name
        for name, value, (low, high) in (
            ("alpha", alpha, ALPHA_BOUNDS),
            ("C", C, C_BOUNDS),
            ("D", decay, (0.0, np.inf)),
        )
        if not (name == "D" and D is not None) and (value - low < 1e-6 or high - value < 1e-6)
    )
    free = [i for i, name in enumerate(("alpha", "C", "D")) if name not in at_bound and (i < 2 or D is None)]
    dof = n.size - (2 if D is not None else 3)
    law = np.maximum(law_error(n, *found), 1e-12)
    log_residual = np.log(error) - np.log(law)
    residual, scale = (error - law, 1.0) if space == "linear" else (log_residual, 1 / law[:, None])
    sigma = float(np.sqrt((log_residual**2).sum() / dof)) if dof > 0 else float("nan")
    sd = np.full(3, np.nan)
    draws = np.tile(np.array(found), (_DRAWS, 1))
    if D is not None:
        sd[2] = 0.0
    if dof > 0 and free:
        jacobian = (law_gradient(n, *found) * scale)[:, free]
        covariance = np.linalg.pinv(jacobian.T @ jacobian) * float((residual**2).sum()) / dof
        sd[free] = np.sqrt(np.diag(covariance))
        normal = rng.multivariate_normal(np.zeros(len(free)), covariance, size=_DRAWS, method="svd")
        draws[:, free] += normal / np.sqrt(rng.chisquare(dof, size=_DRAWS) / dof)[:, None]
    samples = LawSamples(
        np.clip(draws[:, 0], *ALPHA_BOUNDS),
        np.clip(draws[:, 1], *C_BOUNDS),
        np.maximum(draws[:, 2], 0.0),
        np.full(_DRAWS, sigma if np.isfinite(sigma) else 0.0),
    )
    return LeastSquares(*found, sigma, sd, at_bound, dof, samples)
