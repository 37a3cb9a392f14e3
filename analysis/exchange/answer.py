"""What is said of renders and labels: the rate, what the next dollar should buy, the cheapest way to an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.exchange.fit import BEYOND, ExchangeFit
from analysis.exchange.worth import Covered, Prices, cheapest, dollar_ratio, label_equivalents, labels_of_more, why_not
from analysis.laws import Floats

RENDER, LABEL, OPEN = "render more", "label more", "not identified yet"
LEVEL = 0.95
# Below this share of the error pre-training no longer matters: what a doubling must bring to pay (target.min_gain).
_MATTERS = 0.01
# s is far above T from so many times T on
_FAR = 3.0
# T is told up to so many times the labels that were run from the same n that it is counted from.
_TOLD = 4.0


@dataclass(frozen=True)
class Interval:
    """Median and 95 % interval of draws."""

    low: float
    median: float
    high: float

    @staticmethod
    def of(draws: Floats) -> Interval:
        """Of draws (draws,), which may be infinite."""
        low, median, high = np.quantile(draws, [0.025, 0.5, 0.975], method="nearest")
        return Interval(float(low), float(median), float(high))

    def text(self, digits: int = 3) -> str:
        """Median with the interval behind it."""
        return self._with(lambda value: _rounded(value, digits))

    def images(self) -> str:
        """The same of a number of images."""
        return self._with(_images)

    def _with(self, written: Callable[[float], str]) -> str:
        return f"{written(self.median)} (95 %: {written(self.low)} to {written(self.high)})"


@dataclass(frozen=True)
class Way:
    """The cheapest renders and labels that reach `error`; `edge`: at which end of what was looked through it lies."""

    error: float
    n: Interval
    s: Interval
    usd: Interval
    reached: float
    edge: str = ""


@dataclass(frozen=True)
class ExchangeAnswer:
    """What is said at n renders and s labels.

    `worth`: labels that n renders are worth there, counted from a pre-training on `since` renders, 0 for none.
    `a_thousand`: labels that the next 1,000 renders are worth. `saved`: the share of the error that pre-training takes
    away. With prices, `renders_win`: the probability that the next dollar buys more in renders than in labels, `until`:
    the n up to which it does at this s, and `verdict`. `refused`: why a question was not answered, in one line each.
    `labels_run`: the most labels that were run from `since`, of which T is told up to a few times as many.
    `doubt`: why the errors say nothing of labels, empty where they do; no more is said then.
    """

    n: float
    s: float
    since: float
    worth: Interval
    a_thousand: Interval
    saved: Interval
    harmful: float
    verdict: str | None = None
    renders_win: float | None = None
    until: Interval | None = None
    prices: Prices | None = None
    way: Way | None = None
    refused: tuple[str, ...] = ()
    doubt: str = ""
    labels_run: float = float("inf")

    @property
    def sentences(self) -> tuple[str, ...]:
        """The answer in words, a line each."""
        if self.doubt:
            return (f"what renders are worth in labels is not known: {self.doubt}",)
        return (*_of_worth(self), *self.to_buy, *self.refused)

    @property
    def to_buy(self) -> tuple[str, ...]:
        """What of it says what to buy; none without prices."""
        if self.doubt:
            return self.sentences
        return (*_of_money(self), *_of_way(self))


def answer(
    fit: ExchangeFit,
    *,
    n: float | None = None,
    s: float | None = None,
    prices: Prices | None = None,
    target_error: float | None = None,
    level: float = LEVEL,
    doubt: str = "",
) -> ExchangeAnswer:
    """The answer at n renders (None: the most that were run) and s labels (None: the most).

    `doubt`: why the errors may say nothing of labels (`verdict.no_curve`), empty where they do.

    Raises:
        ValueError: in one line, where the runs do not cover that n and s.
    """
    runs = fit.runs
    n = float(runs.n.max()) if n is None else n
    s = float(runs.s.max()) if s is None else s
    refused = why_not(fit, n, s)
    if refused is not None:
        raise ValueError(refused)
    since = 0.0 if fit.law.holds_at_zero and (runs.n == 0).any() else float(runs.n[runs.n > 0].min())
    if 0 < since >= n:
        raise ValueError(
            f"n = {n:,.0f} is not above the smallest n that was run, {since:,.0f}, from which renders are counted where"
            " there are no runs of n = 0"
        )
    worth = label_equivalents(fit, n, s, since=since)[:, 0]
    a_thousand = labels_of_more(fit, n, s, 1_000)
    errors = fit.predict([n, since], s, luck=False)
    saved = 1 - np.exp(errors[:, 0] - errors[:, 1])
    way, why = (None, ()) if target_error is None or prices is None or doubt else _way(fit, target_error, prices)
    found = ExchangeAnswer(
        n, s, since, Interval.of(worth), Interval.of(a_thousand), Interval.of(saved), float((worth <= 0).mean()),
        prices=prices, way=way, refused=why, doubt=doubt, labels_run=float(runs.s[runs.n == since].max()),
    )  # fmt: skip
    if prices is None:
        return found
    wins = float((dollar_ratio(fit, n, s, prices) > 1).mean())
    verdict = OPEN if doubt else RENDER if wins >= level else LABEL if wins <= 1 - level else OPEN
    return ExchangeAnswer(**found.__dict__ | {"renders_win": wins, "verdict": verdict, "until": _until(fit, s, prices)})


def _until(fit: ExchangeFit, s: float, prices: Prices) -> Interval:
    """The n up to which the next dollar is better spent on renders: 0 where it never is, inf where it always is."""
    least, most = float(fit.runs.n[fit.runs.n > 0].min()), Covered.by(fit).n
    sizes = np.geomspace(least, most, 60)
    wins = dollar_ratio(fit, sizes, s, prices) > 1
    last = np.where(wins.any(axis=1), sizes[sizes.size - 1 - wins[:, ::-1].argmax(axis=1)], 0.0)
    return Interval.of(np.where(wins[:, -1], np.inf, last))


def _way(fit: ExchangeFit, error: float, prices: Prices) -> tuple[Way | None, tuple[str, ...]]:
    found = cheapest(fit, error, prices)
    reached = float(np.isfinite(found.usd).mean())
    if reached < 0.5:
        n, s = BEYOND * fit.runs.n.max(), BEYOND * fit.runs.s.max()
        what = f"no n up to {n:,.0f} with s up to {s:,.0f} reaches an error of {error:g}"
        return None, (f"{what} (probability {1 - reached:.0%}); beyond these the runs say nothing: not extrapolated",)
    n, s = Interval.of(found.n), Interval.of(found.s)
    fewest, most = fit.runs.s.min() / BEYOND, Covered.by(fit).n
    edge = f"fewer than {_images(fewest)} labels were not asked about" if s.median <= fewest * 1.001 else ""
    edge = f"more than {_images(most)} renders were not asked about" if n.median >= most / 1.001 else edge
    return Way(error, n, s, Interval.of(found.usd), reached, edge), ()


def _of_worth(said: ExchangeAnswer) -> tuple[str, ...]:
    what = f"{said.n:,.0f} renders" if said.since == 0 else f"{said.n:,.0f} renders in place of {said.since:,.0f}"
    at = f"at your {said.s:,.0f}"
    told = _TOLD * said.labels_run - said.s
    if said.worth.median > told:
        without = "without pre-training" if said.since == 0 else f"with {said.since:,.0f} renders"
        # From below, as far as labels are asked for: a doubling.
        least = _images(max(0.0, min(said.worth.low, BEYOND * said.labels_run - said.s)))
        first = (
            f"{what} are worth {least} labels or more {at}: {without} there are runs of up to"
            f" {_images(said.labels_run)} labels, and what many more would bring is not extrapolated"
        )
    elif said.worth.high <= 0:
        first = f"{what} are worth nothing {at}: T is {said.worth.images()} labels, so pre-training on them does harm"
    elif said.worth.low <= 0:
        first = f"{what} are not shown to be worth any label {at}: T is {said.worth.images()} labels"
    else:
        first = f"{what} are worth {said.worth.images()} labels {at}"
    if said.since > 0:
        first += "; without runs of n = 0 nothing is said of what any pre-training is worth"
    if said.worth.high > 0 and said.saved.high < _MATTERS and said.since == 0:
        far = "s is far above T, " if said.worth.high * _FAR < said.s else ""
        most = f"{far}it takes at most {100 * said.saved.high:.1f} % of the error away"
        return first, f"pre-training no longer matters {at}: {most}"
    if not np.isfinite(said.a_thousand.median):
        return (first,)
    return first, f"the next 1,000 renders are worth {said.a_thousand.images()} labels"


def _of_money(said: ExchangeAnswer) -> tuple[str, ...]:
    if said.prices is None or said.until is None or said.renders_win is None:
        return ()
    costs = f"a render costs ${said.prices.render_usd:.3g}, a label ${said.prices.label_usd:.3g}"
    until = said.until
    if until.low == 0 and np.isinf(until.high):
        wins = "up to which n renders win is not known"
    elif until.high == 0:
        wins = "labels win at every n that was run"
    elif np.isinf(until.low):
        wins = "renders win at every n that the runs cover"
    elif until.median == 0:
        most = f"renders up to {_images(until.high)} images at best"
        wins = f"labels are likelier to win at every n that was run (95 %: {most})"
    elif np.isinf(until.median):
        least = f"up to {_images(until.low)} images at worst"
        wins = f"renders are likelier to win at every n that the runs cover (95 %: {least})"
    else:
        wins = f"renders win up to {_images(until.median)} images{_to(until)}, labels after"
    chance = max(said.renders_win, 1 - said.renders_win)
    likelier = "" if said.verdict != OPEN else f"; {RENDER if said.renders_win > 0.5 else LABEL} is likelier"
    return f"{costs}: {wins}", f"the next dollar: {said.verdict}{likelier} (probability {chance:.2f})"


def _to(until: Interval) -> str:
    low = "never" if until.low == 0 else _images(until.low)
    high = "beyond all runs" if np.isinf(until.high) else _images(until.high)
    return f" (95 %: {low} to {high})"


def _of_way(said: ExchangeAnswer) -> tuple[str, ...]:
    if said.way is None:
        return ()
    way = said.way
    sure = "" if way.reached >= LEVEL else f"; with probability {1 - way.reached:.2f} not within what the runs cover"
    return (
        f"the cheapest way to an error of {way.error:g}: n = {way.n.images()}, s = {way.s.images()},"
        f" ${way.usd.text()} in all{sure}{way.edge and f'; {way.edge}'}",
    )


def _rounded(value: float, digits: int = 3) -> str:
    if not np.isfinite(value):
        return "no end"
    if value == 0:
        return "0"
    places = digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{round(value, places):,.{max(0, places)}f}"


def _images(value: float) -> str:
    """Three digits, and none behind the point from ten images on."""
    whole = value == 0 or 9.5 <= abs(value) < 100
    return _rounded(value) if not abs(value) < 100 else f"{value:.{0 if whole else 1}f}"
