"""The model of effects on settings whose truth is known: what it finds, what it covers, what it proposes."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.effects.answers import answers, change_in_words, likeliest_change, sentences
from analysis.effects.design import fraction
from analysis.effects.factors import Factors
from analysis.effects.fit import fit_effects, measured_of
from analysis.effects.model import PARTICLES
from analysis.effects.search import regret, search
from analysis.laws import Floats

THREE = Factors({"material": ("own", "random"), "light": ("fix", "random"), "sensor": ("none", "camera", "phone")})


def truth(factors: Factors, rng: np.random.Generator, *, own: float) -> Floats:
    """Log errors: two factors matter and go together, the others hardly do; each setting has `own` (sd) of its own."""
    coefficients = np.zeros(factors.columns.shape[1])
    coefficients[0], coefficients[1] = rng.normal(0, 0.06, 2)
    coefficients[len(factors.names) :] = rng.normal(0, 0.01, coefficients.size - len(factors.names))
    return -1 + factors.columns @ coefficients + own * rng.standard_normal(len(factors.columns))


def test_columns_are_orthogonal_with_mean_0_and_mean_square_1() -> None:
    X = THREE.columns
    assert np.allclose(X.T @ X / len(X), np.eye(X.shape[1]), atol=1e-12)
    assert np.allclose(X.mean(axis=0), 0)


def test_the_factor_that_matters_is_found_and_the_one_that_does_not_is_said_not_to() -> None:
    """Given errors that material alone decides, when fitted, material is named with its size and light is not."""
    rng = np.random.default_rng(0)
    places = np.repeat(np.arange(12), 3)
    shift = np.array([0.0 if THREE.named(i)["material"] == "own" else 0.2 for i in range(12)])
    logs = -1 + shift[places] + 0.002 * rng.standard_normal(36)

    said = answers(fit_effects(THREE, measured_of(places.tolist(), logs.tolist())), n=4096)

    first = said.effects[0]
    assert (first.factor, first.level, first.finding) == ("material", "own", "lowers")
    assert first.change == pytest.approx(np.exp(-1) - np.exp(-0.8), abs=0.003)
    light = next(each for each in said.effects if each.factor == "light")
    assert light.finding == "does not matter"
    assert any("material: own instead of random lowers the error at 4,096 images by 8." in s for s in sentences(said))


@pytest.mark.parametrize("own", [0.0, 0.03])
def test_intervals_of_effects_cover_the_truth_whether_or_not_the_model_is_additive(own: float) -> None:
    """Given 60 drawn worlds of 16 settings, half of them run, the 95 % intervals hold the truth at about that rate."""
    factors = Factors(dict.fromkeys("wxyz", ("a", "b")))
    hits = []
    for world in range(60):
        rng = np.random.default_rng([world, int(1000 * own)])
        level = truth(factors, rng, own=own)
        chosen = fraction(factors, 8, seed=world)
        logs = level[chosen] + 0.005 * rng.standard_normal(8)
        for each in answers(fit_effects(factors, measured_of(chosen, logs.tolist()), seed=world)).effects:
            at = factors.level_places[:, factors.names.index(each.factor)] == factors.levels[each.factor].index(
                each.level
            )
            actual = np.exp(level[at]).mean() - np.exp(level[~at]).mean()
            hits.append(each.interval[0] <= actual <= each.interval[1])
    assert 0.9 <= np.mean(hits) <= 1.0


def test_a_setting_never_run_has_a_wider_interval_than_those_that_were() -> None:
    rng = np.random.default_rng(1)
    level = truth(THREE, rng, own=0.02)
    fit = fit_effects(THREE, measured_of(list(range(8)), level[:8].tolist()))
    spread = fit.level.std(axis=0)
    assert fit.unmeasured.sum() == 4
    assert spread[8:].min() > 2 * spread[:8].max()
    assert fit.level.shape == (8 * PARTICLES, 12)


def test_the_search_comes_nearer_to_the_best_than_drawing_settings_does() -> None:
    """Given tables of 256 settings, 17 runs of the search leave less regret than 17 random ones, and each is new."""
    factors = Factors(dict.fromkeys("abcdefgh", ("a", "b")))
    found, drawn = [], []
    for world in range(3):
        level = truth(factors, np.random.default_rng(world), own=0.01)
        chosen = search(factors, level, 17)
        assert len(set(chosen)) == 17
        found.append(regret(np.exp(level), chosen))
        rng = np.random.default_rng(world)
        drawn.append(np.mean([regret(np.exp(level), rng.permutation(256)[:17].tolist()) for _ in range(200)]))
    assert np.mean(found) < 0.5 * np.mean(drawn)


def test_other_tasks_tables_tell_where_to_begin() -> None:
    """Given tables of tasks that are alike, the first settings run are already good ones."""
    factors = Factors(dict.fromkeys("abcde", ("a", "b")))
    rng = np.random.default_rng(2)
    common = truth(factors, rng, own=0.02)
    tables = np.array([common + 0.005 * rng.standard_normal(32) for _ in range(4)])
    chosen = search(factors, tables[0], 4, others=tables[1:])
    assert regret(np.exp(tables[0]), chosen) < 0.1


def test_a_fraction_of_sixteen_tells_main_effects_apart_and_from_pairs() -> None:
    factors = Factors(dict.fromkeys("abcdefgh", ("a", "b")))
    X = factors.columns[fraction(factors, 16)]
    assert np.allclose(X[:, :8].T @ X[:, :8], 16 * np.eye(8))
    assert np.allclose(X[:, :8].T @ X[:, 8:], 0)


def test_the_change_that_is_likeliest_to_help_is_named_or_said_not_to_be_there() -> None:
    places = list(range(12)) * 2
    logs = [-1.0 + (0.2 if THREE.named(i)["material"] == "random" else 0.0) for i in places]
    fit = fit_effects(THREE, measured_of(places, logs))
    worse = THREE.place({"material": "random", "light": "fix", "sensor": "none"})
    better = THREE.place({"material": "own", "light": "fix", "sensor": "none"})

    change = likeliest_change(fit, worse, 0.01)

    assert change is not None
    assert change.factors["material"] == ("random", "own")
    assert "Likeliest to help: material from random to own" in change_in_words(change, 0.01)
    assert likeliest_change(fit, better, 0.01) is None
    assert "None of the settings offered" in change_in_words(None, 0.01)
