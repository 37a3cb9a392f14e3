"""Intervals of effects in worlds of known truth: the measurement itself finds what holds and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.effects.curves import curve_fits
from analysis.estimator.fit import fit_laws
from analysis.evidence.factors import worlds as factor_worlds
from analysis.evidence.factors.worlds import WORLDS, curve_world, world


def test_intervals_hold_where_main_effects_are_all_there_is() -> None:
    found = [world("additive", number) for number in range(10)]
    assert np.mean([each.effects for each in found]) >= 0.85
    assert np.mean([each.unrendered for each in found]) >= 0.9


def test_intervals_that_are_too_narrow_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given intervals of half of the draws, the measurement says that they hold less than what is nominal."""
    monkeypatch.setattr(factor_worlds, "LEVEL", 0.3)
    found = [world("pairs", number) for number in range(6)]
    assert np.mean([each.unrendered for each in found]) < 0.7


@pytest.mark.parametrize("kind", WORLDS)
def test_a_world_is_settings_of_about_the_same_scale(kind: str) -> None:
    factors = factor_worlds._FACTORS[0]
    level = WORLDS[kind](factors, np.random.default_rng(0))
    assert level.shape == (len(factors.combinations),)
    assert level.std() < 3


def test_the_effects_on_a_curve_are_those_that_its_laws_were_drawn_with() -> None:
    """Given eight laws at little noise, the effects on the share of the gap and on the rate are told."""
    found = curve_world(8)
    assert set(found) == {"share of gap", "rate"}
    assert all(each.effects >= 0.5 for each in found.values())


def test_few_laws_tell_nothing_of_what_attributes_do_to_the_curve() -> None:
    """Given four factors and laws of five settings, as many as there are main effects and a mean, nothing is told."""
    factors = factor_worlds._CURVE_FACTORS
    n = np.array(factor_worlds.CURVE_SIZES)
    rng = np.random.default_rng(0)
    errors = {place: (0.3 + 2 * n**-0.5) * np.exp(0.003 * rng.standard_normal(n.size)) for place in (0, 3, 5, 9, 14, 6)}
    laws = {int(place): law for place, law in fit_laws({str(at): (n, e) for at, e in errors.items()}).items()}
    assert set(curve_fits(factors, laws, 4000.0)) == {"share of gap", "rate"}
    del laws[6]
    assert curve_fits(factors, laws, 4000.0) == {}
