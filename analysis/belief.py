"""What an arm's runs leave open, and how far one more run would narrow it, whatever its outcome.

For every draw of the arm's posterior the law is linear around the draw, in theta = (log alpha, logit r, m), the
coordinates of `analysis.posterior`: the covariance of theta after runs at n_1, n_2, ... is

    V = (prior precision + sum_i g_i g_i' / noise variance)^-1,   g_i the gradient of the log error at n_i,

and a quantity with gradient h has the variance h' V h. Its mean over the draws is the expected posterior variance of
Bayesian experimental design (Chaloner and Verdinelli 1995, equation 6: the A-criterion averaged over the posterior,
not taken at one value). A further run at n is a rank-one update of every V, so runs under way count as information
before they are in. What is used of it is the share of the variance that a run leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.fit import LawFit
from analysis.laws import Floats
from analysis.prior import Prior

# Draws that a belief averages over: one in twenty of the posterior's, which come in order of their place.
DRAWS = 200
# Least noise that a further run may have: a fit without any would make one run teach everything.
_LEAST_NOISE = 1e-4


@dataclass(frozen=True, order=True)
class Run:
    """One pre-train and fine-tune at (arm, n, seed)."""

    arm: str
    n: int
    seed: int


@dataclass(frozen=True, eq=False)
class ArmState:
    """What is known of an arm: its fit and the runs that are finished."""

    arm: str
    fit: LawFit
    done: tuple[Run, ...]

    @cached_property
    def times(self) -> Counter[int]:
        """How often each size has been run."""
        return Counter(run.n for run in self.done)

    @cached_property
    def next_seeds(self) -> dict[int, int]:
        """For each size that has been run, the smallest seed above all it has had."""
        seeds: dict[int, int] = {}
        for run in self.done:
            seeds[run.n] = max(seeds.get(run.n, 0), run.seed + 1)
        return seeds


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of an arm's law in the coordinates in which it is estimated; arrays of shape (draws,)."""

    alpha: Floats
    r: Floats
    error_ref: Floats
    sigma: Floats
    log_n_ref: float

    @property
    def C(self) -> Floats:  # noqa: N802 - the law's letter
        """The transfer gap of each draw."""
        return self.error_ref * self.r

    def slopes(self, n: Sequence[float]) -> Floats:
        """Gradient of the log error at each n with respect to (log alpha, logit r, m); (draws, sizes, 3)."""
        x = np.log(np.asarray(n, float)) - self.log_n_ref
        alpha, r = self.alpha[:, None], self.r[:, None]
        decay = np.exp(-alpha * x)
        level = (1 - r) * decay + r
        of_alpha = -(1 - r) * decay * alpha * x / level
        of_r = r * (1 - r) * (1 - decay) / level
        return np.stack([of_alpha, of_r, np.ones_like(level)], axis=-1)


# From draws to the gradients of the quantities that are asked for, with respect to theta; (draws, quantities, 3).
Gradients = Callable[[Draws], Floats]


def rate_and_gap(draws: Draws) -> Floats:
    """Gradients of log alpha and of C = exp(m) r."""
    one, zero = np.ones_like(draws.r), np.zeros_like(draws.r)
    rate = np.stack([one, zero, zero], axis=-1)
    return np.stack([rate, gap(draws)[:, 0]], axis=1)


def gap(draws: Draws) -> Floats:
    """Gradient of C alone."""
    zero = np.zeros_like(draws.r)
    return np.stack([zero, draws.C * (1 - draws.r), draws.C], axis=-1)[:, None]


def prediction(n: float) -> Gradients:
    """Gradient of the error at n."""

    def gradients(draws: Draws) -> Floats:
        x = np.log(n) - draws.log_n_ref
        error = draws.error_ref * ((1 - draws.r) * np.exp(-draws.alpha * x) + draws.r)
        return draws.slopes([n]) * error[:, None, None]

    return gradients


