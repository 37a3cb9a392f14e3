"""Pre-training and fine-tuning on short ladders: what the long ones of `sweeper bench theory` show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.laws import Floats
from analysis.theory.activations import RELU
from analysis.theory.exponents import fit_exponents
from analysis.theory.failures import COVERED, Change, changes
from analysis.theory.finetuning import Penalty, expected_grid, network_grid
from analysis.theory.prescriptions import Case
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


def test_the_penalty_of_fine_tuning_follows_steps_and_the_pretrained_error() -> None:
    T1, R0 = np.array([4096.0]), np.array([1 / 8])
    # I-A with r = 0.5, zeta = 0.25: T1^(-0.75 / 1.5) R0^(1/3) = 1/64 times 1/2.
    assert COVERED.penalties(T1, R0)[0, 0] == pytest.approx(1 / 128)
    assert replace(COVERED, penalty="whatever R0").penalties(T1, R0)[0, 0] == pytest.approx(1 / 64)
    assert replace(COVERED, penalty="none").penalties(T1, R0)[0, 0] == 0
    # II-A with r = 0.5: T1^(-1/2) R0^(1/2), at R0 = 1/4.
    steep = replace(COVERED, case=Case("II-A", 0.5, 0.5, 2.0, 0.125))
    assert steep.penalties(T1, np.array([1 / 4]))[0, 0] == pytest.approx(1 / 128)
    # eta_1 = 4096^(-1/4) / (2 k(x, x)), of a ReLU k(x, x) = 3/4.
    assert COVERED.rate(T1)[0] == pytest.approx(1 / 12)


def test_a_cell_holds_the_pull_of_its_penalty_and_the_error_that_it_was_told() -> None:
    T0, T1 = np.array([64.0]), np.array([256.0])
    small = replace(COVERED, gap=0.01)
    grid, other = (expected_grid(each, T0, T1) for each in (small, replace(small, told="phi_0 + phi_1")))
    assert grid.pull[0, 0] == pytest.approx(256**-0.5 * grid.R0[0] ** (1 / 3) * 256**-0.25 * (2 / 3) * 256)
    assert other.R0[0] == pytest.approx(grid.R0[0] + 0.01)
    assert other.error[0, 0] != grid.error[0, 0]


def test_phi_1_has_its_own_smoothness_and_size() -> None:
    of = replace(COVERED, case=Case("I-B", 0.5, 0.75, 2.0, 0.3), gap=0.01)
    basis, power = of.pretraining.basis, of.phi1_power()
    assert power @ basis.weight == pytest.approx(0.01)
    # |phi_m|^2 = sigma_m^(2 r) / m
    i, j = 20, 5
    by_hand = (basis.eigenvalue[i] / basis.eigenvalue[j]) ** 1.5 * basis.frequency[j] / basis.frequency[i]
    assert power[i] / power[j] == pytest.approx(by_hand)


def test_a_summable_target_has_less_in_its_high_frequencies() -> None:
    rough, summable = (replace(COVERED.pretraining, spread=spread) for spread in (1.0, 1.5))
    m, ratio = rough.basis.frequency, summable.phi0_power / rough.phi0_power
    assert ratio[10] / ratio[40] == pytest.approx((m[10] / m[40]) ** -0.5)


# Error over that as prescribed, after pre-training and after fine-tuning, at T0 = 256 and T1 = 4096: ranges that the
# sign and size of each change set. None: pre-training has no such change.
EFFECTS: dict[str, tuple[tuple[float, float] | None, tuple[float, float]]] = {
    "as prescribed": ((1, 1), (1, 1)),
    "constant learning rate": (None, (0.5, 0.95)),
    "no penalty": ((0.05, 0.8), (0.2, 0.95)),
    "penalty whatever R0": (None, (1.2, 3)),
    "plain SGD": ((0.7, 1.4), (0.3, 0.95)),
    "phi too rough": ((2, 10), (2, 10)),
    "softplus with target of relu": ((2, 10), (2, 10)),
    "softplus with own target": ((0, 0.5), (0, 0.8)),
}


@pytest.mark.parametrize("change", changes(), ids=lambda each: each.name)
def test_a_change_helps_or_harms_as_it_should(change: Change) -> None:
    of_pretraining, of_finetuning = EFFECTS[change.name]
    before, after = np.array([256.0]), np.array([4096.0])
    if of_pretraining is not None:
        assert change.pretraining is not None
        low, high = of_pretraining
        errors = [expected_errors(each, before)[0] for each in (change.pretraining, COVERED.pretraining)]
        assert low <= errors[0] / errors[1] <= high
    low, high = of_finetuning
    errors = [expected_grid(each, before, after).error[0, 0] for each in (change.finetuning, COVERED)]
    assert low <= errors[0] / errors[1] <= high


def test_a_kernel_of_fast_falling_eigenvalues_is_slow_only_on_a_target_that_is_rough_for_it() -> None:
    exponents = {change.name: exponent(change.pretraining, T0 / 16) for change in changes() if change.pretraining}
    assert exponents["softplus with target of relu"] < 0.5
    assert exponents["softplus with own target"] > 0.8
