"""How uncertain an arm's law is after its runs, and how far one more run would reduce that, whatever its outcome.

For every draw of the arm's posterior the law is linear around the draw, in theta = (log alpha, logit r, m), the
coordinates of `analysis.estimator.posterior`: the covariance of theta after runs at n_1, n_2, ... is

    V = (prior precision + sum_i g_i g_i' / noise variance)^-1,   g_i the gradient of the log error at n_i,

and a quantity with gradient h has the variance h' V h. Its mean over the draws is the expected posterior variance of
Bayesian experimental design (Chaloner and Verdinelli 1995, equation 6: the A-criterion averaged over the posterior,
not taken at one value). A further run at n is a rank-one update of every V, so runs under way count as information
before their results are in. The policy uses the share of the variance that a run leaves.

For draws with a discrepancy b (`estimator.posterior`), b at every size is unknown beside theta: normal, with the
discrepancy's covariance before any run. A run at n shows the law and b(n) together, so a repeat reduces the variance
little and a new size much. The largest size that is run or may be run has no b. The variance of these draws counts for
a tenth (`OFF_LAW_WEIGHT`).

Where the law may end (`LawSamples.stop`), a run beyond a draw's end shows what a run at the end does; and which of the
ends is true is a question of its own, which those sizes answer at which the ends foretell different errors. Their
shares of the posterior are taken for a normal over the ends, with the covariance of the shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.estimator.law_fit import LawFit
from analysis.estimator.likelihood import discrepancy
from analysis.estimator.prior import Prior
from analysis.laws import Floats
from analysis.policy.runs import ArmState, Run

# How many draws a belief averages over, evenly picked: of those without and of those with a discrepancy.
DRAWS, DRAWS_OFF_LAW = 200, 8
# Where few sizes were run, the rare draws with a discrepancy hold most of the variance, and a design made for them
# wastes runs if the law does hold. Measured (docs/measurements/policy.md): with 1 the designs are 10 % worse than the
# bound; with 0 too few sizes are run, and the posterior at the end of a sweep is wide.
OFF_LAW_WEIGHT = 0.1
# The same of which end of the law is true. Measured (docs/measurements/policy.md): with 0 sweeps seldom learn whether
# the law ends; with 1 the designs are further from the bound where it does not.
ENDS_WEIGHT = 0.3
# Least noise of a further run. Without any noise a single run would determine the law.
_LEAST_NOISE = 1e-4


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of an arm's law in the coordinates in which it is estimated; arrays of shape (draws,).

    `log_stop`: log n at which the law of each ends, inf where it does not.
    """

    alpha: Floats
    r: Floats
    error_ref: Floats
    sigma: Floats
    log_stop: Floats
    log_n_ref: float

    @property
    def C(self) -> Floats:  # noqa: N802 - the law's letter
        """The transfer gap of each draw."""
        return self.error_ref * self.r

    def slopes(self, n: Sequence[float]) -> Floats:
        """Gradient of the log error at each n with respect to (log alpha, logit r, m); (draws, sizes, 3)."""
        x, decay = self._decay(n)
        alpha, r = self.alpha[:, None], self.r[:, None]
        level = (1 - r) * decay + r
        of_alpha = -(1 - r) * decay * alpha * x / level
        of_r = r * (1 - r) * (1 - decay) / level
        return np.stack([of_alpha, of_r, np.ones_like(level)], axis=-1)

    def errors(self, n: Sequence[float]) -> Floats:
        """Error at each n; (draws, sizes)."""
        _, decay = self._decay(n)
        errors: Floats = self.error_ref[:, None] * ((1 - self.r[:, None]) * decay + self.r[:, None])
        return errors

    def _decay(self, n: Sequence[float]) -> tuple[Floats, Floats]:
        """Log n from the middle, no further than the law goes, and (n / n_ref)^-alpha there; (draws, sizes) each."""
        x = np.minimum(np.log(np.asarray(n, float)), self.log_stop[:, None]) - self.log_n_ref
        return x, np.exp(-self.alpha[:, None] * x)


