"""The complexity measure against Gaussians whose entropy is known, and its shrinkage against scikit-learn's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from analysis import fit_laws
from analysis.complexity import Complexity, complexity
from analysis.report.records import ReportData
from analysis.report.tables import report_tables
from tests.analysis.evidence.truths import observe


def gaussian(images: int, features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(features, features))
    return rng.normal(size=(images, features)) @ mixing, mixing.T @ mixing


def test_it_is_the_negative_entropy_of_the_gaussian_that_made_the_activations() -> None:
    # given many activations from a known Gaussian, then its entropy is found, and next to no shrinkage is needed
    activations, covariance = gaussian(200_000, 6)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    found = complexity(activations)
    assert found.negative_entropy == pytest.approx(-entropy, abs=0.02)
    assert found.shrinkage < 0.001


def test_doubling_the_spread_takes_the_known_amount_away() -> None:
    activations, _ = gaussian(500, 8)
    difference = complexity(activations).negative_entropy - complexity(2 * activations).negative_entropy
    assert difference == pytest.approx(8 * np.log(2))


@pytest.mark.parametrize("images", [10, 40, 400])
def test_the_shrinkage_is_ledoit_and_wolfs(images: int) -> None:
    activations, _ = gaussian(images, 20)
    covariance, share = ledoit_wolf(activations)
    found = complexity(activations)
    assert found.shrinkage == pytest.approx(share)
    expected = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    assert found.negative_entropy == pytest.approx(-expected)


def test_fewer_images_than_features_give_a_finite_answer_that_says_how_much_was_shrunk() -> None:
    found = complexity(gaussian(10, 64)[0])
    assert np.isfinite(found.negative_entropy)
    assert found.shrinkage > 0.1
    assert "10 images, 64 features, shrinkage 0." in str(found)


def test_sets_of_other_sizes_are_on_another_scale_even_where_little_was_shrunk() -> None:
    # given draws of one and the same Gaussian with a spectrum that decays, as a network's activations have it
    draws = np.random.default_rng(0).normal(size=(8000, 128)) * np.exp(-np.arange(128) / 10)
    some, many = complexity(draws[:1000]), complexity(draws)
    # then the measure moves with n by much, though hardly anything was shrunk: what the docstring says
    assert max(some.shrinkage, many.shrinkage) < 0.02
    assert many.negative_entropy > some.negative_entropy + 50


def test_features_that_never_vary_are_left_out() -> None:
    activations, _ = gaussian(300, 5)
    dead = np.hstack([activations, np.full((300, 3), 7.0)])
    assert complexity(dead) == complexity(activations)


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (np.zeros((1, 4)), "two images or more"),
        (np.zeros((8, 4)), "no activation varies"),
        (np.full((8, 4), np.nan), "32 values that are not finite"),
    ],
)
def test_activations_that_say_nothing_are_refused(activations: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        complexity(activations)


def test_the_report_shows_it_beside_alpha_and_c_where_it_was_measured() -> None:
    truth = observe(0.5, 0.15, 2.0, 0.01, np.array([200.0, 800, 3200]), 1)
    fits = fit_laws(dict.fromkeys(("rich", "plain"), (truth.n, truth.error)))
    values: dict = {key: {} for key in ("verdicts", "references", "versions", "seeds")}
    values |= {key: [] for key in ("observations", "decisions", "ledger")}
    values |= dict.fromkeys(("title", "question", "unit", "stop_reason", "config_text"), "")
    bare = ReportData(arms=["rich", "plain"], fits=fits, **values)
    shown = dataclasses.replace(bare, complexity={"rich": Complexity(123.4, 64, 1000, 0.02)})
    without, with_it = ({c.title: c for c in report_tables(data)["fits"].on_page} for data in (bare, shown))
    assert not any("complexity" in str(title) for title in without)
    column, rows = with_it["complexity (nats)"], report_tables(shown)["fits"].rows
    assert [column.shown(row) for row in rows] == ["123 (n = 1000, 64 features)", "not measured"]
