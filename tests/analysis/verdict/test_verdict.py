from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from analysis import LawFit, fit_law
from analysis.verdict.verdict import Verdict, verdict
from tests.analysis.evidence.truths import observe

LADDER = np.repeat(200 * 2.0 ** np.arange(6), 2)


def _fit(alpha: float, C: float, D: float, sigma: float = 0.005) -> LawFit:
    truth = observe(alpha, C, D, sigma, LADDER, seed=1)
    return fit_law(truth.n, truth.error)


def test_target_already_met_is_good_enough() -> None:
    """error(6400) is about 0.125."""
    said = verdict(_fit(0.5, 0.10, 2.0), arm="a", target_error=0.15)
    assert (said.arm, said.label) == ("a", "good enough")
    assert said.probability > 0.95
    assert said.n_needed is None


def test_target_above_the_gap_and_in_reach_says_how_many_images_and_what_they_cost() -> None:
    """2 n^-0.5 + 0.10 = 0.115 at n = 17,778."""
    said = verdict(_fit(0.5, 0.10, 2.0, 0.003), target_error=0.115, n_limit=200_000, cost_per_image=0.001)
    assert said.label == "render more"
    assert said.n_needed is not None
    assert said.n_needed_interval is not None
    assert said.n_needed == pytest.approx(17_778, rel=0.25)
    low, high = said.n_needed_interval
    assert low < 17_778 < high
    assert said.cost_needed == pytest.approx((said.n_needed - 6400) * 0.001)
    assert f"${said.cost_needed:.2f} of rendering" in said.sentence


def test_target_below_the_gap_says_that_more_images_will_not_help() -> None:
    said = verdict(_fit(0.5, 0.15, 2.0), target_error=0.12, n_limit=1e9)
    assert said.label == "change the rendering"
    low, high = said.C_interval
    assert 0.12 < low < 0.15 < high
    assert said.sentence.startswith("More images will not help: any number of them would leave an error of 1")
    assert "above the 12.0% you need. Change the rendering." in said.sentence


def test_target_above_the_gap_but_beyond_the_limit_says_not_in_time() -> None:
    """Without the limit it would be reached at 160,000 images."""
    fit = _fit(0.5, 0.10, 2.0, 0.003)
    limited, endless = (verdict(fit, target_error=0.105, n_limit=limit) for limit in (12_000, None))
    assert limited.label == "change the rendering"
    assert "12,000 images, the most you allow" in limited.sentence
    assert endless.label != "change the rendering"


def test_without_a_target_the_next_doubling_decides() -> None:
    steep, flat = _fit(0.5, 0.02, 2.0), _fit(0.8, 0.20, 10.0, 0.002)
    assert verdict(steep, min_gain=0.01).label == "render more"
    dominated = verdict(flat, min_gain=0.05)
    assert dominated.label == "change the rendering"
    assert "the transfer gap dominates" in dominated.sentence


def test_few_noisy_runs_are_not_decided() -> None:
    truth = observe(0.4, 0.2, 1.0, 0.05, LADDER[::4], seed=4)
    said = verdict(fit_law(truth.n, truth.error), target_error=0.21)
    assert said.label == "not identified yet"
    assert said.leaning in ("render more", "change the rendering")
    assert said.probability < 0.95
    assert said.sentence.startswith("Not decided yet")


def test_two_sizes_decide_nothing_about_more_images() -> None:
    """However quiet the runs: the shape of the law would be the prior's."""
    fit = fit_law([200, 200, 400, 400], [0.3, 0.3, 0.299, 0.299])
    said = verdict(fit, min_gain=0.5)
    assert said.label == "not identified yet"
    assert "only 2 distinct sizes" in said.sentence


def test_a_verdict_says_whether_renders_beat_none_at_all() -> None:
    """Given an arm whose doublings pay, its verdict says beside it what is shown against no pre-training."""
    fit = _fit(0.5, 0.10, 2.0)
    better, level = (verdict(fit, reference_errors=(e, e * 1.01)) for e in (0.3, 0.1245))
    assert better.label == level.label == "render more"
    assert "Better than no pre-training? Yes: with 6,400 images" in better.sentence
    assert "Better than no pre-training? Not shown: with 6,400 images" in level.sentence
    assert "no pre-training" not in verdict(fit).sentence
    assert verdict(fit).without is None