@dataclass(frozen=True)
class Asked:
    """The quantities that are asked for: their values (draws, quantities), and their gradients with respect to theta
    (draws, quantities, 3)."""

    values: Callable[[Draws], Floats]
    gradients: Callable[[Draws], Floats]


def rate_and_gap() -> Asked:
    """Log alpha, and C = exp(m) r."""

    def gradients(draws: Draws) -> Floats:
        one, zero = np.ones_like(draws.r), np.zeros_like(draws.r)
        rate = np.stack([one, zero, zero], axis=-1)
        return np.stack([rate, _of_gap(draws)[:, 0]], axis=1)

    return Asked(lambda draws: np.stack([np.log(draws.alpha), draws.C], axis=1), gradients)


def gap() -> Asked:
    """C alone."""
    return Asked(lambda draws: draws.C[:, None], _of_gap)


def prediction(n: float) -> Asked:
    """The error at n."""
    return Asked(lambda draws: draws.errors([n]), lambda draws: draws.slopes([n]) * draws.errors([n])[..., None])


def fall(n: float) -> Asked:
    """The share by which the error falls from n to 2 n."""

    def kept(draws: Draws) -> Floats:
        errors = draws.errors([n, 2 * n])
        share: Floats = errors[:, 1:] / errors[:, :1]
        return share

    def gradients(draws: Draws) -> Floats:
        slopes = draws.slopes([n, 2 * n])
        moved: Floats = (slopes[:, :1] - slopes[:, 1:]) * kept(draws)[..., None]
        return moved

    return Asked(lambda draws: 1 - kept(draws), gradients)


def _of_gap(draws: Draws) -> Floats:
    zero = np.zeros_like(draws.r)
    return np.stack([zero, draws.C * (1 - draws.r), draws.C], axis=-1)[:, None]


@dataclass(frozen=True, eq=False)
class Part:
    """Draws of an arm with their covariance of theta, or of theta and b (draws, d, d).

    `weight`: what their mean counts for among the parts. `slopes` (draws, sizes, d): where a run can be imagined, with
    the variance `noise` (draws,) of a run's log error. `gradients` (draws, quantities, d).
    """

    weight: float
    slopes: Floats
    noise: Floats
    gradients: Floats
    covariance: Floats

    @cached_property
    def variances(self) -> Floats:
        """h' V h, its mean over the draws times the weight; (quantities,)."""
        each = ((self.gradients @ self.covariance) * self.gradients).sum(axis=2)
        mean: Floats = self.weight * each.mean(axis=0)
        return mean

    def falls(self) -> Floats:
        """How far one more run at each size would lower them; (sizes, quantities)."""
        seen = self.covariance @ self.slopes.transpose(0, 2, 1)
        own = (self.slopes * seen.transpose(0, 2, 1)).sum(axis=2) + self.noise[:, None]
        across = self.gradients @ seen
        mean: Floats = self.weight * (across**2 / own[:, None]).mean(axis=0).T
        return mean

    def seen(self, place: int) -> Part:
        """The same after a run at the size of this place, whatever the outcome: a rank-one update."""
        slope = self.slopes[:, place]
        seen = (self.covariance @ slope[..., None])[..., 0]
        own = (slope * seen).sum(axis=1) + self.noise
        return replace(self, covariance=self.covariance - seen[:, :, None] * seen[:, None] / own[:, None, None])


