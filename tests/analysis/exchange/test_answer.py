"""What is said of renders and labels, on errors whose law is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.exchange.answer import LABEL, RENDER, answer
from analysis.exchange.fit import ExchangeFit, fit_exchange
from analysis.exchange.worth import Prices, label_equivalents, labels_a_render, labels_needed, why_not
from analysis.laws import Floats

N, S = np.array([0.0, 500.0, 2_000.0, 8_000.0, 32_000.0]), np.array([100.0, 400.0, 1_600.0, 6_400.0])


def _without(labels: Floats) -> Floats:
    return 0.05 + 0.85 * (1 + labels / 200) ** -0.5


def _fit(
    worth: Callable[[Floats, Floats], Floats], *, n: Floats = N, s: Floats = S, noise: float = 0.004, draws: int = 250
) -> ExchangeFit:
    """`worth(n, s)`: label equivalents."""
    sizes, labels = (each.reshape(-1) for each in np.meshgrid(n, s, indexing="ij"))
    off = noise * np.random.default_rng(0).standard_normal(sizes.size)
    error = _without(labels + worth(sizes, labels)) * np.exp(off)
    return fit_exchange(sizes, labels, error, draws=draws)


def _useful(n: Floats, s: Floats) -> Floats:
    return 1_000 * n / (2_000 + n)


@pytest.fixture(scope="module")
def useful() -> ExchangeFit:
    return _fit(_useful)


def test_label_equivalents_are_found_at_every_s(useful: ExchangeFit) -> None:
    for s in S[:3]:
        low, high = np.quantile(label_equivalents(useful, 8_000, s), [0.01, 0.99])
        assert low < 800 < high
        assert high < 3 * low


def test_the_worth_of_the_next_render_is_the_slope_of_its_label_equivalents(useful: ExchangeFit) -> None:
    step = 1.0
    worth = [label_equivalents(useful, 2_000 + each, 400)[:, 0] for each in (-step, step)]

    found = labels_a_render(useful, 2_000, 400)[:, 0]

    # A render's label is worth what a label without pre-training is, less what T itself changes with s.
    assert np.median(found / ((worth[1] - worth[0]) / (2 * step))) == pytest.approx(1, abs=0.25)


def test_labels_needed_undo_the_law(useful: ExchangeFit) -> None:
    goal = useful.log_error(2_000, 700)

    assert labels_needed(useful, np.array([2_000.0]), goal, np.array([400.0])) == pytest.approx(700, rel=1e-6)


def test_the_next_dollar_goes_where_it_buys_more(useful: ExchangeFit) -> None:
    dear_labels = answer(useful, n=2_000, s=400, prices=Prices(label_usd=10.0, render_usd=0.001))
    dear_renders = answer(useful, n=2_000, s=400, prices=Prices(label_usd=0.01, render_usd=1.0))

    assert dear_labels.verdict == RENDER
    assert dear_renders.verdict == LABEL
    assert "labels win at every n" in " ".join(dear_renders.sentences)


def test_the_cheapest_way_reaches_the_target_within_its_interval(useful: ExchangeFit) -> None:
    said = answer(useful, prices=Prices(0.4, 0.01), target_error=0.4)

    # f is 0.4 at about 1,180 labels: with 800 of them from renders, some 380 are left to buy.
    assert said.way is not None
    assert said.way.s.low < 1_000
    assert said.way.usd.high < 1_180 * 0.4
    assert any("the cheapest way to an error of 0.4" in line for line in said.sentences)


def test_a_target_beyond_the_runs_is_refused_in_a_line(useful: ExchangeFit) -> None:
    said = answer(useful, prices=Prices(0.4, 0.01), target_error=0.06)

    assert said.way is None
    assert "not extrapolated" in said.sentences[-1]


@pytest.mark.parametrize(("n", "s"), [(100_000, 400), (2_000, 20), (2_000, 50_000)])
def test_what_the_runs_do_not_cover_is_refused(useful: ExchangeFit, n: Any, s: Any) -> None:
    assert "not extrapolated" in (why_not(useful, n, s) or "")
    with pytest.raises(ValueError, match="not extrapolated"):
        answer(useful, n=n, s=s)


def test_renders_that_harm_are_called_so() -> None:
    said = answer(_fit(lambda n, s: np.where(n > 0, -0.3 * s, 0.0)), s=1_600)

    assert said.worth.high < 0
    assert "worth nothing" in said.sentences[0]
    assert "harm" in said.sentences[0]


def test_renders_without_any_effect_are_not_said_to_be_worth_labels() -> None:
    said = answer(_fit(lambda n, s: 0 * n), s=400)

    assert said.worth.low <= 0
    assert "not shown to be worth any label" in said.sentences[0] or said.worth.high <= 0


def test_far_above_t_pretraining_no_longer_matters() -> None:
    s = np.array([100.0, 1_000.0, 10_000.0, 100_000.0])

    said = answer(_fit(lambda n, s: 100 * n / (2_000 + n), s=s, noise=0.001), s=100_000)

    assert "no longer matters" in said.sentences[1]


def test_without_n_zero_the_rate_counts_from_the_smallest_size() -> None:
    said = answer(_fit(_useful, n=N[1:]), n=8_000, s=400)

    assert said.since == 500
    assert said.sentences[0].startswith("8,000 renders in place of 500 are worth")
    assert said.worth.low < 600 < said.worth.high


def test_a_prediction_of_other_runs_holds_them(useful: ExchangeFit) -> None:
    n, s = np.array([4_000.0, 16_000.0]), np.array([800.0, 3_200.0])

    low, high = np.quantile(useful.predict(n, s, luck=False), [0.01, 0.99], axis=0)

    truth = np.log(_without(s + _useful(n, s)))
    assert (low < truth).all()
    assert (truth < high).all()
    assert (high - low < 0.1).all()


def test_the_same_runs_give_the_same_draws(useful: ExchangeFit) -> None:
    again = _fit(_useful)

    assert np.array_equal(useful.z, again.z)
    assert replace(useful, set_aside=0).log_evidence == again.log_evidence


@pytest.mark.parametrize(
    ("n", "s", "error", "why"),
    [
        ([0, 1, 2, 3, 4, 5], [10] * 6, [0.5] * 6, "same s"),
        ([5] * 6, [10, 20, 30, 40, 50, 60], [0.5] * 6, "same n"),
        ([0, 5], [10, 20], [0.5, 0.4], "6 or more"),
        ([0, 5], [10, 0], [0.5, 0.4], "s must be"),
        ([0, 5], [10, 20], [0.5, 1.4], "errors must lie"),
    ],
)
def test_runs_that_say_nothing_of_both_sizes_are_refused(n: Any, s: Any, error: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        fit_exchange(n, s, error)


def test_fewer_renders_than_were_run_are_not_extrapolated() -> None:
    with_none = _fit(lambda n, s: 100 * n / (2_000 + n))
    least = float(with_none.runs.n[with_none.runs.n > 0].min())
    with pytest.raises(ValueError, match="is less than half the smallest n that was run"):
        answer(with_none, n=least / 4)
