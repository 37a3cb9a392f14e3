"""Do the intervals of effects hold the truth? Simulated settings of known error, and recorded ones held out.

A world is a table of every combination's log error and the noise of a run about it. Sizes are drawn evenly in log from
ranges that are written here and that the priors of `analysis.effects.model` were not fitted to: settings differ by 2 to
15 % of the error, a run is off by 0.3 to 3 %. Half of the worlds have a factor of three levels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from analysis.effects.answers import LEVEL, main_effects
from analysis.effects.curves import Quantity, curve_effects, curve_fits
from analysis.effects.design import fraction
from analysis.effects.factors import Factors
from analysis.effects.fit import EffectsFit, fit_effects, measured_of
from analysis.effects.search import search
from analysis.estimator.fit import fit_laws
from analysis.estimator.law_fit import shortest_interval
from analysis.evidence.factors.tables import FactorTable
from analysis.laws import Floats

RUNS = 16
_SIZES, _NOISES = (0.02, 0.15), (0.003, 0.03)
_FACTORS = (
    Factors(dict.fromkeys("abcdef", ("0", "1"))),
    Factors({"a": ("0", "1", "2")} | dict.fromkeys("bcde", ("0", "1"))),
)

_CURVE_FACTORS = Factors(dict.fromkeys("abcd", ("0", "1")))
CURVE_SIZES = (250.0, 1_000.0, 4_000.0, 16_000.0, 64_000.0)
_CURVE_N = 4_000.0


@dataclass(frozen=True)
class Coverage:
    """Of one fit: the share of main effects whose interval holds the truth, the share of combinations never run whose
    interval does, and the mean width of either in log error."""

    effects: float
    unrendered: float
    effect_width: float
    unrendered_width: float


def world(kind: str, number: int) -> Coverage:
    """One world of a kind in WORLDS: a run each of RUNS settings chosen for the effects, fitted; of the kind "searched"
    they are those of a search for the best."""
    rng = np.random.default_rng([number, *kind.encode()])
    factors = _FACTORS[number % 2]
    size, noise = (float(np.exp(rng.uniform(*np.log(ends)))) for ends in (_SIZES, _NOISES))
    level = size * WORLDS[kind](factors, rng)
    level -= level.mean() - np.log(rng.uniform(0.1, 0.7))
    runs = level + noise * rng.standard_normal(level.size)
    chosen = search(factors, runs, RUNS, seed=number) if kind == "searched" else fraction(factors, RUNS, seed=number)
    fit = fit_effects(factors, measured_of(chosen, runs[chosen]), seed=number)
    return _coverage(fit, level, fit.level)


def held_out(table: FactorTable, task: int, runs: int, *, alone: bool, seed: int) -> Coverage:
    """A recorded task of which `runs` settings drawn at random are fitted; the others' recorded runs are the truth, and
    intervals hold a run's noise too."""
    rng = np.random.default_rng([seed, task, runs])
    logs = np.log(table.errors)
    chosen = rng.permutation(logs.shape[1])[:runs]
    others = None if alone else np.delete(logs, task, axis=0)
    fit = fit_effects(table.factors, measured_of(chosen.tolist(), logs[task, chosen]), others=others, seed=seed)
    again = fit.level + fit.noise[:, None] * rng.standard_normal(fit.level.shape)
    return _coverage(fit, logs[task], again)


