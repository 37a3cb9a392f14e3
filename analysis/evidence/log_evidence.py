"""The log evidence (marginal likelihood) of recorded curves under a prior: how well it foretold what was measured.

Of every arm alone, its likelihood averaged over its prior (m, r, alpha, sigma and the discrepancy); and what groups add
by sharing D and alpha. The level of noise that arms share is left out: it does not tell the candidates apart.
"""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
from scipy.special import logsumexp

from analysis.estimator.likelihood import ArmData, arm_data
from analysis.estimator.pooling import FEWEST_ARMS, log_gain
from analysis.estimator.posterior import COLUMNS, Grid, arm_parts, draw, fit_grids
from analysis.estimator.prior import Prior
from analysis.laws import LawSamples
from analysis.paper.recorded import Curve


def log_evidence(curves: Mapping[str, Curve], groups: Mapping[str, str], prior: Prior) -> tuple[float, float]:
    """Log evidence of all arms alone, and what pooling adds to it; `groups` as in `fit_laws`."""
    alone, members = 0.0, dict[str, list[tuple[ArmData, LawSamples]]]()
    for name, curve in curves.items():
        data = arm_data(curve.n, curve.error, np.zeros(curve.n.size))
        grids = fit_grids(arm_parts(data, prior), prior)
        alone += _total(grids, prior)
        samples = draw(prior, grids, np.random.default_rng(crc32(name.encode())))
        members.setdefault(groups[name], []).append((data, samples))
    gains = [log_gain(own, prior) for own in members.values() if len(own) >= FEWEST_ARMS]
    return alone, float(sum(gains))


def _total(grids: Sequence[Grid], prior: Prior) -> float:
    """The mass of an arm, with all the constants that a posterior needs not."""
    mass = float(logsumexp([grid.total() for grid in grids])) - np.log(COLUMNS)
    # Of the runs, of m, and of log sigma, whose density is known up to a constant.
    runs = grids[0].part.data.size.size
    levels = np.unique(grids[0].noise.log_sigma)
    constant = 0.5 * runs * np.log(2 * np.pi) + np.log(prior.log_error_sd)
    return float(mass - constant - logsumexp(prior.log_noise_density(levels)))
