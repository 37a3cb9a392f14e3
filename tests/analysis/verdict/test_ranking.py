"""Which arm is best and by how much, and what a test set can tell apart."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import LawFit, fit_law, fit_laws
from analysis.verdict.ranking import ranking
from analysis.verdict.resolution import resolution
from tests.analysis.evidence.truths import observe

SIZES = np.array([500.0, 1000, 2000, 4000, 8000, 8000])


def fits(**gaps: float) -> dict[str, LawFit]:
    truths = {arm: observe(0.5, C, 3.0, 0.004, SIZES, seed) for seed, (arm, C) in enumerate(gaps.items())}
    return fit_laws({arm: (truth.n, truth.error) for arm, truth in truths.items()})


def test_the_arm_of_the_lowest_error_is_named_with_its_lead() -> None:
    """Given three arms 3 and 8 points apart, the ranking has their order, and a lead whose interval holds 3 points."""
    found = ranking(fits(middle=0.23, best=0.20, worst=0.28))

    assert found is not None
    assert found.order == ("best", "middle", "worst")
    assert (found.best, found.second, found.n) == ("best", "middle", 8000)
    assert found.interval[0] < 0.03 < found.interval[1]
    assert found.is_shown
    assert found.in_words.startswith("best is best: with 8,000 images its error is ")
    assert "lower than that of middle" in found.in_words


def test_arms_that_runs_do_not_tell_apart_are_not_said_to_differ() -> None:
    found = ranking(fits(one=0.20, other=0.20))

    assert found is not None
    assert not found.is_shown
    assert found.in_words.startswith("No arm is shown to be best: ")


def test_no_law_is_extrapolated_unless_asked() -> None:
    """Given an arm run up to 2,000 images, arms are compared there, or at the size that the question names."""
    short, long = fits(short=0.2)["short"], fits(long=0.2)["long"]
    less = fit_law(short.n[:3], short.error[:3])
    both = {"short": less, "long": long}

    compared, asked = ranking(both), ranking(both, n=64_000)

    assert compared is not None
    assert asked is not None
    assert (compared.n, asked.n) == (2000, 64_000)
    assert ranking({"long": long}) is None, "with no other arm there is nothing to compare"


def test_a_larger_test_set_tells_smaller_differences_apart() -> None:
    """Given the same runs on 400 and on 40,000 test images, the second resolves a tenth of the difference."""
    truth = observe(0.5, 0.2, 3.0, 0.004, SIZES, 1)
    small, large = (resolution([fit_law(truth.n, truth.error, test_size=size)]) for size in (400, 40_000))

    assert small is not None
    assert large is not None
    assert small.apart / large.apart == pytest.approx(10, rel=0.02)
    # of 400 images at an error of 23 %: 1.96 sqrt(0.23 x 0.77 / 400), and sqrt(2) times that between two
    assert small.alone == pytest.approx(0.041, abs=0.003)
    assert small.apart == pytest.approx(small.alone * 2**0.5)
    assert small.in_words.startswith("400 test images tell two arms apart from 5.")
    assert resolution(fits(one=0.2).values()) is None, "where their number is not known"