@pytest.mark.parametrize(
    ("target", "label"), [(None, "render more"), (0.15, "good enough"), (0.05, "change the rendering")]
)
def test_an_arm_shown_to_be_worse_than_none_is_told_so_first(target: float | None, label: str) -> None:
    """Given a lower error without pre-training, whatever the verdict, its sentence begins with that."""
    said = verdict(_fit(0.5, 0.10, 2.0), target_error=target, reference_errors=(0.08, 0.0808))
    assert said.label == label
    assert said.without is not None
    assert said.without.finding == "worse"
    assert said.sentence.startswith("Worse than no pre-training: with 6,400 images the error is, by the law, 4.")
    assert said.without.difference in said.sentence


def test_a_verdicts_errors_and_falls_are_medians_within_their_intervals() -> None:
    """Given few noisy runs, whose posterior is skewed, the median is told and not the mean."""
    truth = observe(0.4, 0.2, 1.0, 0.05, LADDER[::4], seed=4)
    fit = fit_law(truth.n, truth.error)
    said = verdict(fit, min_gain=0.01, level=0.9)
    now, then = fit.samples.error(np.array([3200.0, 6400.0])).T
    assert said.error_now == np.median(now)
    assert said.next_doubling == np.median(1 - then / now)
    assert said.error_now_interval[0] < said.error_now < said.error_now_interval[1]
    assert said.level == 0.9


def test_runs_that_learnt_nothing_are_no_verdict_on_the_rendering() -> None:
    """Given errors of 100 % throughout, when judged, the verdict is open and says to train longer."""
    said = verdict(fit_law(LADDER, np.full(LADDER.size, 0.9995)), min_gain=0.01)
    assert said.label == "not identified yet"
    assert "train longer" in said.sentence


def test_verdicts_given_at_95_percent_are_right_at_least_as_often() -> None:
    """80 laws around the quickstart's numbers; a wrong verdict in a hundred would already be rare."""
    rng, right = np.random.default_rng(5), []
    for seed in range(80):
        alpha, gap = rng.uniform(0.2, 0.9), rng.uniform(0.05, 0.3)
        truth = observe(alpha, gap, rng.uniform(0.02, 0.3) * 1000**alpha, 0.01, LADDER, seed)
        if truth.error.max() > 1:
            continue
        said = verdict(fit_law(truth.n, truth.error, seed=seed), min_gain=0.03)
        pays = 1 - truth.at(12_800) / truth.at(6_400) >= 0.03
        if said.label != "not identified yet":
            right.append((said.label == "render more") == pays)
    assert len(right) > 30
    assert np.mean(right) >= 0.95


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("target_error", 1.5, "target_error is 1.5; it must lie in"),
        ("min_gain", 0.0, "min_gain is 0.0; it must lie between 0 and 1"),
        ("n_limit", -1, "n_limit is -1; it must be above 0"),
        ("level", 0.3, "level is 0.3; it must lie between 0.5 and 1"),
    ],
)
def test_bad_questions_are_refused_in_one_line(name: str, value: float, line: str) -> None:
    ask: Callable[..., Verdict] = verdict
    with pytest.raises(ValueError, match=line):
        ask(_fit(0.5, 0.1, 2.0), **{name: value})


def test_errors_at_the_chance_level_of_known_classes_are_no_verdict_on_the_rendering() -> None:
    n = np.repeat([100, 200, 400, 800, 1600], 2)
    error = 0.75 + 0.003 * np.tile([1, -1, -1, 1], 3)[: n.size]
    fit = fit_law(n, error)

    guessed, other = verdict(fit, classes=4), verdict(fit, classes=1000)

    assert guessed.label == "not identified yet"
    assert "the chance level of 4 classes, so nothing was learnt yet" in guessed.sentence
    assert "chance level" not in other.sentence
