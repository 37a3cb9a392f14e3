"""What a fit of effects says, in figures and in words: which factor matters, which setting is best, what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.amounts import money
from analysis.effects.curves import CurveEffect
from analysis.effects.curves import in_words as curve_in_words
from analysis.effects.fit import EffectsFit
from analysis.effects.search import leading, next_run, recommended
from analysis.estimator.law_fit import shortest_interval
from analysis.laws import Floats

# An effect whose whole interval is smaller than this share of the mean error does not matter.
NEGLIGIBLE = 0.01
LEVEL = 0.95


@dataclass(frozen=True)
class Effect:
    """One level of a factor in place of another: what it does to the error, on average over all other factors.

    `change`: median difference in error (fractions; below 0: `level` is better), with its `interval`, which holds 95 %.
    `finding`: "lowers", "does not matter" (all of the interval is within NEGLIGIBLE of the mean error) or "not
    shown".
    """

    factor: str
    level: str
    against: str
    change: float
    interval: tuple[float, float]
    finding: str


@dataclass(frozen=True)
class PairEffect:
    """How much more two factors do together than the sum of both; sizes as root mean squares in error.

    `shown`: whether at two of their levels the interval of what they do together leaves out nothing at all.
    """

    factors: tuple[str, str]
    size: float
    interval: tuple[float, float]
    shown: bool


@dataclass(frozen=True)
class Setting:
    """One combination: its levels, runs it had, median error with interval, and its probability to be the best."""

    levels: dict[str, str]
    runs: int
    error: float
    interval: tuple[float, float]
    chance_best: float


@dataclass(frozen=True)
class Change:
    """Another setting in place of one: what is changed, from and to, and what that does.

    `chance`: that it lowers the error by the share that pays. `gain`: median fall of the error, with `interval`.
    `measured`: whether the other setting was run. `price` in `unit`, None where unknown.
    """

    factors: dict[str, tuple[str, str]]
    chance: float
    gain: float
    interval: tuple[float, float]
    measured: bool
    price: float | None = None
    unit: str = "$"


@dataclass(frozen=True)
class Effects:
    """All that is said of one group of settings. `n`: images of the errors, None where they are not known. `curves`:
    effects on the share of the gap and on the rate, where enough laws say something of them. `repeated`: whether runs
    show how far one is off, as a setting's repeats and its law do."""

    n: float | None
    settings: int
    measured: int
    effects: tuple[Effect, ...]
    pairs: tuple[PairEffect, ...]
    best: Setting
    best_measured: Setting
    next: Setting
    shares: dict[str, float]
    curves: tuple[CurveEffect, ...]
    repeated: bool


def answers(fit: EffectsFit, n: float | None = None, curves: tuple[CurveEffect, ...] = ()) -> Effects:
    """The answers of a fit; `n`: the number of images whose errors were fitted; `curves`: of the settings' laws."""
    return Effects(
        n=n,
        settings=fit.unmeasured.size,
        measured=fit.measured.place.size,
        effects=tuple(main_effects(fit)),
        pairs=tuple(sorted(pair_effects(fit), key=lambda each: -each.size)),
        best=setting(fit, recommended(fit)),
        best_measured=setting(fit, leading(fit, fit.measured.place.tolist())),
        next=setting(fit, next_run(fit, LEVEL)),
        shares=variance_shares(fit),
        curves=curves,
        repeated=bool(fit.measured.dof or (fit.measured.variance > 0).any()),
    )


def main_effects(fit: EffectsFit) -> Iterator[Effect]:
    """Of each factor its best level against every other, the factor with the largest effect first."""
    small = NEGLIGIBLE * float(fit.error.mean())
    found = []
    for factor, name in enumerate(fit.factors.names):
        levels = fit.factors.levels[name]
        means = _level_means(fit, factor)
        best = int(means.mean(axis=0).argmin())
        for other in range(len(levels)):
            if other != best:
                draws = means[:, best] - means[:, other]
                interval = _interval(draws)
                change = float(np.median(draws))
                found.append(Effect(name, levels[best], levels[other], change, interval, _finding(interval, small)))
    yield from sorted(found, key=lambda each: each.change)