def curve_world(number: int) -> dict[Quantity, Coverage]:
    """A world of laws with known shares of gap and rates: half of its settings are run at every one of CURVE_SIZES.

    Half of the worlds have a part of each setting's own in share and rate. What too few arms tell is not there.
    """
    rng = np.random.default_rng([number, 7])
    factors = _CURVE_FACTORS
    own = 0.5 * (number % 2)
    share = logit(rng.uniform(0.4, 0.9)) + rng.uniform(0.1, 0.8) * _and_own(factors, own, rng)
    log_alpha = np.log(rng.uniform(0.25, 0.7)) + rng.uniform(0.05, 0.3) * _and_own(factors, own, rng)
    middle = np.exp(np.log(rng.uniform(0.15, 0.6)) + 0.05 * _and_own(factors, own, rng))
    chosen = fraction(factors, len(factors.combinations) // 2, seed=number)
    n, noise = np.array(CURVE_SIZES), float(np.exp(rng.uniform(*np.log(_NOISES))))
    runs = {}
    for place in chosen:
        gap = expit(share[place])
        law = middle[place] * (gap + (1 - gap) * (n / _CURVE_N) ** -np.exp(log_alpha[place]))
        runs[str(place)] = (n, np.minimum(law * np.exp(noise * rng.standard_normal(n.size)), 1.0))
    laws = {int(place): law for place, law in fit_laws(runs, seed=number).items()}
    truths: dict[Quantity, Floats] = {"share of gap": share, "rate": log_alpha}
    fits = curve_fits(factors, laws, _CURVE_N, seed=number)
    return {quantity: _curve_coverage(quantity, fit, truths[quantity]) for quantity, fit in fits.items()}


def _and_own(factors: Factors, own: float, rng: np.random.Generator) -> Floats:
    return _mains(factors, rng) + own * rng.standard_normal(len(factors.combinations))


def _curve_coverage(quantity: Quantity, fit: EffectsFit, truth: Floats) -> Coverage:
    of_share = quantity == "share of gap"
    values, hits, widths = (expit(truth) if of_share else truth), [], []
    for each in curve_effects({quantity: fit}):
        at = fit.factors.level_places[:, fit.factors.names.index(each.factor)]
        change = values[at == 1].mean() - values[at == 0].mean()
        low, high = each.interval
        hits.append(low <= (change if of_share else np.exp(change)) <= high)
        widths.append(high - low)
    inside, width = _inside(fit, truth, fit.level)
    return Coverage(float(np.mean(hits)), inside, float(np.mean(widths)), width)


def _inside(fit: EffectsFit, truth: Floats, forecast: Floats) -> tuple[float, float]:
    """Of the combinations never run the share whose interval holds the truth, and the mean width."""
    low, high = shortest_interval(forecast[:, fit.unmeasured], LEVEL)
    new = truth[fit.unmeasured]
    return float(((low <= new) & (new <= high)).mean()), float((high - low).mean())


def _coverage(fit: EffectsFit, truth: Floats, forecast: Floats) -> Coverage:
    """`truth` (combinations,) and draws of the `forecast` of it (draws, combinations), in log error."""
    hits, widths = [], []
    for each in main_effects(fit):
        at = fit.factors.level_places[:, fit.factors.names.index(each.factor)]
        means = {name: np.exp(truth[at == i]).mean() for i, name in enumerate(fit.factors.levels[each.factor])}
        low, high = each.interval
        hits.append(low <= means[each.level] - means[each.against] <= high)
        widths.append((high - low) / np.exp(truth).mean())
    inside, width = _inside(fit, truth, forecast)
    return Coverage(float(np.mean(hits)), inside, float(np.mean(widths)), width)


def _mains(factors: Factors, rng: np.random.Generator) -> Floats:
    """Effects of all factors, some larger than others; variance 1 on the mean."""
    count = len(factors.names)
    mains = factors.term_of < count
    each = np.exp(rng.normal(0, 0.8, count))
    each *= np.sqrt(count / (each**2).sum())
    draws: Floats = rng.standard_normal(int(mains.sum())) * each[factors.term_of[mains]] / np.sqrt(mains.sum())
    return factors.columns[:, mains] @ draws


def _with_pairs(factors: Factors, rng: np.random.Generator) -> Floats:
    """Any two factors may have an effect together, whether or not each has one; half the variance of main effects."""
    pairs = factors.term_of >= len(factors.names)
    return _mains(factors, rng) + factors.columns[:, pairs] @ rng.normal(0, np.sqrt(0.5 / pairs.sum()), pairs.sum())


def _sparse(factors: Factors, rng: np.random.Generator) -> Floats:
    """Two factors matter and go together; the others do nothing."""
    two = rng.permutation(len(factors.names))[:2]
    of = [i for i, term in enumerate(factors.terms) if set(term) <= {*two.tolist()}]
    columns = np.isin(factors.term_of, of)
    return factors.columns[:, columns] @ rng.normal(0, np.sqrt(1 / columns.sum()), columns.sum())


def _own(factors: Factors, rng: np.random.Generator) -> Floats:
    """Main effects, and of each setting an own part, normal; half the variance of main effects."""
    return _mains(factors, rng) + np.sqrt(0.5) * rng.standard_normal(len(factors.combinations))


def _heavy(factors: Factors, rng: np.random.Generator) -> Floats:
    """Main effects, and of each setting an own part with Student's tails; half the variance of main effects."""
    own: Floats = rng.standard_t(3, len(factors.combinations)) * np.sqrt(0.5 / 3)
    return _mains(factors, rng) + own


def _all_or_nothing(factors: Factors, rng: np.random.Generator) -> Floats:
    """Three factors help only where all three are right, beside main effects as large."""
    three = rng.permutation(len(factors.names))[:3]
    right: Floats = (factors.level_places[:, three] == 1).all(axis=1).astype(float)
    return _mains(factors, rng) - 3.0 * right


def _nothing(factors: Factors, rng: np.random.Generator) -> Floats:
    """Settings hardly differ: a fiftieth of the size."""
    return 0.02 * _mains(factors, rng)


WORLDS: Mapping[str, Callable[[Factors, np.random.Generator], Floats]] = {
    "additive": _mains,
    "pairs": _with_pairs,
    "sparse": _sparse,
    "own": _own,
    "heavy": _heavy,
    "all_or_nothing": _all_or_nothing,
    "nothing": _nothing,
    "searched": _with_pairs,
}
