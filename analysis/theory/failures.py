"""What breaks the rates: one change at a time to a setting that the theory covers."""

from dataclasses import dataclass, replace

from analysis.theory.activations import RELU, SOFTPLUS
from analysis.theory.finetuning import FineTuning
from analysis.theory.prescriptions import Case
from analysis.theory.pretraining import Pretraining

COVERED = FineTuning(Case("I-A", r0=0.5, r1=0.5, xi=2.0, zeta=0.25), Pretraining(RELU, 0.5))


@dataclass(frozen=True)
class Change:
    """One change. `pretraining`: to pre-training alone, None where it has none; `finetuning`: to fine-tuning.

    Fine-tuning follows a pre-training as prescribed, but for an activation, which is that of the whole network. An
    analytic activation changes the kernel that learns, whose eigenvalues fall faster than any power; the target either
    stays that of a ReLU, rough in its basis, or has r = 0.5 in the basis of the new kernel.
    """

    name: str
    pretraining: Pretraining | None
    finetuning: FineTuning


def changes() -> tuple[Change, ...]:
    """The covered setting, then every change to it."""
    before = COVERED.pretraining
    borrowed = replace(before, kernel=SOFTPLUS)
    own = replace(before, target=SOFTPLUS, prescribed_xi=RELU.xi)
    return (
        Change("as prescribed", before, COVERED),
        Change("constant learning rate", None, replace(COVERED, zeta=0.0)),
        Change("no penalty", replace(before, penalised=False), replace(COVERED, penalty="none")),
        Change("penalty whatever R0", None, replace(COVERED, penalty="whatever R0")),
        Change("plain SGD", replace(before, iterate="last"), replace(COVERED, iterate="last")),
        Change("phi too rough", replace(before, r0=0.25, prescribed_r0=0.5), replace(COVERED, r1=0.25)),
        Change("softplus with target of relu", borrowed, replace(COVERED, pretraining=borrowed)),
        Change("softplus with own target", own, replace(COVERED, pretraining=own)),
    )
