"""What renders are worth in labels, from the draws of a fitted law: label equivalents, the next render, money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.exchange.fit import BEYOND, ExchangeFit, _cells
from analysis.exchange.laws import log_labels, transfer
from analysis.laws import Floats

_HALVINGS = 50
# Renders and labels that the cheapest purchase is looked for on: 12 sizes a decade.
_A_DECADE = 12
_STEP, _WIDE = 1e-3, 1.1
# Labels are looked for within this factor of s, on so many numbers of them.
_SPAN, _STEPS = 30.0, 41


def label_equivalents(fit: ExchangeFit, n: ArrayLike, s: ArrayLike, *, since: float = 0.0) -> Floats:
    """Labels that fine-tuning would need beside s, from a pre-training on `since` renders, for the error at (n, s).

    (draws, cells). Of the errors that are expected, with all by which the law is not quite right: a law alone leaves to
    its misfit what the runs show. Below 0 where pre-training on n is worse; inf where no number of labels up to 30 s
    reaches the error. ValueError where a law that says nothing of n = 0 is asked for `since` 0.
    """
    sizes, labels = _cells(n, s)
    _check_since(fit, since)
    return np.stack(
        [equivalents_with(fit, *cell, [], [], since=since)[0] for cell in zip(sizes, labels, strict=True)], axis=1
    )


def equivalents_with(
    fit: ExchangeFit, n: float, s: float, cells_n: ArrayLike, cells_s: ArrayLike, *, since: float = 0.0
) -> tuple[Floats, Floats]:
    """Label equivalents at (n, s), (draws,), and of the same draws the log errors expected at cells; (draws, cells).

    They are where the errors of more and more labels meet the error at (n, s).
    """
    more = s * np.geomspace(1 / _SPAN, _SPAN, _STEPS)
    sizes = np.concatenate([np.full(_STEPS, since), [n], np.asarray(cells_n, float)])
    expected = fit.predict(sizes, np.concatenate([more, [s], np.asarray(cells_s, float)]), luck=False)
    goal, falling = -expected[:, _STEPS], -np.minimum.accumulate(expected[:, :_STEPS], axis=1)
    met = [np.interp(at, curve, np.log(more), right=np.inf) for at, curve in zip(goal, falling, strict=True)]
    return np.exp(np.array(met)) - s, expected[:, _STEPS + 1 :]


def by_the_law(fit: ExchangeFit, n: ArrayLike, s: ArrayLike, *, since: float = 0.0) -> Floats:
    """The same of the law alone, without its misfit; (draws, cells). What a known law's label equivalents are."""
    sizes, labels = _cells(n, s)
    _check_since(fit, since)
    if since == 0:
        ratio = transfer(fit.theta, sizes, labels, fit.scale)[0]
        return np.exp(log_labels(ratio, labels)) - labels
    goal = fit.log_error(sizes, labels)
    return labels_needed(fit, np.full_like(sizes, since), goal, labels) - labels


def _check_since(fit: ExchangeFit, since: float) -> None:
    if since == 0 and not fit.law.holds_at_zero:
        raise ValueError(f"law {fit.law.name} says nothing of n = 0; ask since a size above 0")


def labels_needed(fit: ExchangeFit, n: Floats, goal: Floats, near: Floats) -> Floats:
    """Labels s at which each draw's log error at n (cells,) is `goal` (draws, cells); inf where it never is.

    Looked for within a factor of 10,000 of `near` (cells,).
    """
    low = np.log(near) - 9.2 + 0 * goal
    high = low + 18.4
    flat = fit.z.repeat(n.size, axis=0)
    sizes = np.tile(n, fit.z.shape[0])

    def error_at(log_s: Floats) -> Floats:
        theta = fit.law.mean + fit.law.sd * flat
        # One draw, one cell: the law broadcasts over a diagonal, so each is asked alone.
        return _diagonal(fit, theta, sizes, np.exp(log_s).reshape(-1)).reshape(goal.shape)

    never = error_at(high) > goal
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = error_at(middle) > goal
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(never, np.inf, np.exp(high))


def _diagonal(fit: ExchangeFit, theta: Floats, n: Floats, s: Floats) -> Floats:
    """Log error of draw i at cell i; (draws,)."""
    return fit.law.values(theta, n[:, None], s[:, None], fit.scale)[0][:, 0]


def labels_a_render(fit: ExchangeFit, n: ArrayLike, s: ArrayLike) -> Floats:
    """How many labels the next render is worth at (n, s), n > 0: the ratio of the error's slopes; (draws, cells).

    The slope in n is that of the errors that are expected, and may be 0 or more where renders bring nothing or harm.
    """
    sizes, labels = _cells(n, s)
    both = fit.predict(np.concatenate([sizes * _WIDE, sizes / _WIDE]), np.tile(labels, 2), luck=False)
    by_n = (both[:, : sizes.size] - both[:, sizes.size :]) / (2 * np.log(_WIDE))
    return np.asarray(by_n / _slope_in_s(fit, sizes, labels)) * (labels / sizes)


