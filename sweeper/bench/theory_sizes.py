"""The settings of `sweeper bench theory`: parameters of the four cases, ladders, widths and seeds."""

from dataclasses import dataclass

from analysis.theory.prescriptions import Case

CASES = tuple(
    case
    for xi in (2.0, 4.0)
    for case in (
        Case("I-A", r0=0.5, r1=0.5, xi=xi, zeta=0.25),
        Case("I-B", r0=0.5, r1=0.75, xi=xi, zeta=0.3),
        Case("II-A", r0=0.5, r1=0.5, xi=xi, zeta=0.125),
        Case("II-B", r0=0.5, r1=0.75, xi=xi, zeta=0.125),
    )
)


# Where lambda_1 eta_1 T1, the pull, is at least the first the penalty decides what is learnt; below the second the
# number of steps does.
PENALTY_RULES, STEPS_RULE = 4.0, 1.0


@dataclass(frozen=True)
class Sizes:
    """Ladders as base-2 logarithms (first, last, step), widths and seeds."""

    pretraining: tuple[int, int, int]
    networks: tuple[int, int, int]
    before: tuple[int, int, int]
    after: tuple[int, int, int]
    network_before: tuple[int, int, int]
    network_after: tuple[int, int, int]
    forms_before: tuple[int, int, int]
    forms_after: tuple[int, int, int]
    failures_after: tuple[int, int, int]
    width: int
    widths: tuple[int, ...]
    small_widths: tuple[int, ...]
    small_widths_before: tuple[int, int, int]
    small_width_seeds: int
    seeds: int
    r0: tuple[float, ...]
    xis: tuple[float, ...]


FULL = Sizes(
    pretraining=(8, 26, 2),
    networks=(5, 11, 1),
    before=(2, 14, 2),
    after=(6, 22, 2),
    network_before=(2, 6, 2),
    network_after=(5, 10, 1),
    forms_before=(4, 14, 1),
    forms_after=(6, 15, 1),
    failures_after=(6, 20, 2),
    width=512,
    widths=(64, 256, 1024),
    small_widths=(8, 32, 128, 512),
    small_widths_before=(5, 15, 1),
    small_width_seeds=24,
    seeds=12,
    r0=(0.5, 0.75, 1.0),
    xis=(2.0, 4.0),
)
SMALL = Sizes(
    pretraining=(4, 11, 1),
    networks=(3, 7, 1),
    before=(2, 6, 2),
    after=(4, 8, 1),
    network_before=(2, 4, 1),
    network_after=(3, 6, 1),
    forms_before=(3, 6, 1),
    forms_after=(3, 8, 1),
    failures_after=(4, 8, 1),
    width=32,
    widths=(32, 64, 128),
    small_widths=(8,),
    small_widths_before=(3, 7, 1),
    small_width_seeds=3,
    seeds=3,
    r0=(0.5,),
    xis=(2.0,),
)
