"""What attributes do to the shape of the curve: the share of the gap in the error at one size, and the rate.

The logit of an arm's share of gap C / error(n), and the log of its alpha, are each a mean, main effects, shrunken pair
effects and a residual (`analysis.effects.model`). What an arm's own runs say of either is its posterior, fitted without
a group, divided by its prior, both taken as normal. An arm whose runs hardly say one is left out of it; its share
and rate are then what its attributes foretell. The rate is shrunken most: rates of one group are much alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit, logit

from analysis.effects.factors import Factors
from analysis.effects.fit import EffectsFit, fit_effects, measured_of
from analysis.effects.model import EffectsPrior
from analysis.estimator.fit import fit_laws
from analysis.estimator.law_fit import LawFit, shortest_interval
from analysis.estimator.prior import Prior
from analysis.laws import Floats

Quantity = Literal["share of gap", "rate"]

# Of the logit of the share: a main effect of 0.3 moves a share of 60 % by 7 points. Rates differ less.
PRIORS: Mapping[Quantity, EffectsPrior] = {
    "share of gap": EffectsPrior(scale=(0.3, 0.8)),
    "rate": EffectsPrior(scale=(0.2, 0.8)),
}
_LEVEL = 0.95
_SHARES = (0.02, 0.98)
_UNBOUNDED = (-np.inf, np.inf)
_PRIOR_DRAWS = 20_000
# A posterior with this part of the prior's variance or more is far from normal, and leans on the prior: share and rate
# are then told apart by it alone, in all arms to the same side.
_UNTOLD = 0.05


@dataclass(frozen=True)
class CurveEffect:
    """What one level in place of another does to a quantity of the law, on average over all other factors.

    `change`: of the share of gap a difference (fractions of the error), of the rate the ratio of alphas; the median,
    with the `interval` that holds 95 %. `shown`: whether that interval leaves out that nothing changes. `arms`: whose
    runs say something of the quantity.
    """

    quantity: Quantity
    factor: str
    level: str
    against: str
    change: float
    interval: tuple[float, float]
    shown: bool
    arms: int


def curve_fits(factors: Factors, laws: Mapping[int, LawFit], n: float, seed: int = 0) -> dict[Quantity, EffectsFit]:
    """The fit of each quantity of which `fewest_arms` or more say something.

    Args:
        factors: what settings differ in.
        laws: of the arms with one, by their place among the combinations.
        n: the size at which the share of the gap is taken.
        seed: decides the draws.
    """
    runs = {str(place): (law.n, law.error, law.log_variance) for place, law in laws.items()}
    if len(runs) < fewest_arms(factors):
        return {}
    alone = fit_laws(runs, seed=seed, groups={name: name for name in runs})
    found = dict[Quantity, EffectsFit]()
    for quantity, prior in PRIORS.items():
        told = {int(name): said for name, law in alone.items() if (said := _told(law, quantity, n)) is not None}
        if len(told) >= fewest_arms(factors):
            measured = measured_of(list(told), [mean for mean, _ in told.values()], [v for _, v in told.values()])
            found[quantity] = fit_effects(factors, measured, prior=prior, within=_UNBOUNDED, seed=seed)
    return found


def fewest_arms(factors: Factors) -> int:
    """One more than there are main effects and a mean, and three at least."""
    return max(3, 2 + factors.main_effects)


def curve_effects(fits: Mapping[Quantity, EffectsFit]) -> tuple[CurveEffect, ...]:
    """The main effects of every quantity, the largest first; second levels against first ones."""
    return tuple(each for quantity, fit in fits.items() for each in _effects(quantity, fit))


def in_words(each: CurveEffect) -> str:
    """One effect on the curve as a sentence."""
    what, (low, high) = f"{each.factor}: {each.level} instead of {each.against}", each.interval
    if each.quantity == "share of gap":
        verb = "changes" if each.shown else "is not shown to change"
        points = f"{100 * each.change:+.0f} points ({100 * low:+.0f} to {100 * high:+.0f})"
        return f"{what} {verb} the share of the gap in the error: {points}"
    verb = "changes" if each.shown else "is not shown to change"
    return f"{what} {verb} the rate: alpha times {each.change:.2f} ({low:.2f} to {high:.2f})"


def _effects(quantity: Quantity, fit: EffectsFit) -> Iterator[CurveEffect]:
    of_share = quantity == "share of gap"
    values, nothing = (expit(fit.level), 0.0) if of_share else (fit.level, 1.0)
    found = []
    for factor, name in enumerate(fit.factors.names):
        at = fit.factors.level_places[:, factor]
        levels = fit.factors.levels[name]
        first = values[:, at == 0].mean(axis=1)
        for i in range(1, len(levels)):
            draws = values[:, at == i].mean(axis=1) - first
            draws = draws if of_share else np.exp(draws)
            low, high = (float(end) for end in shortest_interval(draws, _LEVEL))
            shown = not low <= nothing <= high
            change, arms = float(np.median(draws)), int(fit.measured.place.size)
            found.append(CurveEffect(quantity, name, levels[i], levels[0], change, (low, high), shown, arms))
    yield from sorted(found, key=lambda each: -abs(each.change - nothing))


def _told(law: LawFit, quantity: Quantity, n: float) -> tuple[float, float] | None:
    """Mean and variance of what an arm's runs alone say of a quantity; None where that is nothing."""
    log_n_ref = float(np.log(law.n).mean())
    before = _before(quantity, float(np.log(n)) - log_n_ref)
    after = np.log(law.samples.alpha) if quantity == "rate" else _logit(law.samples.limit / law.samples.error(n))
    variance, prior_variance = float(after.var()), float(before.var())
    if variance >= _UNTOLD * prior_variance:
        return None
    precision = 1 / variance - 1 / prior_variance
    mean = (float(after.mean()) / variance - float(before.mean()) / prior_variance) / precision
    return mean, 1 / precision


def _before(quantity: Quantity, x: float) -> Floats:
    """Draws of the prior of a quantity, at x = log(n / n_ref)."""
    rng, prior = np.random.default_rng(0), Prior()
    log_alpha = np.log(prior.alpha_median) + prior.alpha_log_sd * rng.standard_normal(_PRIOR_DRAWS)
    if quantity == "rate":
        return log_alpha
    r = rng.beta(prior.r_a, prior.r_b, _PRIOR_DRAWS)
    r[rng.random(_PRIOR_DRAWS) < prior.plateau_share] = 1.0
    return _logit(r / (r + (1 - r) * np.exp(-np.exp(log_alpha) * x)))


def _logit(share: Floats) -> Floats:
    """Shares beyond _SHARES count as its ends: their logit says nothing more."""
    kept: Floats = logit(np.clip(share, *_SHARES))
    return kept