def labels_of_more(fit: ExchangeFit, n: float, s: float, more: float) -> Floats:
    """How many labels `more` further renders are worth at (n, s), by the fall of the expected errors; (draws,).

    inf where that is more than 30 s.
    """
    sizes, labels = _cells([n, n + more], s)
    errors = fit.predict(sizes, labels, luck=False)
    slope = _slope_in_s(fit, sizes[:1], labels[:1])[:, 0]
    more_log, most = (errors[:, 1] - errors[:, 0]) / slope, np.log(_SPAN)
    return np.where(more_log > most, np.inf, s * np.expm1(np.minimum(more_log, most)))


def a_render_by_the_law(fit: ExchangeFit, n: ArrayLike, s: ArrayLike) -> Floats:
    """The same of the law alone, without its misfit; (draws, cells)."""
    sizes, labels = _cells(n, s)
    by_n = fit.log_error(sizes * (1 + _STEP), labels) - fit.log_error(sizes * (1 - _STEP), labels)
    return np.asarray(by_n / (2 * _STEP) / _slope_in_s(fit, sizes, labels)) * (labels / sizes)


def _slope_in_s(fit: ExchangeFit, n: Floats, s: Floats) -> Floats:
    """Of the law's log error in log s, below 0; (draws, cells)."""
    rise = fit.log_error(n, s * (1 + _STEP)) - fit.log_error(n, s * (1 - _STEP))
    return np.minimum(rise, -1e-30) / (2 * _STEP)


@dataclass(frozen=True)
class Prices:
    """Dollars of one more label (a photograph with its label) and of one more render."""

    label_usd: float
    render_usd: float


def dollar_ratio(fit: ExchangeFit, n: ArrayLike, s: ArrayLike, prices: Prices) -> Floats:
    """Dollars of labels that a dollar of renders stands for at (n, s), above 1 where renders win; (draws, cells)."""
    return labels_a_render(fit, n, s) * prices.label_usd / prices.render_usd


@dataclass(frozen=True)
class Covered:
    """Which labels and renders the runs say anything of: least and most of s + T and of n, a doubling beyond."""

    labels: tuple[float, float]
    n: float

    @staticmethod
    def by(fit: ExchangeFit) -> Covered:
        """Of a fit's runs."""
        runs = fit.runs
        effective = np.median(runs.s + _gained(fit, runs.n, runs.s), axis=0)
        return Covered((float(effective.min()) / BEYOND, float(effective.max()) * BEYOND), float(runs.n.max()) * BEYOND)


def _gained(fit: ExchangeFit, n: Floats, s: Floats) -> Floats:
    return by_the_law(fit, n, s) if fit.law.holds_at_zero else np.zeros((1, n.size))


def why_not(fit: ExchangeFit, n: float, s: float) -> str | None:
    """Why the error at (n, s) would be extrapolated, in one line; None where the runs cover it."""
    runs, covered = fit.runs, Covered.by(fit)
    if n > covered.n:
        return f"n = {n:,.0f} is more than twice the largest n that was run, {runs.n.max():,.0f}: not extrapolated"
    fewest = float(runs.n[runs.n > 0].min())
    if n < fewest / BEYOND:
        return f"n = {n:,.0f} is less than half the smallest n that was run, {fewest:,.0f}: not extrapolated"
    least, most = float(runs.s.min()), float(runs.s.max())
    there = s + float(np.median(_gained(fit, np.array([n]), np.array([s]))))
    if s < least / BEYOND:
        return f"s = {s:,.0f} is less than half the smallest s that was run, {least:,.0f}: not extrapolated"
    if s > most * BEYOND:
        return f"s = {s:,.0f} is more than twice the largest s that was run, {most:,.0f}: not extrapolated"
    if not covered.labels[0] <= there <= covered.labels[1]:
        least, most = (edge * factor for edge, factor in zip(covered.labels, (BEYOND, 1 / BEYOND), strict=True))
        reached = f"{there:,.3g} labels in all, renders among them; the runs reach {least:,.3g} to {most:,.3g}"
        return f"n = {n:,.0f} at s = {s:,.0f} is worth {reached}: not extrapolated"
    return None


@dataclass(frozen=True, eq=False)
class Purchase:
    """The cheapest renders and labels that reach an error, for each draw: n, s and dollars; inf where none does."""

    n: Floats
    s: Floats
    usd: Floats


def cheapest(fit: ExchangeFit, error: float, prices: Prices) -> Purchase:
    """The cheapest (n, s) at which each draw's error is `error`, within what the runs cover."""
    runs, most = fit.runs, Covered.by(fit).n
    least = runs.n[runs.n > 0].min()
    sizes = np.geomspace(least, most, max(2, round(_A_DECADE * np.log10(most / least)) + 1))
    if fit.law.holds_at_zero:
        sizes = np.concatenate([[0.0], sizes])
    goal = np.full((fit.z.shape[0], sizes.size), np.log(error))
    s = labels_needed(fit, sizes, goal, np.full(sizes.size, fit.scale.s))
    # fewer labels than half the least are not asked about: those reach the error, too
    s = np.maximum(np.where(s > runs.s.max() * BEYOND, np.inf, s), runs.s.min() / BEYOND)
    usd = sizes * prices.render_usd + s * prices.label_usd
    best, draws = usd.argmin(axis=1), np.arange(usd.shape[0])
    reached = np.isfinite(usd[draws, best])
    return Purchase(np.where(reached, sizes[best], np.inf), s[draws, best], usd[draws, best])
