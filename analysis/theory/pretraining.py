"""Pre-training: the error R0 against the number of steps T0, expected in function space and of networks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.laws import Floats
from analysis.theory.activations import Activation
from analysis.theory.expected_error import expected_error
from analysis.theory.kernel import Spectrum, spectrum
from analysis.theory.network import Network, squared_error, start, train
from analysis.theory.prescriptions import pretraining_penalty
from analysis.theory.targets import Complexes, draw, fresh, on_grid, smooth_power


@dataclass(frozen=True)
class Pretraining:
    """How phi_0, of smoothness r0 in the kernel of `target`, is learnt.

    `prescribed_r0`, `prescribed_xi`: the smoothness and the decay that lambda_0 counts on, where others than r0 and the
    target's. `kernel`: the activation that learns, else the target's. `frequencies`: those below it are kept; far above
    where lambda equals the eigenvalue, at most 4096. `spread`: of phi_0, see `smooth_power`.
    """

    target: Activation
    r0: float
    prescribed_r0: float | None = None
    prescribed_xi: float | None = None
    kernel: Activation | None = None
    penalised: bool = True
    iterate: Literal["average", "last"] = "average"
    frequencies: int = 512
    spread: float = 1.0

    @property
    def basis(self) -> Spectrum:
        """The kernel in whose eigenbasis the targets are built."""
        return spectrum(self.target, self.frequencies)

    @property
    def learner(self) -> Spectrum:
        """The kernel that learns, at the targets' frequencies."""
        return spectrum(self.kernel or self.target, self.frequencies, at=self.basis.frequency)

    @property
    def phi0_power(self) -> Floats:
        """|phi_0|^2 by mode, shape (modes,); its mean square is 1."""
        return smooth_power(self.basis, self.r0, spread=self.spread)

    def penalty(self, T0: Floats) -> Floats:
        """lambda_0 at each T0."""
        prescribed = pretraining_penalty(T0, self.prescribed_r0 or self.r0, self.prescribed_xi or self.target.xi)
        return prescribed if self.penalised else 0 * prescribed


def largest_rate(of: Spectrum) -> float:
    """The learning rate in whose units all are given: 1 / (2 k(x, x)), a quarter of where SGD diverges."""
    return 1 / (2 * of.peak)


def expected_power(of: Pretraining, T0: Floats) -> Floats:
    """E|f_m|^2 of the pre-trained model's error by mode, shape (sizes, modes); T0 = 0 is no pre-training."""
    learner, start_power = of.learner, of.phi0_power
    some = T0 > 0
    power = np.tile(start_power, (T0.size, 1))
    rate = np.full(int(some.sum()), largest_rate(learner))
    found = expected_error(learner, power[some], T0[some], rate, of.penalty(T0[some]))
    power[some] = getattr(found, of.iterate)
    return power


def expected_errors(of: Pretraining, T0: Floats) -> Floats:
    """R0 at each T0, expected over samples; shape (sizes,)."""
    errors: Floats = expected_power(of, T0) @ of.basis.weight
    return errors


def pretrained(of: Pretraining, phi0: Complexes, width: int, T0: int, rng: np.random.Generator) -> Network:
    """Networks that averaged SGD has taught phi_0, shape (seeds, modes), in T0 steps."""
    target = on_grid(phi0, of.basis)
    network = start(of.kernel or of.target, width, target.shape[0], rng)
    penalty = float(of.penalty(np.array([T0]))[0])
    both = train(network, fresh(target, T0, rng), largest_rate(of.learner), penalty)
    return both[0] if of.iterate == "average" else both[1]


def network_errors(of: Pretraining, T0: Floats, width: int, seeds: int, rng: np.random.Generator) -> Floats:
    """R0 of networks, shape (seeds, sizes); every seed has its own target's phases, start and samples."""
    errors = np.empty((seeds, T0.size))
    for i, steps in enumerate(T0):
        phi0 = draw(of.phi0_power, of.basis, rng, seeds)
        errors[:, i] = squared_error(pretrained(of, phi0, width, int(steps), rng), on_grid(phi0, of.basis))
    return errors