@dataclass(eq=False)
class Belief:
    """The uncertainty of an arm's draws; conditioned in place on further runs.

    `sizes`: where a run can be imagined. `parts`: the draws that follow the law everywhere or to its end, those with a
    discrepancy, and which of the ends is true. `start` (quantities,): expected variances with the finished runs alone.
    """

    state: ArmState
    sizes: list[int]
    parts: tuple[Part, ...]
    start: Floats

    def left(self) -> Floats:
        """Share of each quantity's variance that is left after all runs conditioned on; (quantities,)."""
        return _variances(self.parts) / self.start

    def left_after(self) -> Floats:
        """The same after one more run, for every size; (sizes, quantities)."""
        falls: Floats = np.sum([part.falls() for part in self.parts], axis=0)
        return self.left() - falls / self.start

    def condition(self, n: int) -> None:
        """Take a run at n as seen, whatever the outcome."""
        place = self.sizes.index(n)
        self.parts = tuple(part.seen(place) for part in self.parts)


def belief_of(
    state: ArmState,
    candidates: Mapping[str, Sequence[int]],
    pending: Sequence[Run],
    asked: Asked | None = None,
) -> Belief:
    """The arm's belief about these quantities (else log alpha and C), its pending runs already conditioned on."""
    asked = asked or rate_and_gap()
    if not candidates.get(state.arm):
        raise ValueError(f"arm {state.arm!r} has no candidate sizes; give its ladder or leave the arm out")
    under_way = [run.n for run in pending if run.arm == state.arm]
    sizes = sorted({*candidates[state.arm], *under_way})
    tau = state.fit.samples.tau
    off_law = np.zeros(state.fit.samples.alpha.size, bool) if tau is None else tau > 0
    parts = []
    for of_kind, most, counts in ((~off_law, DRAWS, 1.0), (off_law, DRAWS_OFF_LAW, OFF_LAW_WEIGHT)):
        if of_kind.any():
            chosen = np.flatnonzero(of_kind)[:: -(-int(of_kind.sum()) // most)]
            parts.append(_part(state.fit, sizes, chosen, asked, float(of_kind.mean() * counts)))
    parts += _which_end(state.fit, sizes, ~off_law, asked)
    belief = Belief(state, sizes, tuple(parts), np.maximum(_variances(parts), 1e-300))
    for n in under_way:
        belief.condition(n)
    return belief


def _part(fit: LawFit, sizes: Sequence[int], chosen: np.ndarray, asked: Asked, weight: float) -> Part:
    """The belief of the `chosen` draws, all of which have a discrepancy or none of which has one."""
    draws = _draws(fit, chosen)
    noise = np.maximum(draws.sigma**2 + fit.log_variance.mean(), _LEAST_NOISE**2)
    slopes, gradients = draws.slopes(sizes), asked.gradients(draws)
    if fit.samples.tau is None or not fit.samples.tau[chosen[0]]:
        return Part(weight, slopes, noise, gradients, _covariance(fit, draws))
    run_at, _, _ = _sizes_run(fit)
    every = np.array(sorted({*sizes, *run_at.tolist()}), float)
    slopes = _with_walk(slopes, np.searchsorted(every, np.array(sizes, float)), every.size)
    gradients = np.concatenate([gradients, np.zeros((*gradients.shape[:2], every.size))], axis=2)
    covariance = _covariance_off_law(fit, draws, fit.samples.tau[chosen], every)
    return Part(weight, slopes, noise, gradients, covariance)


def _which_end(fit: LawFit, sizes: Sequence[int], on_law: np.ndarray, asked: Asked) -> list[Part]:
    """The question which end of the law is true, as a part of one draw whose theta are the ends; none where all draws
    agree."""
    draws = _draws(fit, np.flatnonzero(on_law))
    _, end, counts = np.unique(draws.log_stop, return_inverse=True, return_counts=True)
    if counts.size < 2:
        return []
    shares = counts / counts.sum()
    foretold, values = np.log(draws.errors(sizes)), asked.values(draws)
    slopes, gradients = (_means(each, end, counts) for each in (foretold, values))
    # The other draws' errors hide it as a run's noise does.
    noise = draws.sigma**2 + fit.log_variance.mean()
    hidden = float(noise.mean()) + (foretold - slopes[end]).var(axis=0)
    own = np.sqrt(np.maximum(hidden, _LEAST_NOISE**2))
    covariance = np.diag(shares) - np.outer(shares, shares)
    weight = ENDS_WEIGHT * float(on_law.mean())
    return [Part(weight, (slopes / own).T[None], np.ones(1), gradients.T[None], covariance[None])]


def _means(values: Floats, group: np.ndarray, counts: np.ndarray) -> Floats:
    """Mean of each column over the rows of each group; (groups, columns)."""
    sums = np.zeros((counts.size, values.shape[1]))
    np.add.at(sums, group, values)
    return sums / counts[:, None]


def _draws(fit: LawFit, chosen: np.ndarray) -> Draws:
    """These of the posterior's draws, in the coordinates of the estimator."""
    s = fit.samples
    alpha, C, D, sigma = (values[chosen] for values in (s.alpha, s.C, s.D, s.sigma))
    log_n_ref = float(np.log(fit.n).mean())
    error_ref = D * np.exp(-alpha * log_n_ref) + C
    # At the ends of its range r has no slope, and a draw there would count as known exactly.
    r = np.clip(C / error_ref, 1e-3, 1 - 1e-3)
    log_stop = np.full(alpha.size, np.inf) if s.stop is None else np.log(s.stop[chosen])
    return Draws(alpha, r, error_ref, sigma, log_stop, log_n_ref)


def _sizes_run(fit: LawFit) -> tuple[Floats, Floats, Floats]:
    """The distinct sizes of the finished runs, how often each was run, and the mean known variance there."""
    sizes, place = np.unique(fit.n, return_inverse=True)
    runs = np.bincount(place).astype(float)
    return sizes, runs, np.bincount(place, weights=fit.log_variance) / runs


def _prior_precision() -> Floats:
    """Of theta = (log alpha, logit r, m), taken for normals."""
    prior = Prior()
    return np.array([prior.alpha_log_sd, prior.logit_r_sd, prior.log_error_sd]) ** -2.0


def _covariance(fit: LawFit, draws: Draws) -> Floats:
    """Covariance of theta at each draw, given the prior and the finished runs; (draws, 3, 3)."""
    sizes, runs, known = _sizes_run(fit)
    weight = runs / np.maximum(draws.sigma[:, None] ** 2 + known, _LEAST_NOISE**2)
    slopes = draws.slopes(sizes.tolist())
    information = (slopes * weight[..., None]).transpose(0, 2, 1) @ slopes
    return np.linalg.inv(information + np.diag(_prior_precision())).astype(np.float64)


def _covariance_off_law(fit: LawFit, draws: Draws, tau: Floats, every: Floats) -> Floats:
    """Covariance of theta and of b at the sizes `every`, given the prior and the finished runs; (draws, d, d)."""
    sizes, runs, known = _sizes_run(fit)
    before = np.zeros((tau.size, 3 + every.size, 3 + every.size))
    before[:, :3, :3] = np.diag(1 / _prior_precision())
    before[:, 3:, 3:] = tau[:, None, None] ** 2 * discrepancy(np.log(every))
    slopes = _with_walk(draws.slopes(sizes.tolist()), np.searchsorted(every, sizes), every.size)
    seen = slopes @ before
    noise = np.maximum(draws.sigma[:, None] ** 2 + known, _LEAST_NOISE**2) / runs
    own = seen @ slopes.transpose(0, 2, 1) + noise[:, None] * np.eye(sizes.size)
    after: Floats = before - seen.transpose(0, 2, 1) @ np.linalg.solve(own, seen)
    return after


def _with_walk(slopes: Floats, places: np.ndarray, sizes: int) -> Floats:
    """Slopes in theta (draws, runs, 3) and in b, which a run at its own size shows; (draws, runs, 3 + sizes)."""
    own = np.broadcast_to(np.eye(sizes)[places], (slopes.shape[0], places.size, sizes))
    return np.concatenate([slopes, own], axis=2)


def _variances(parts: Sequence[Part]) -> Floats:
    total: Floats = np.sum([part.variances for part in parts], axis=0)
    return total