def pair_effects(fit: EffectsFit) -> Iterator[PairEffect]:
    """Of each two factors what they do together beyond their main effects."""
    for a, b in combinations(range(len(fit.factors.names)), 2):
        cells = _cell_means(fit, a, b)
        rest = cells - cells.mean(axis=1, keepdims=True) - cells.mean(axis=2, keepdims=True)
        rest += cells.mean(axis=(1, 2), keepdims=True)
        draws = np.sqrt((rest**2).mean(axis=(1, 2)))
        low, high = shortest_interval(rest.reshape(len(rest), -1), LEVEL)
        shown = bool(((low > 0) | (high < 0)).any())
        yield PairEffect((fit.factors.names[a], fit.factors.names[b]), float(np.median(draws)), _interval(draws), shown)


def setting(fit: EffectsFit, place: int) -> Setting:
    """What is known of one combination."""
    runs = int(fit.measured.runs[fit.measured.place == place].sum())
    draws = fit.error[:, place]
    chance = float(fit.chance_best[place])
    return Setting(fit.factors.named(place), runs, float(np.median(draws)), _interval(draws), chance)


def foretold(fit: EffectsFit, place: int) -> tuple[float, tuple[float, float]]:
    """What the error of one more run of a combination will be: median and the interval that holds 95 %."""
    rng = np.random.default_rng(place)
    draws = np.exp(np.minimum(fit.level[:, place] + fit.noise * rng.standard_normal(fit.noise.size), 0.0))
    return float(np.median(draws)), _interval(draws)


def variance_shares(fit: EffectsFit) -> dict[str, float]:
    """Shares of the variance between settings: main effects, pairs, and each setting's own; means over the draws."""
    centred = fit.level - fit.level.mean(axis=1, keepdims=True)
    X, paired = fit.factors.columns, np.array([len(fit.factors.terms[t]) == 2 for t in fit.factors.term_of])
    coefficients = centred @ X / len(X)
    total = np.maximum((centred**2).mean(axis=1), 1e-300)
    main = ((coefficients[:, ~paired] ** 2).sum(axis=1) / total).mean()
    pairs = ((coefficients[:, paired] ** 2).sum(axis=1) / total).mean()
    return {"main effects": float(main), "pairs": float(pairs), "own": float(max(1 - main - pairs, 0.0))}


def likeliest_change(fit: EffectsFit, place: int, min_gain: float) -> Change | None:
    """The setting likeliest to have an error below that of `place` by the share `min_gain`: one factor changed, or
    as many as the recommended setting differs in. None where none is likelier to than not."""
    here = fit.factors.level_places[place]
    apart = (fit.factors.level_places != here).sum(axis=1)
    best = recommended(fit)
    offered = [i for i in np.flatnonzero(apart > 0).tolist() if apart[i] == 1 or i == best]
    falls = 1 - fit.error[:, offered] / fit.error[:, [place]]
    chances = (falls >= min_gain).mean(axis=0)
    # Of changes that are as likely, the one that lowers the error most.
    order = np.lexsort((-falls.mean(axis=0), -np.round(chances, 2)))
    if not chances[order[0]] > 0.5:
        return None
    other = offered[order[0]]
    gain = fit.error[:, place] - fit.error[:, other]
    now, then = fit.factors.named(place), fit.factors.named(other)
    return Change(
        factors={name: (now[name], then[name]) for name in now if now[name] != then[name]},
        chance=float(chances[order[0]]),
        gain=float(np.median(gain)),
        interval=_interval(gain),
        measured=not fit.unmeasured[other],
    )