@dataclass(eq=False)
class Belief:
    """An arm's covariance of theta at each draw (draws, 3, 3); conditioned in place on further runs.

    `sizes`: where a run can be imagined, with `slopes` (draws, sizes, 3); `gradients` (draws, quantities, 3); `start`
    (quantities,): expected variances with the finished runs alone.
    """

    state: ArmState
    sizes: list[int]
    slopes: Floats
    noise: Floats
    gradients: Floats
    covariance: Floats
    start: Floats

    def left(self) -> Floats:
        """Share of each quantity's variance that is left once all runs conditioned on are in; (quantities,)."""
        return _variances(self.gradients, self.covariance).mean(axis=0) / self.start

    def left_after(self) -> Floats:
        """The same after one more run, for every size; (sizes, quantities)."""
        seen = self.covariance @ self.slopes.transpose(0, 2, 1)
        own = (self.slopes * seen.transpose(0, 2, 1)).sum(axis=2) + self.noise[:, None]
        across = self.gradients @ seen
        falls = across**2 / own[:, None]
        return self.left() - falls.mean(axis=0).T / self.start

    def condition(self, n: int) -> None:
        """Take a run at n as seen: a rank-one update of every draw's covariance, whatever the outcome."""
        slope = self.slopes[:, self.sizes.index(n)]
        seen = (self.covariance @ slope[..., None])[..., 0]
        own = (slope * seen).sum(axis=1) + self.noise
        self.covariance = self.covariance - seen[:, :, None] * seen[:, None] / own[:, None, None]


def believe(
    state: ArmState,
    candidates: Mapping[str, Sequence[int]],
    pending: Sequence[Run],
    gradients: Gradients = rate_and_gap,
) -> Belief:
    """The arm's belief about the quantities with these gradients, its pending runs already conditioned on."""
    if not candidates.get(state.arm):
        raise ValueError(f"arm {state.arm!r} has no candidate sizes; give its ladder or leave the arm out")
    under_way = [run.n for run in pending if run.arm == state.arm]
    sizes = sorted({*candidates[state.arm], *under_way})
    draws = thin(state.fit)
    noise = np.maximum(draws.sigma**2 + state.fit.log_variance.mean(), _LEAST_NOISE**2)
    asked = gradients(draws)
    covariance = _covariance(state.fit, draws)
    start = _variances(asked, covariance).mean(axis=0)
    belief = Belief(state, sizes, draws.slopes(sizes), noise, asked, covariance, np.maximum(start, 1e-300))
    for n in under_way:
        belief.condition(n)
    return belief


def thin(fit: LawFit) -> Draws:
    """DRAWS of the posterior's draws, evenly picked, in the coordinates of the estimator."""
    every = max(fit.samples.alpha.size // DRAWS, 1)
    s = fit.samples
    alpha, C, D, sigma = (values[::every] for values in (s.alpha, s.C, s.D, s.sigma))
    log_n_ref = float(np.log(fit.n).mean())
    error_ref = D * np.exp(-alpha * log_n_ref) + C
    # At the ends of its range r has no slope, and a draw there would count as known for ever.
    r = np.clip(C / error_ref, 1e-3, 1 - 1e-3)
    return Draws(alpha, r, error_ref, sigma, log_n_ref)


def _covariance(fit: LawFit, draws: Draws) -> Floats:
    """Covariance of theta at each draw, given the prior and the finished runs; (draws, 3, 3)."""
    prior = Prior()
    # logit r of a Beta(a, b): for the uniform r it is logistic, with a standard deviation of pi / sqrt(3).
    precision = np.diag([prior.alpha_log_sd**-2, 3 / np.pi**2, prior.log_error_sd**-2])
    sizes, place = np.unique(fit.n, return_inverse=True)
    runs = np.bincount(place)
    known = np.bincount(place, weights=fit.log_variance) / runs
    weight = runs / np.maximum(draws.sigma[:, None] ** 2 + known, _LEAST_NOISE**2)
    slopes = draws.slopes(sizes.tolist())
    information = (slopes * weight[..., None]).transpose(0, 2, 1) @ slopes
    return np.linalg.inv(information + precision).astype(np.float64)


def _variances(gradients: Floats, covariance: Floats) -> Floats:
    """h' V h for every draw and quantity; (draws, quantities)."""
    variances: Floats = ((gradients @ covariance) * gradients).sum(axis=2)
    return variances


def next_seed(arm: str, n: int, runs: Sequence[Run]) -> int:
    """The smallest seed above all that (arm, n) has in `runs`."""
    return max((run.seed for run in runs if (run.arm, run.n) == (arm, n)), default=-1) + 1
