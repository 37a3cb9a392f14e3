"""Noise, bands and verdicts judged by what was held out of curves whose truth is known here."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.evidence.measured_curves import SeededCurve, held_out_seeds, judge_doublings, noise_by_size
from analysis.laws import TrueLaw

SIZES = (125, 500, 2000, 4000, 8000, 16000)


def curve(law: TrueLaw, finetune: float, pretrain: float, seed: int, seeds: int = 3, repeats: int = 2) -> SeededCurve:
    """Runs of a known law, each the mean of its fine-tunes."""
    rng = np.random.default_rng(seed)
    n = np.repeat(np.array(SIZES, dtype=float), seeds)
    runs = np.log(law.error(n)) + pretrain * rng.standard_normal(n.size)
    tunes = runs[:, None] + finetune * rng.standard_normal((n.size, repeats))
    which = np.tile(np.arange(float(seeds)), len(SIZES))
    spread = tunes.var(axis=1, ddof=1) if repeats > 1 else np.full(n.size, np.nan)
    return SeededCurve(n, which, tunes.mean(axis=1), spread, np.full(n.size, float(repeats)))


def test_the_noise_of_pre_trainings_is_told_from_that_of_fine_tunes() -> None:
    # given many curves whose pre-trainings scatter by 1 % and whose fine-tunes by 2 % more
    curves = [curve(TrueLaw(0.4, 0.3, 1.0, 0.01), finetune=0.02, pretrain=0.01, seed=i) for i in range(200)]

    # then both are found at every size
    found = noise_by_size(curves)
    assert [noise.n for noise in found] == list(SIZES)
    for noise in found:
        assert noise.finetune == pytest.approx(0.02, rel=0.15)
        assert noise.pretrain == pytest.approx(0.01, rel=0.35)
        assert noise.dof == 2 * 200


def test_one_fine_tune_a_run_says_nothing_of_noise() -> None:
    assert noise_by_size([curve(TrueLaw(0.4, 0.3, 1.0, 0.01), 0.02, 0.01, seed=0, repeats=1)]) == []


def test_a_held_out_seed_lies_in_the_band_where_the_law_holds_and_not_where_it_breaks() -> None:
    # given curves of a law, and the same with a rise beyond what is seen
    truths = {str(i): curve(TrueLaw(0.4, 0.3, 1.0, 0.01), 0.01, 0.01, seed=i) for i in range(4)}
    broken = {name: _risen(each) for name, each in truths.items()}

    # then three held-out seeds of each have two runs above a quarter of the largest size
    held, missed = held_out_seeds(truths), held_out_seeds(broken)
    assert held.runs == missed.runs == 4 * 3 * 2
    assert held.inside >= 0.8 * held.runs
    assert missed.inside < held.inside


def test_verdicts_are_judged_by_the_doubling_that_was_measured() -> None:
    # given a law that still falls by 4 % a doubling and one that is flat, both hardly noisy
    falls = {"falls": curve(TrueLaw(0.15, 0.1, 1.2, 0.001), 0.001, 0.001, seed=0)}
    flat = {"flat": curve(TrueLaw(1.2, 0.4, 30.0, 0.001), 0.001, 0.001, seed=1)}
    assert judge_doublings(falls).right == 1
    assert judge_doublings(flat).right == 1

    # and where the last size turns against the verdict, it is wrong
    assert judge_doublings({"turned": _risen(falls["falls"], only_top=True)}).wrong == 1


def _risen(curve: SeededCurve, *, only_top: bool = False) -> SeededCurve:
    beyond = curve.n == max(SIZES) if only_top else curve.n > 4000
    return SeededCurve(curve.n, curve.seed, curve.log_error + 0.3 * beyond, curve.variance, curve.repeats)


def test_a_curve_of_one_size_says_its_noise_and_is_judged_by_no_doubling() -> None:
    one = curve(TrueLaw(0.4, 0.3, 1.0, 0.01), 0.01, 0.01, seed=0)
    single = {"one": one.where(one.n == 2000)}
    assert judge_doublings(single) == judge_doublings({})
    assert [each.n for each in noise_by_size(list(single.values()))] == [2000]
