"""Fine-tuning: the error over a grid of pre-training steps T0 and fine-tuning steps T1.

phi_0 has mean square 1, phi_1 the mean square `gap`, and their phases are independent. R0 is the expected error of the
pre-trained model on phi_0; read in another way, on phi_0 + phi_1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.laws import Floats
from analysis.theory.expected_error import expected_error
from analysis.theory.network import squared_error, train
from analysis.theory.prescriptions import Case
from analysis.theory.pretraining import Pretraining, expected_power, largest_rate, pretrained
from analysis.theory.targets import draw, fresh, on_grid, smooth_power

Penalty = Literal["prescribed", "whatever R0", "none"]


@dataclass(frozen=True)
class FineTuning:
    """How phi_0 + phi_1 is learnt after a pre-training.

    `penalty`: lambda_1 as the case prescribes it, the same with R0 = 1 at every R0, or 0. `zeta`, `r1`: in place of the
    case's; the penalty stays the case's. `told`: what R0 is the error on.
    """

    case: Case
    pretraining: Pretraining
    gap: float = 1.0
    penalty: Penalty = "prescribed"
    zeta: float | None = None
    r1: float | None = None
    iterate: Literal["average", "last"] = "average"
    told: Literal["phi_0", "phi_0 + phi_1"] = "phi_0"

    def phi1_power(self) -> Floats:
        """|phi_1|^2 by mode."""
        return smooth_power(self.pretraining.basis, self.case.r1 if self.r1 is None else self.r1, self.gap)

    def rate(self, T1: Floats) -> Floats:
        """eta_1 at each T1."""
        zeta = self.case.zeta if self.zeta is None else self.zeta
        rates: Floats = largest_rate(self.pretraining.learner) * T1**-zeta
        return rates

    def known_error(self, left: Floats) -> Floats:
        """R0, shape (T0s,), of what pre-training leaves of phi_0 by mode, (T0s, modes)."""
        missing: Floats = (left + (0.0 if self.told == "phi_0" else self.phi1_power())) @ self.pretraining.basis.weight
        return missing

    def penalties(self, T1: Floats, R0: Floats) -> Floats:
        """lambda_1, shape (R0s, T1s)."""
        prescribed = self.case.penalty(T1[None], R0[:, None] if self.penalty == "prescribed" else np.ones((R0.size, 1)))
        return 0 * prescribed if self.penalty == "none" else prescribed


@dataclass(frozen=True, eq=False)
class Grid:
    """`error`: shape (T0s, T1s) expected, (seeds, T0s, T1s) of networks; `pull`: lambda_1 eta_1 T1, (T0s, T1s).

    `R0`: shape (T0s,), expected over samples and phases, of networks too: no network's own error sets its penalty.
    Where `pull` is above 1 the penalty decides which modes are learnt, below it the number of steps does.
    """

    T0: Floats
    T1: Floats
    R0: Floats
    pull: Floats
    error: Floats


def expected_grid(of: FineTuning, T0: Floats, T1: Floats) -> Grid:
    """The error expected over samples of both trainings and over phases. T0 = 0 is no pre-training."""
    left = expected_power(of.pretraining, T0)
    R0 = of.known_error(left)
    rate, penalty = of.rate(T1), of.penalties(T1, R0)
    i, j = (each.ravel() for each in np.indices(penalty.shape))
    found = expected_error(of.pretraining.learner, (left + of.phi1_power())[i], T1[j], rate[j], penalty[i, j])
    error = getattr(found, of.iterate) @ of.pretraining.basis.weight
    return Grid(T0, T1, R0, penalty * rate * T1, error.reshape(penalty.shape))


def network_grid(of: FineTuning, T0: Floats, T1: Floats, width: int, seeds: int, rng: np.random.Generator) -> Grid:
    """The same of networks, a pre-training of each seed and T0 from which all its fine-tunings start."""
    basis = of.pretraining.basis
    R0 = of.known_error(expected_power(of.pretraining, T0))
    rate, penalty = of.rate(T1), of.penalties(T1, R0)
    error = np.empty((seeds, T0.size, T1.size))
    for i, steps in enumerate(T0):
        phi0 = draw(of.pretraining.phi0_power, basis, rng, seeds)
        before = pretrained(of.pretraining, phi0, width, int(steps), rng)
        target = on_grid(phi0 + draw(of.phi1_power(), basis, rng, seeds), basis)
        for j, more in enumerate(T1):
            average, last = train(before, fresh(target, int(more), rng), float(rate[j]), float(penalty[i, j]))
            error[:, i, j] = squared_error(average if of.iterate == "average" else last, target)
    return Grid(T0, T1, R0, penalty * rate * T1, error)
