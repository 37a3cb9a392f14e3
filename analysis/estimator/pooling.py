"""Pooling over arms: a common level of run noise, and D and alpha that resemble each other within a group.

Run noise: log sigma of every arm scatters by `Prior.noise_spread` around a level that all arms share.

D and alpha: with probability `Prior.pooled_share` an arm belongs to its group, where

    log D ~ N(mu_D, tau_D^2),   log alpha ~ N(mu_a, tau_a^2),   C ~ Beta(r_a, r_b) on [0, 1] as r has it

and otherwise it has its own prior alone. The paper's appendix D takes one D for all settings. Here each group has a
level and a spread of D, both inferred, and an arm whose runs disagree is not pooled. alpha is pooled more weakly: its
spread in a group is at least 0.4 in log. The levels and spreads lie on a grid. The prior of an arm is informed by the
other arms only. An arm with fewer than two others to learn from is not pooled, because two arms do not show how far
arms scatter.

An arm with runs at a single size has no slope. Its prior is informed by its group, but it does not inform the group. It
is a member with probability 1, because its own runs cannot contradict that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_expit, logsumexp

from analysis.estimator.likelihood import ArmData
from analysis.estimator.posterior import ALPHA_RANGE, Grid, LogRatio
from analysis.estimator.prior import Prior
from analysis.laws import Floats, LawSamples

FEWEST_ARMS = 3
# The others that an arm at a single size must have to learn from.
FEWEST_TEACHERS = FEWEST_ARMS - 1
# Spreads of log D, from hardly any to one so wide that pooling has no effect; half-normal weights with this scale.
_D_SPREADS = np.array([0.15, 0.3, 0.6, 1.2])
_D_SPREAD_SCALE = 0.5
# The group's level of log D has a very wide prior around 0, which is an error of 1 at one image.
_D_LEVEL_SD = 3.0
_D_STEP = 0.15
_ALPHA_SPREADS = np.array([0.4, 0.8])
_ALPHA_LEVELS = np.linspace(np.log(0.1), np.log(1.5), 9)
_ALPHA_LEVEL_SD = 0.7
_DRAWS_READ = 1000


def with_shared_noise(grids: Mapping[str, Sequence[Grid]], prior: Prior) -> dict[str, list[Grid]]:
    """Every arm's grids with the noise pairs weighted by what the other arms show of the common level of noise."""
    levels = np.unique(next(iter(grids.values()))[0].noise.log_sigma)
    # The common level has the prior of a single arm's noise. Given the level, an arm's own noise has no other prior.
    before = prior.log_noise_density(levels)
    scatter = -0.5 * ((levels[:, None] - levels) / prior.noise_spread) ** 2
    scatter -= logsumexp(scatter, axis=1, keepdims=True)
    said = {arm: logsumexp(scatter + _level_mass(parts) - before, axis=1) for arm, parts in grids.items()}
    together = before + np.sum(list(said.values()), axis=0)
    shared = {}
    for arm, own in said.items():
        weight = logsumexp((together - own)[:, None] + scatter, axis=0) - before
        shared[arm] = [grid.reweighted(grid.noise.weighted(weight - weight.max())) for grid in grids[arm]]
    return shared


def _level_mass(parts: Sequence[Grid]) -> Floats:
    return logsumexp([part.log_level_mass() for part in parts], axis=0)


@dataclass(frozen=True, eq=False)
class _Levels:
    """The grid of a group's levels and spreads: for log D (H,), for log alpha (G,), with log weights."""

    D: Floats
    D_spread: Floats
    D_weight: Floats
    alpha: Floats
    alpha_spread: Floats
    alpha_weight: Floats


@dataclass(frozen=True, eq=False)
class _Table:
    """Log density of (log D, log alpha) that a group expects of an arm, on an even grid."""

    low: tuple[float, float]
    step: tuple[float, float]
    log_density: Floats

    def at(self, log_D: Floats, log_alpha: Floats) -> Floats:
        """Bilinear between the nodes; beyond them the edge's value."""
        from scipy.ndimage import map_coordinates

        places = [(log_D - self.low[0]) / self.step[0], (log_alpha - self.low[1]) / self.step[1]]
        return map_coordinates(self.log_density, places, order=1, mode="nearest")


def pooled_priors(
    arms: Sequence[tuple[ArmData, LawSamples]], flat: Sequence[ArmData], prior: Prior
) -> tuple[list[LogRatio], list[LogRatio]]:
    """For every arm of one group, what the other arms add to its prior: of `arms`, if they are FEWEST_ARMS or more, and
    of `flat`, those at a single size.

    `arms`: data and draws of each arm with a slope as fitted alone, FEWEST_TEACHERS or more.
    """
    levels = _levels(arms)
    said = np.array([_evidence(data, samples, levels, prior) for data, samples in arms])
    together = said.sum(axis=0) + levels.D_weight[:, None] + levels.alpha_weight
    own = zip(arms, said, strict=True) if len(arms) >= FEWEST_ARMS else ()
    sloping = [_ratio(data, _table(together - each, levels), prior, prior.pooled_share) for (data, _), each in own]
    if not flat:
        return sloping, []
    table = _table(together, levels)
    return sloping, [_ratio(data, table, prior, 1.0) for data in flat]