def sentences(said: Effects, prices: Mapping[str, float] | None = None, unit: str = "$") -> list[str]:
    """The answers in words; `prices` of a run by the words of a setting (`in_words`), where they are known."""
    at = "" if said.n is None else f" at {said.n:,.0f} images"
    lines = [_of_effect(each, at) for each in said.effects]
    lines += [_of_pair(each) for each in said.pairs if each.shown][:1]
    lines += [curve_in_words(each) for each in said.curves if each.shown]
    if said.curves and not any(each.shown for each in said.curves):
        lines.append("no attribute is shown to change the share of the gap or the rate")
    best = said.best
    many = f"the best of the {said.settings} settings is most likely {in_words(best.levels)}"
    told = "" if best.runs else ", never rendered"
    lines.append(f"{many}{told} ({best.chance_best:.0%}): error {best.error:.1%} ({_points(best.interval)})")
    if said.best.chance_best < LEVEL:
        price = (prices or {}).get(in_words(said.next.levels))
        paid = "" if price is None else f" for {money(price, unit)}"
        again = " again" if said.next.runs else ""
        lines.append(f"one more run, of {in_words(said.next.levels)}{again}{paid}, would teach most of what is best")
    if not said.repeated:
        lines.append(
            "no setting was run twice: how far a run is off is taken to be about 1 % of the error, not measured"
        )
    return lines


def change_in_words(change: Change | None, min_gain: float) -> str:
    """The change that is likeliest to help, in a sentence."""
    if change is None:
        return f"None of the settings offered is likelier than not to lower the error by {min_gain:.1%} of it."
    what = " and ".join(f"{name} from {a} to {b}" for name, (a, b) in change.factors.items())
    paid = "" if change.price is None else f"; rendering it costs {money(change.price, change.unit)}"
    seen = "" if change.measured else " (never rendered)"
    low, high = change.interval
    return (
        f"Likeliest to help: {what}{seen}, with a probability of {change.chance:.0%}; the error falls by"
        f" {100 * change.gain:.1f} points ({100 * low:.1f} to {100 * high:.1f}){paid}."
    )


def in_words(levels: Mapping[str, str]) -> str:
    """A setting by the levels of its factors."""
    return ", ".join(f"{name} {level}" for name, level in levels.items())


def _of_effect(each: Effect, at: str) -> str:
    low, high = each.interval
    what = f"{each.factor}: {each.level} instead of {each.against}"
    if each.finding == "does not matter":
        return f"{each.factor} does not matter{at} ({each.level} or {each.against}: within {_widest(each):.1f} points)"
    if each.finding == "lowers":
        return f"{what} lowers the error{at} by {-100 * each.change:.1f} points ({-100 * high:.1f} to {-100 * low:.1f})"
    return f"{what} is not shown to change the error{at}: {100 * each.change:+.1f} points ({_signed(each.interval)})"


def _of_pair(pair: PairEffect) -> str:
    both, size = " and ".join(pair.factors), f"{100 * pair.size:.1f} points ({_points(pair.interval)})"
    return f"{both} do {size} together beyond what each does"


def _widest(each: Effect) -> float:
    return 100 * max(abs(end) for end in each.interval)


def _points(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _signed(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"


def _finding(interval: tuple[float, float], small: float) -> str:
    low, high = interval
    if -small <= low and high <= small:
        return "does not matter"
    return "lowers" if high < 0 else "not shown"


def _level_means(fit: EffectsFit, factor: int) -> Floats:
    """Mean error at each level of a factor over all combinations with it; (draws, levels)."""
    places = fit.factors.level_places[:, factor]
    member = (places[:, None] == np.arange(places.max() + 1)).astype(float)
    return fit.error @ (member / member.sum(axis=0))


def _cell_means(fit: EffectsFit, a: int, b: int) -> Floats:
    """Mean error at each level of two factors; (draws, levels of a, levels of b)."""
    places, count = fit.factors.level_places, [len(each) for each in fit.factors.levels.values()]
    cell = places[:, a] * count[b] + places[:, b]
    member = (cell[:, None] == np.arange(count[a] * count[b])).astype(float)
    return (fit.error @ (member / member.sum(axis=0))).reshape(-1, count[a], count[b])


def _interval(draws: Floats) -> tuple[float, float]:
    low, high = shortest_interval(draws, LEVEL)
    return float(low), float(high)
