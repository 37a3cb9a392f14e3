"""Render more, change the rendering, or good enough: what an arm's fit says, in a sentence for a manager."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.amounts import money
from analysis.effects.answers import Change
from analysis.estimator.law_fit import LawFit, shortest_interval
from analysis.estimator.test_images import ImageVariance
from analysis.laws import Floats
from analysis.verdict.no_curve import at_chance
from analysis.verdict.no_pretraining import Comparison, compare
from analysis.verdict.purchases import QUANTILES, next_size

Label = Literal["render more", "change the rendering", "label more", "good enough", "not identified yet"]
_MORE_RUNS = "More runs are needed before either is bought."
# Purchases that the first is made for.
ROUNDS = len(QUANTILES)
# Where all errors are at least this, nothing was learnt, and the runs say nothing of the renders.
NOTHING_LEARNT = 0.99


@dataclass(frozen=True)
class Verdict:
    """What to do about one arm.

    `probability` is that of the label being right; for "not identified yet" it is that of the likeliest other
    label, named in `leaning`, and nan where the runs may be no curve of errors. `n_needed` and its interval: images
    that reach the target, inf where no number of images may; None without a target or where it is not the
    question. `cost_needed`: dollars (or the unit of `cost_per_image`) of rendering from the largest n so far to
    `n_needed`. `C_interval`: the error that any number of images would leave. `error_now`: median error at the largest
    n so far, and `error_now_interval`. `next_doubling`: median relative fall of the error from doubling that n, and
    `next_doubling_interval`. `without`: the arm beside no pre-training at that n, None where that was not run.
    `level`: what the intervals hold, but for that of `without`. `change`: of attributes, the one likeliest to help.
    """

    arm: str
    label: Label
    probability: float
    sentence: str
    leaning: Label | None
    n_needed: float | None
    n_needed_interval: tuple[float, float] | None
    cost_needed: float | None
    C_interval: tuple[float, float]
    error_now: float
    error_now_interval: tuple[float, float]
    next_doubling: float
    next_doubling_interval: tuple[float, float]
    without: Comparison | None = None
    level: float = 0.95
    change: Change | None = None


@dataclass(frozen=True, eq=False)
class _Question:
    """The draws and limits that the rules and the sentences share."""

    target: float | None
    min_gain: float
    n_now: float
    n_limit: float | None
    level: float
    cost_per_image: float | None
    unit: str
    C: Floats
    now: Floats
    at_limit: Floats
    doubling: Floats
    needed: Floats | None
    buy_first: float


def verdict(
    fit: LawFit,
    *,
    arm: str = "",
    target_error: float | None = None,
    min_gain: float = 0.01,
    n_max_observed: float | None = None,
    n_limit: float | None = None,
    cost_per_image: float | None = None,
    unit: str = "$",
    level: float = 0.95,
    reference_errors: tuple[float, ...] = (),
    reference_images: ImageVariance | None = None,
    doubt: str = "",
    classes: int | None = None,
) -> Verdict:
    """Judge one arm; a label is given only where its probability is at least `level`.

    No label but good enough is given before the runs say how large their noise is (`LawFit.residual_dof`).

    With a target E: good enough where error(n_max_observed) <= E; render more where some n up to `n_limit` reaches E;
    change the rendering where none does. Without a target: render more where the doubling after `n_max_observed` lowers
    the error by at least the share `min_gain`; change the rendering where it does not, because the transfer gap C
    dominates.

    Args:
        fit: the arm's law.
        arm: its name.
        target_error: E, in (0, 1]; None: no target.
        min_gain: a relative fall of the error, between 0 and 1.
        n_max_observed: images at hand; None: the largest n fitted.
        n_limit: the most images allowed; None: no limit.
        cost_per_image: of one more image, in `unit`; None: not known.
        unit: of the cost.
        level: probability at which a label is given, between 0.5 and 1.
        reference_errors: errors of the fine-tunes without pre-training (n = 0). With any, the sentence also says
            whether these renders help at all, which no label says; it begins with it where they are shown to harm.
        reference_images: what the test images do to these errors, where that was measured.
        doubt: why these may be no errors at all (`no_curve.doubt`); with one, no label is given, none is likelier, and
            nothing is set beside no pre-training.
        classes: of a real task whose error is the share of images told wrong; None: another, or not known. Where every
            error is that of guessing among them, only good enough may be said.

    Raises:
        ValueError: for values outside these ranges.
    """
    n_now = float(fit.n.max() if n_max_observed is None else n_max_observed)
    _check(target_error, min_gain, n_now, n_limit, level)
    curve = fit.samples.error(np.array([n_now, 2 * n_now, n_now if n_limit is None else max(n_limit, n_now)]))
    # The target is one for all images there could be, so what is set beside it carries the test set's sampling.
    curve *= np.exp(fit.level_shift)[:, None]
    asked = _Question(
        target=target_error,
        min_gain=min_gain,
        n_now=n_now,
        n_limit=n_limit,
        level=level,
        cost_per_image=cost_per_image,
        unit=unit,
        C=fit.gap(),
        now=curve[:, 0],
        at_limit=fit.gap() if n_limit is None else curve[:, 2],
        doubling=1 - curve[:, 1] / curve[:, 0],
        needed=None if target_error is None else fit.n_needed(target_error),
        buy_first=_buy_first(fit, target_error, n_now, level),
    )
    chances = _chances(asked)
    why_not = f"{doubt}." if doubt else undecidable(fit, classes)
    # Where the prior and not the data decides the law's shape, only what was observed may be judged.
    allowed: tuple[Label, ...] = ("good enough",) if why_not else ("good enough", "render more", "change the rendering")
    likeliest: Label = max(chances, key=lambda name: chances[name])
    # Where the target is met rather than not, to render more would be the wrong advice, though it reaches it as well.
    if chances["good enough"] >= 0.5:
        likeliest = "good enough"
    sure = [name for name in allowed if chances[name] >= level and not doubt]
    label: Label = sure[0] if sure else "not identified yet"
    leaning = None if sure or doubt else likeliest
    probability = float("nan") if doubt else chances[sure[0] if sure else likeliest]
    said = _sentence(asked, label, leaning, probability, why_not)
    beside = bool(reference_errors) and not doubt
    without = compare(fit, int(n_now), reference_errors, reference_images) if beside else None
    needed = _needed(asked) if label in ("render more", "not identified yet") else None
    return Verdict(
        arm=arm,
        label=label,
        probability=probability,
        sentence=_beside_none(said, without),
        leaning=leaning,
        n_needed=None if needed is None else needed[0],
        n_needed_interval=None if needed is None else needed[1:],
        cost_needed=_cost(asked, needed),
        C_interval=_interval(asked.C, level),
        error_now=float(np.median(asked.now)),
        error_now_interval=_interval(asked.now, level),
        next_doubling=float(np.median(asked.doubling)),
        next_doubling_interval=_interval(asked.doubling, level),
        without=without,
        level=level,
    )


def _buy_first(fit: LawFit, target_error: float | None, n_now: float, level: float) -> float:
    """The first of five purchases; inf where there is no target."""
    size = None
    if target_error is not None:
        size = next_size(fit, target_error, n_now, ROUNDS, look_again=False, level=level)
    return float("inf") if size is None else size


def undecidable(fit: LawFit, classes: int | None = None) -> str:
    """Why these runs cannot decide between rendering more and changing it, and what to do; empty where they may.

    classes: as of `verdict`.
    """
    if np.unique(fit.n).size < 3:
        return f"{fit.reason}. {_MORE_RUNS}"
    if fit.noise_unknown:
        return f"{fit.noise_unknown}."
    if fit.beyond_prior:
        return f"{fit.beyond_prior}."
    if fit.error.min() >= NOTHING_LEARNT:
        return "every error is about 100%, so nothing was learnt yet: train longer before rendering is judged."
    if classes is not None and (guessed := at_chance(fit.n, fit.error, classes)):
        return f"{guessed} yet: train longer before rendering is judged."
    return ""


def _chances(asked: _Question) -> dict[Label, float]:
    """Probability of each label but the last; without a target, good enough is never the question."""
    if asked.target is None:
        pays = float((asked.doubling >= asked.min_gain).mean())
        return {"render more": pays, "change the rendering": 1 - pays, "good enough": 0.0}
    met = float((asked.now <= asked.target).mean())
    reached = (asked.at_limit < asked.target) if asked.n_limit is None else (asked.at_limit <= asked.target)
    reachable = float(reached.mean())
    return {"good enough": met, "render more": reachable, "change the rendering": 1 - reachable}


def _needed(asked: _Question) -> tuple[float, float, float] | None:
    """Median and interval of the n that reaches the target; inf is a possible value, so no interpolation."""
    if asked.needed is None:
        return None
    tail = (1 - asked.level) / 2
    low, middle, high = np.quantile(asked.needed, [tail, 0.5, 1 - tail], method="nearest")
    return float(middle), float(low), float(high)


def _cost(asked: _Question, needed: tuple[float, float, float] | None) -> float | None:
    if needed is None or asked.cost_per_image is None or not np.isfinite(needed[0]):
        return None
    return max(needed[0] - asked.n_now, 0.0) * asked.cost_per_image


def _sentence(asked: _Question, label: Label, leaning: Label | None, probability: float, why_not: str) -> str:
    if label == "good enough":
        return (
            f"Good enough: the {asked.n_now:,.0f} images at hand give an error of"
            f" {_percent(asked.now, asked.level)}, within the {asked.target:.1%} you need."
        )
    if label == "render more":
        return _more(asked)
    if label == "change the rendering":
        return _change(asked)
    if why_not:
        return f"Not decided yet: {why_not}"
    return (
        f"Not decided yet: “{leaning}” is likelier, with a probability of {_apart(probability, asked.level)} is asked"
        f" for. {_MORE_RUNS}"
    )


def _apart(probability: float, level: float) -> str:
    """Both as per cent, with as many digits as tell them apart."""
    for digits in range(6):
        one, other = f"{probability:.{digits}%}", f"{level:.{digits}%}"
        if one != other:
            return f"{one} where {other}"
    return f"just below {other} where that"


def _beside_none(said: str, without: Comparison | None) -> str:
    """The sentence with what the comparison with no pre-training adds: before it where the arm is shown to be worse."""
    if without is None:
        return said
    if without.finding == "worse":
        return f"Worse than no pre-training: {without.difference}. {said}"
    return f"{said} Better than no pre-training? {without.sentence}"


def _more(asked: _Question) -> str:
    if asked.target is None:
        return (
            f"Render more: the next doubling, to {2 * asked.n_now:,.0f} images, lowers the error {_fall(asked)};"
            f" {asked.min_gain:.1%} already pays."
        )
    needed = _needed(asked)
    assert needed is not None
    if needed[0] <= asked.n_now:
        met = float((asked.now <= asked.target).mean())
        most = f"about {_size(needed[2])} images reach it" if np.isfinite(needed[2]) else "more images reach it"
        return (
            f"Render more, or measure again: the {asked.n_now:,.0f} images at hand may reach the {asked.target:.1%} you"
            f" need already, with a probability of {met:.0%}; with one of {asked.level:.0%} {most}."
        )
    price = _cost(asked, needed)
    paid = f", {money(price, asked.unit)} of rendering from here" if price is not None else ""
    upper = f"to {_size(needed[2])}" if np.isfinite(needed[2]) else "with no upper end"
    return (
        f"Render more: the {asked.target:.1%} you need is reached with about {_size(needed[0])} images"
        f" ({asked.level:.0%} interval {_size(needed[1])} {upper}){paid}. In rounds, buy to {_size(asked.buy_first)}"
        " first and look again."
    )


def _change(asked: _Question) -> str:
    if asked.target is None:
        return (
            f"More images will hardly help: the next doubling, to {2 * asked.n_now:,.0f} images, lowers the"
            f" error {_fall(asked)}, below the {asked.min_gain:.1%} that pays; the transfer gap dominates."
            " Change the rendering."
        )
    if asked.n_limit is None or float((asked.target <= asked.C).mean()) >= asked.level:
        return (
            f"More images will not help: any number of them would leave an error of"
            f" {_percent(asked.C, asked.level)}, above the {asked.target:.1%} you need. Change the rendering."
        )
    return (
        f"More images will not help in time: {asked.n_limit:,.0f} images, the most you allow, would leave an"
        f" error of {_percent(asked.at_limit, asked.level)}, above the {asked.target:.1%} you need."
        " Change the rendering."
    )


def _fall(asked: _Question) -> str:
    now, share = f"{np.median(asked.now):.1%}", _percent(asked.doubling, asked.level)
    then = f"{np.median(asked.now) * (1 - np.median(asked.doubling)):.1%}"
    return f"of {now} by {share} of it" if now == then else f"from {now} to {then}, by {share} of it"


def _percent(draws: Floats, level: float) -> str:
    low, high = _interval(draws, level)
    return f"{np.median(draws):.1%} ({level:.0%} interval {100 * low:.1f} to {high:.1%})"


def _size(n: float) -> str:
    if n > 1e9:
        return "more than a billion"
    return f"{float(f'{n:.2g}'):,.0f}"


def _interval(draws: Floats, level: float) -> tuple[float, float]:
    low, high = shortest_interval(draws, level)
    return float(low), float(high)


def _check(target: float | None, min_gain: float, n_now: float, n_limit: float | None, level: float) -> None:
    if target is not None and not 0 < target <= 1:
        raise ValueError(f"target_error is {target}; it must lie in (0, 1]")
    if not 0 < min_gain < 1:
        raise ValueError(f"min_gain is {min_gain}; it must lie between 0 and 1, for example 0.01")
    if not n_now > 0:
        raise ValueError(f"n_max_observed is {n_now}; it must be above 0")
    if n_limit is not None and not n_limit > 0:
        raise ValueError(f"n_limit is {n_limit}; it must be above 0, or None for no limit")
    if not 0.5 < level < 1:
        raise ValueError(f"level is {level}; it must lie between 0.5 and 1, for example 0.95")
