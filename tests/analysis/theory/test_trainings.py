"""Pre-training and fine-tuning on short ladders: what the long ones of `sweeper bench theory` show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.laws import Floats
from analysis.theory.activations import RELU
from analysis.theory.exponents import fit_exponents
from analysis.theory.failures import COVERED, changes
from analysis.theory.finetuning import Penalty, expected_grid, network_grid
from analysis.theory.pretraining import Pretraining, expected_errors, network_errors

T0 = np.exp2(np.arange(16.0, 20.0))


def exponent(of: Pretraining, sizes: Floats) -> float:
    return fit_exponents(1 / sizes[None], expected_errors(of, sizes)[None])[0].value


def test_pretraining_falls_as_promised_and_without_a_penalty_much_faster() -> None:
    of = Pretraining(RELU, 0.5)
    assert exponent(of, T0) == pytest.approx(2 / 3, abs=0.02)  # as promised
    assert exponent(replace(of, penalised=False), T0 / 64) == pytest.approx(1.0, abs=0.05)  # 2 r0


def test_networks_scatter_about_what_is_expected() -> None:
    of, sizes = Pretraining(RELU, 0.5), np.array([64.0, 256.0])
    nets = network_errors(of, sizes, width=256, seeds=24, rng=np.random.default_rng(0))
    sd = nets.std(axis=0) / np.sqrt(24)
    assert np.all(np.abs(nets.mean(axis=0) - expected_errors(of, sizes)) < 3.5 * sd)


def test_networks_are_fine_tuned_to_what_is_expected() -> None:
    before, after = np.array([16.0, 64.0]), np.array([32.0, 128.0])
    nets = network_grid(COVERED, before, after, width=256, seeds=24, rng=np.random.default_rng(1))
    expected = expected_grid(COVERED, before, after)
    sd = nets.error.std(axis=0) / np.sqrt(24)
    assert np.all(np.abs(nets.error.mean(axis=0) - expected.error) < 3.5 * sd)


def test_pretraining_stops_mattering_once_the_steps_of_fine_tuning_decide() -> None:
    def last_gain(penalty: Penalty) -> float:
        grid = expected_grid(replace(COVERED, penalty=penalty), np.array([256.0, 1024.0]), np.array([65536.0]))
        return float(grid.error[0, 0] / grid.error[1, 0])

    # The penalty that shrinks with R0 is what lets the error follow R0; without one it does not.
    assert last_gain("prescribed") > 1.2
    assert last_gain("none") < 1.05


def test_every_change_changes_something() -> None:
    before, after = np.array([16.0]), np.array([64.0])
    plain, *changed = (expected_grid(change.finetuning, before, after).error[0, 0] for change in changes())
    assert len({float(error) for error in changed} | {float(plain)}) == len(changes())
