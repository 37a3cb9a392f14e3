"""Draws from a posterior whose prior is standard normal, and the evidence: tempered importance sampling with moves.

Sequential Monte Carlo (Del Moral, Doucet and Jasra 2006): draws of the prior are weighted by a growing power of the
likelihood, resampled, and moved by Metropolis steps that follow their own covariance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.laws import Floats

# Each power keeps half of the draws effective; moves go on until each draw has moved so often, on average.
_KEPT = 0.5
_MOVES, _MOST_STEPS = 4.0, 24


@dataclass(frozen=True, eq=False)
class Sampled:
    """Draws z (draws, parameters), equally weighted, and the log of the evidence."""

    z: Floats
    log_evidence: float


def sample(
    log_likelihood: Callable[[Floats], Floats], parameters: int, draws: int, rng: np.random.Generator
) -> Sampled:
    """Draws of a posterior over a standard normal prior; log_likelihood: (draws, parameters) -> (draws,)."""
    z = rng.standard_normal((draws, parameters))
    found = log_likelihood(z)
    power, evidence, stride = 0.0, 0.0, 1.0
    while power < 1.0:
        step = _next_step(found, 1.0 - power)
        logs = step * found
        weight = np.exp(logs - logs.max())
        evidence += float(logs.max() + np.log(weight.mean()))
        power = 1.0 if step >= 1.0 - power else power + step
        chosen = np.searchsorted(np.cumsum(weight) / weight.sum(), (rng.random() + np.arange(draws)) / draws)
        z, found = z[np.minimum(chosen, draws - 1)], found[np.minimum(chosen, draws - 1)]
        z, found, stride = _moved(log_likelihood, z, found, power, stride, rng)
    return Sampled(z, evidence)


def _next_step(found: Floats, left: float) -> float:
    """The largest step of the power that keeps enough draws effective."""

    def effective(step: float) -> float:
        weight = np.exp(step * (found - found.max()))
        return float(weight.sum() ** 2 / (weight**2).sum() / found.size)

    if effective(left) >= _KEPT:
        return left
    low, high = 0.0, left
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= _KEPT else (low, middle)
    return max(low, 1e-9)


def _moved(
    log_likelihood: Callable[[Floats], Floats],
    z: Floats,
    found: Floats,
    power: float,
    stride: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, float]:
    """Metropolis steps of all draws, and the stride that a quarter of them accepts."""
    draws, parameters = z.shape
    root = np.linalg.cholesky(np.cov(z.T).reshape(parameters, parameters) + 1e-9 * np.eye(parameters))
    moves = 0.0
    for _ in range(_MOST_STEPS):
        # Strides differ between draws: long ones cross, short ones follow what is narrow.
        own = stride * np.exp(rng.normal(0.0, 0.7, (draws, 1)))
        there = z + own * 2.38 / np.sqrt(parameters) * rng.standard_normal((draws, parameters)) @ root.T
        then = log_likelihood(there)
        gain = power * (then - found) - ((there**2).sum(axis=1) - (z**2).sum(axis=1)) / 2
        taken = np.log(rng.random(draws)) < gain
        z, found = np.where(taken[:, None], there, z), np.where(taken, then, found)
        share = float(taken.mean())
        moves += share
        stride = float(np.clip(stride * np.exp(share - 0.25), 0.02, 2.0))
        if moves >= _MOVES:
            break
    return z, found, stride
