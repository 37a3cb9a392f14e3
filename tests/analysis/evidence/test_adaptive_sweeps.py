"""Whole simulated sweeps: what is right follows from the truth, and a small version of the committed table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.evidence.adaptive_sweeps import MOST_RUNS, PILOT, sweep
from analysis.evidence.worlds import QUESTIONS, STRATA, Measurements, World, bent, near_the_line
from analysis.laws import TrueLaw
from analysis.policy.runs import Run
from sweeper.bench import calibration
from sweeper.bench.calibration import HEAD, binomial_interval, figures_of, measure
from sweeper.errors import BadInput

STEEP = World(TrueLaw(alpha=0.5, C=0.1, D=6.0, sigma=0.005), target=0.2)


def test_what_is_right_follows_from_the_law() -> None:
    # error 0.29 at 1,000 images, 0.12 at 64,000, 0.1 for ever
    assert STEEP.bears_out("render more", 1000)
    assert not STEEP.bears_out("good enough", 1000)
    assert STEEP.bears_out("good enough", 64_000)
    assert replace(STEEP, target=0.09).bears_out("change the rendering", 64_000)
    # within 2,000 images 0.2 is not reached, though it is with more
    assert replace(STEEP, n_limit=2000).bears_out("change the rendering", 1000)
    # without a target, the next doubling must lower the error by one per cent of it
    assert replace(STEEP, target=None).bears_out("render more", 1000)
    assert replace(STEEP, target=None, min_gain=0.3).bears_out("change the rendering", 64_000)


def test_a_sweep_begins_with_the_pilot_and_ends_with_its_first_verdict_or_the_last_run() -> None:
    looks = sweep(STEEP, seed=0).looks
    assert looks[0].runs == len(PILOT)
    assert [look.given for look in looks][:-1] == [False] * (len(looks) - 1)
    assert len(sweep(STEEP, seed=0, objective="law").looks) == MOST_RUNS - len(PILOT) + 1


def test_no_verdict_but_good_enough_comes_before_seven_runs() -> None:
    looks = [look for i in range(9) for look in sweep(STRATA["noise_2_percent"](i), i).looks]
    early = [look for look in looks if look.given and look.runs < 7]
    assert {look.label for look in early} <= {"good enough"}
    assert {look.question for look in looks} == set(QUESTIONS)


def test_the_same_run_has_the_same_error_and_a_crossed_seed_moves_all_sizes_alike() -> None:
    world = replace(STEEP, law=replace(STEEP.law, sigma=0.05), crossed=True)
    runs = Measurements(world, seed=3)
    assert runs.error(Run("arm", 1000, 1)) == Measurements(world, seed=3).error(Run("arm", 1000, 1))
    off = np.array(
        [[np.log(runs.error(Run("arm", n, s))[0] / world.error(n)) for n in (1000, 4000)] for s in range(200)]
    )
    assert np.corrcoef(off.T)[0, 1] == pytest.approx(0.5, abs=0.15)


def test_mistakes_are_counted_on_images_that_all_runs_share() -> None:
    world = replace(STEEP, test_size=500)
    error, resampled = Measurements(world, seed=3).error(Run("arm", 4000, 0))
    assert error * 500 == pytest.approx(round(error * 500))
    assert resampled is not None
    assert resampled.std() == pytest.approx(np.sqrt((1 - error) / (error * 500)), rel=0.2)


def test_bent_truths_leave_the_law_and_near_truths_are_near_the_line() -> None:
    plateau = bent(0, "plateau")
    assert plateau.error(8_000) == plateau.error(1e9)
    assert bent(0, "rise").error(1e7) > bent(0, "rise").error(128_000)
    near = next(world for world in map(near_the_line, range(2, 99, 3)) if world.target is None)
    gain = 1 - near.error(128_000) / near.error(64_000)
    assert 0.69 < gain / near.min_gain < 1.31


def test_a_table_has_a_line_for_every_stratum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "in_parallel", lambda function, jobs, what: [function(*job) for job in jobs])
    out = tmp_path / "sweeps.csv"
    figures = measure(sweeps=3, strata=["plateau", "noise_1_percent:law"], out=out)
    head, *lines = out.read_text().splitlines()
    assert head == HEAD
    assert [line.split(",")[:3] for line in lines] == [["plateau", "verdict", "3"], ["noise_1_percent", "law", "3"]]
    assert figures["coverage_noise_1_percent_law"].reference == 0.95
    assert figures["verdicts_wrong_plateau"].value <= 1


def test_an_unknown_stratum_is_one_line() -> None:
    with pytest.raises(BadInput, match="there is no stratum 'noise'; choose of prior, "):
        measure(strata=["noise"])


def test_of_the_verdicts_given_hardly_any_is_wrong() -> None:
    """12 broad truths at a noise of 1 %; docs/measured/calibration-sweeps.csv has 400 in each stratum."""
    sweeps = [sweep(STRATA["noise_1_percent"](i), 1000 + i) for i in range(12)]
    figures = figures_of("noise", sweeps)
    assert figures["verdicts_given_noise"].value >= 0.5
    assert figures["verdicts_wrong_noise"].value <= 1 / 12
    assert figures["coverage_noise"].value >= 0.8


def test_binomial_intervals_are_exact() -> None:
    assert binomial_interval(0, 20) == pytest.approx((0.0, 0.168), abs=0.001)
    assert binomial_interval(20, 20) == pytest.approx((0.832, 1.0), abs=0.001)
