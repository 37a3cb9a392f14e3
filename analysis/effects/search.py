"""Which setting to run next, to find the best of all combinations with few runs: those never rendered included."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from analysis.effects.design import fraction
from analysis.effects.factors import Factors
from analysis.effects.fit import EffectsFit, fit_effects, measured_of
from analysis.laws import Floats


def opening_runs(factors: Factors, runs: int) -> int:
    """How many of `runs` settings to choose for the effects before results are looked at: as many as there are main
    effects and a mean, but no more than half."""
    return max(1, min(factors.main_effects + 1, runs // 2))


def next_setting(fit: EffectsFit) -> int:
    """The combination never run whose run is expected to undercut the lowest error so far by most; the expected error
    settles ties. ValueError where every combination was run."""
    if not fit.unmeasured.any():
        raise ValueError("every combination was run")
    gain = fit.expected_gain()
    expected = fit.error.mean(axis=0)
    places = np.flatnonzero(fit.unmeasured)
    return int(min(places, key=lambda place: (-float(f"{gain[place]:.9e}"), expected[place])))


def next_run(fit: EffectsFit, level: float) -> int:
    """The combination whose run teaches most of what is best: one never run, unless it is certain with probability
    `level` that none of them is better than the leading one of those that were run; then one of these, again."""
    seen = fit.measured.place.tolist()
    never = np.flatnonzero(fit.unmeasured).tolist()
    if chance_lower(fit, never, leading(fit, seen)) > 1 - level:
        return next_setting(fit)
    return int(seen[repeat_gains(fit, seen, [0] * len(seen)).argmax()])


def recommended(fit: EffectsFit) -> int:
    """The combination with the lowest expected error, run or not."""
    return leading(fit, range(fit.unmeasured.size))


def leading(fit: EffectsFit, places: Sequence[int]) -> int:
    """The one of these combinations with the lowest expected error."""
    return places[int(fit.error[:, list(places)].mean(axis=0).argmin())]


def chance_lower(fit: EffectsFit, places: Sequence[int], than: int, by: float = 0.0) -> float:
    """Probability that one of these combinations has an error lower by more than `by` than that of `than`."""
    if not places:
        return 0.0
    return float((fit.error[:, list(places)].min(axis=1) < fit.error[:, than] - by).mean())


def repeat_gains(fit: EffectsFit, places: Sequence[int], under_way: Sequence[int]) -> Floats:
    """By how much one more run of each is expected to lower the error of the one that is then recommended; (places,).

    Knowledge gradient (Frazier, Powell and Dayanik 2008) of one setting against the best of the others, whose
    expectations stay. `under_way`: runs of each that are not measured yet.
    """
    if len(places) < 2:
        return np.zeros(len(places))
    error = fit.error[:, list(places)]
    mean = error.mean(axis=0)
    noise = np.maximum(mean**2 * float((fit.noise**2).mean()), 1e-300)
    variance = error.var(axis=0)
    variance /= 1 + np.asarray(under_way) * variance / noise
    moves = variance / np.sqrt(variance + noise)
    lowest, second = np.partition(mean, 1)[:2]
    apart = np.abs(mean - np.where(mean == lowest, second, lowest)) / np.maximum(moves, 1e-300)
    gains: Floats = moves * (np.exp(-0.5 * apart**2) / np.sqrt(2 * np.pi) - apart * ndtr(-apart))
    return np.maximum(gains, 0.0)


def search(
    factors: Factors,
    log_errors: Floats,
    runs: int,
    others: Floats | None = None,
    opening: int | None = None,
    seed: int = 0,
) -> list[int]:
    """The places of the settings that are run, in order, on a table of every combination's log error.

    Without `others` it begins with a fraction of the factorial, with them with what was best there on average. The last
    run is that of the recommended setting, if it was not run before.

    Args:
        factors: of the table.
        log_errors: (combinations,); one is looked at only when its setting is run.
        runs: how many.
        others: log errors on other tasks, (tasks, combinations).
        opening: runs chosen for the effects; None: `opening_runs`.
        seed: decides ties and draws.
    """
    if others is None:
        chosen = fraction(factors, opening_runs(factors, runs) if opening is None else opening, seed=seed)
    else:
        chosen = [int(_standing(others).argmin())]
    while len(chosen) < runs:
        fit = fit_effects(factors, measured_of(chosen, log_errors[chosen]), others=others, seed=seed + len(chosen))
        last = recommended(fit) if len(chosen) == runs - 1 else -1
        chosen.append(last if last >= 0 and fit.unmeasured[last] else next_setting(fit))
    return chosen


def regret(errors: Floats, chosen: Sequence[int]) -> float:
    """(lowest error of the chosen - lowest of all) / (mean - lowest of all)."""
    best = float(errors.min())
    return float((errors[list(chosen)].min() - best) / (errors.mean() - best))


def _standing(others: Floats) -> Floats:
    """The mean over tasks of standardised log errors; (combinations,)."""
    standing: Floats = ((others - others.mean(axis=1, keepdims=True)) / others.std(axis=1, keepdims=True)).mean(axis=0)
    return standing