def log_gain(arms: Sequence[tuple[ArmData, LawSamples]], prior: Prior) -> float:
    """Log evidence of one group's arms together over that of each standing alone; `arms` as for `pooled_priors`."""
    levels = _levels(arms)
    said = np.sum([_evidence(data, samples, levels, prior) for data, samples in arms], axis=0)
    return float(logsumexp(said + levels.D_weight[:, None] + levels.alpha_weight))


def _levels(arms: Sequence[tuple[ArmData, LawSamples]]) -> _Levels:
    every = np.concatenate([samples.D for _, samples in arms])
    # A plateau has no D.
    seen = np.log(every[every > 0]) if (every > 0).any() else np.zeros(1)
    low, high = np.quantile(seen, [0.02, 0.98])
    D, D_spread = (each.ravel() for each in np.meshgrid(np.arange(low, high + _D_STEP, _D_STEP), _D_SPREADS))
    alpha, alpha_spread = (each.ravel() for each in np.meshgrid(_ALPHA_LEVELS, _ALPHA_SPREADS))
    # Spreads are about evenly spaced in log, so their weight carries a factor of the spread.
    D_weight = -0.5 * (D / _D_LEVEL_SD) ** 2 - 0.5 * (D_spread / _D_SPREAD_SCALE) ** 2 + np.log(D_spread)
    alpha_weight = -0.5 * ((alpha - np.log(0.35)) / _ALPHA_LEVEL_SD) ** 2
    return _Levels(
        D,
        D_spread,
        D_weight - logsumexp(D_weight),
        alpha,
        alpha_spread,
        alpha_weight - logsumexp(alpha_weight),
    )


def _evidence(data: ArmData, samples: LawSamples, levels: _Levels, prior: Prior) -> Floats:
    """Log evidence of an arm for every level, relative to standing alone; shape (H, G)."""
    every = max(samples.alpha.size // _DRAWS_READ, 1)
    alpha, C, D = samples.alpha[::every], samples.C[::every], samples.D[::every]
    draws, falls = alpha.size, D > 0
    alpha, C, log_D = alpha[falls], C[falls], np.log(D[falls])
    log_alpha = np.log(alpha)
    decay = log_D - alpha * data.log_n_ref
    m = np.logaddexp(decay, np.log(np.maximum(C, 1e-300)))
    weight = _log_volume(m, decay - m, prior) - prior.log_alpha_density(log_alpha)
    weight[(C > 1) | (m > 0)] = -np.inf
    of_D = _normal(log_D, levels.D[:, None], levels.D_spread[:, None])
    of_alpha = _normal(log_alpha, levels.alpha[:, None], levels.alpha_spread[:, None])
    # Of a plateau a group says nothing: whatever its levels, it is as probable as alone.
    ratio = ((of_D * np.exp(weight)) @ of_alpha.T + draws - alpha.size) / draws
    return np.log(1 - prior.pooled_share + prior.pooled_share * ratio)


def _table(log_weight: Floats, levels: _Levels) -> _Table:
    weight = np.exp(log_weight - logsumexp(log_weight))
    margin = 4 * float(_D_SPREADS.max())
    log_D = np.arange(levels.D.min() - margin, levels.D.max() + margin, 0.05)
    low, high = (float(np.log(alpha)) for alpha in ALPHA_RANGE)
    log_alpha = np.linspace(low, high, 51)
    matter = weight.sum(axis=1) > 1e-5 * weight.sum(axis=1).max()
    of_D = _normal(log_D[:, None], levels.D[matter], levels.D_spread[matter])
    of_alpha = _normal(log_alpha[:, None], levels.alpha, levels.alpha_spread)
    density = of_D @ weight[matter] @ of_alpha.T
    step = (0.05, float(log_alpha[1] - log_alpha[0]))
    return _Table((float(log_D[0]), float(log_alpha[0])), step, np.log(np.maximum(density, 1e-300)))


def _ratio(data: ArmData, table: _Table, prior: Prior, share: float) -> LogRatio:
    def ratio(log_alpha: Floats, logit_r: Floats, m: Floats) -> Floats:
        log_rest = log_expit(-logit_r)
        log_D = m + log_rest + np.exp(log_alpha) * data.log_n_ref
        group = table.at(log_D, log_alpha) + _log_volume(m, log_rest, prior) - prior.log_alpha_density(log_alpha)
        return group if share == 1 else np.logaddexp(np.log(1 - share), np.log(share) + group)

    return ratio


def _log_volume(m: Floats, log_rest: Floats, prior: Prior) -> Floats:
    """Log of d(log D, C) / d(m, r) times a member's density of C, over the own prior; log_rest = log(1 - r)."""
    r = np.clip(-np.expm1(log_rest), 1e-12, 1 - 1e-12)
    C = np.clip(np.exp(m) * r, 1e-12, 1 - 1e-12)
    return m - log_rest + _log_beta(C, prior) - prior.log_error_density(m) - _log_beta(r, prior)


def _log_beta(share: Floats, prior: Prior) -> Floats:
    """Log density of the share of gap, of r itself or of C in [0, 1]."""
    logit = np.log(share) - np.log1p(-share)
    return prior.log_r_density(logit) - np.log(share) - np.log1p(-share)


def _normal(x: Floats, mean: Floats, sd: Floats) -> Floats:
    return np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
