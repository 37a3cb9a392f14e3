"""How many images to buy at a time for a target."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import LawFit, fit_law
from analysis.evidence.target_rounds import (
    Collection,
    Outcome,
    collect,
    learn_optimize_collect,
    ours,
    power_law_regression,
    recorded,
    simulated,
    summary,
)
from analysis.laws import Floats, TrueLaw
from analysis.verdict.purchases import next_size
from analysis.verdict.verdict import verdict

LAW = TrueLaw(alpha=0.5, C=0.1, D=6.0, sigma=0.005)
# The law's error at 64,000 images.
TARGET = 0.1237


@pytest.fixture(scope="module")
def fit() -> LawFit:
    n = np.repeat([1000, 4000, 16_000], 3)
    return fit_law(n, LAW.observed(n, np.random.default_rng(0).standard_normal(n.size)))


def test_the_fewer_rounds_are_left_the_more_is_bought(fit: LawFit) -> None:
    bought = [next_size(fit, TARGET, 16_000, rounds, look_again=False) for rounds in (1, 2, 3, 4, 5)]
    sizes = [size for size in bought if size is not None]
    assert sizes == sorted(sizes, reverse=True)
    assert 16_000 < sizes[-1] < 64_000 < sizes[0]


def test_it_stops_where_the_target_is_met_or_no_round_is_left(fit: LawFit) -> None:
    assert next_size(fit, 0.2, 16_000, 5, look_again=True) is None
    assert next_size(fit, TARGET, 16_000, 0, look_again=False) is None


def test_what_may_be_met_already_is_measured_again_before_more_is_bought(fit: LawFit) -> None:
    now = float(fit.median_curve(16_000))
    assert next_size(fit, now, 16_000, 3, look_again=True) == 16_000
    more = next_size(fit, now, 16_000, 3, look_again=False)
    assert more is not None
    assert more > 16_000


def test_a_target_that_no_number_of_images_reaches_has_no_size(fit: LawFit) -> None:
    assert next_size(fit, 0.05, 16_000, 3, look_again=False) == float("inf")


def test_the_sentence_says_what_to_buy_first(fit: LawFit) -> None:
    said = verdict(fit, target_error=TARGET)
    assert said.label == "render more"
    assert " In rounds, buy to " in said.sentence


def test_images_at_hand_that_may_do_are_not_said_to_be_too_few(fit: LawFit) -> None:
    """Given a target just above the error at hand, the verdict does not ask for fewer images than there are."""
    said = verdict(fit, target_error=float(np.quantile(fit.samples.error(16_000), 0.8)))
    assert "may reach" in said.sentence or said.label == "not identified yet"
    assert (said.leaning or "good enough") != "render more" or said.label == "render more"


@pytest.mark.parametrize("method", [ours, learn_optimize_collect, power_law_regression])
def test_every_method_ends_within_its_rounds_at_a_size_that_it_paid_for(method: object) -> None:
    task = simulated(0)
    end = collect(method, task)  # type: ignore[arg-type]
    assert end.rounds <= 5
    assert end.n >= task.n.max()
    assert end.reached == (end.n >= task.needed)


def test_a_purchase_on_a_recorded_curve_brings_its_next_size() -> None:
    n: Floats = 1000 * 2.0 ** np.arange(7, dtype=np.float64)
    tasks = recorded(n, LAW.error(n), first=4)
    assert [task.needed for task in tasks] == [16_000, 32_000, 64_000]
    assert tasks[0].available(9000) == 16_000
    assert isinstance(tasks[0], Collection)


def test_a_method_that_stops_short_counts_as_a_failure_and_not_as_thrift() -> None:
    short, over = Outcome(1500, 2000, 1, 2, -0.5), Outcome(3000, 2000, 1, 2, 1.0)
    assert summary([short, over]) == (0.5, 1.0)
