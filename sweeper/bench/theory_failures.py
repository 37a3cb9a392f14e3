"""The parts of `sweeper bench theory` that break a setting the theory covers: one change at a time, narrow networks."""

from dataclasses import replace
from functools import cache

from analysis.laws import Floats
from analysis.theory.exponents import upper_half
from analysis.theory.failures import COVERED, Change
from analysis.theory.finetuning import Grid, expected_grid
from analysis.theory.prescriptions import pretraining_exponent
from analysis.theory.pretraining import expected_errors, network_errors
from sweeper.bench.theory_figures import (
    MOST,
    Measured,
    Part,
    exponent_of_steps,
    exponents_of_grid,
    grid_lines,
    joined_name,
    ladder,
    line,
    mean_of,
    rng_of,
)
from sweeper.bench.theory_sizes import PENALTY_RULES, Sizes


@cache
def _covered(sizes: Sizes) -> tuple[Floats, Grid]:
    """What every change stands beside: R0 at each T0, and the grid of fine-tunings."""
    usual = expected_errors(replace(COVERED.pretraining, frequencies=MOST), ladder(sizes.pretraining))
    return usual, expected_grid(COVERED, ladder(sizes.before), ladder(sizes.failures_after))


def failure_part(change: Change, sizes: Sizes) -> Part:
    """Exponents under one change, where the prescribed penalty rules, and the error of the largest cell."""
    case, key = COVERED.case, joined_name("failure", change.name)
    usual, usual_grid = _covered(sizes)
    measured, lines = dict[str, Measured](), list[str]()
    T0 = ladder(sizes.pretraining)
    if change.pretraining is not None:
        errors = expected_errors(replace(change.pretraining, frequencies=MOST), T0)
        bound = pretraining_exponent(COVERED.pretraining.r0, case.xi)
        measured[f"{key}_T0"] = exponent_of_steps(T0, errors[None], bound, "expected")
        unit = "R0 at the largest T0"
        measured[f"{key}_pretrained"] = Measured(float(errors[-1]), float(usual[-1]), unit, "as prescribed")
        for t, e in zip(T0, errors, strict=True):
            lines.append(line("failure of pretraining", change.name, (t, None, None, None), e, t**-bound))
    before, after = ladder(sizes.before), ladder(sizes.failures_after)
    grid = expected_grid(change.finetuning, before, after)
    cells = upper_half(after) & (usual_grid.pull >= PENALTY_RULES)
    # R0 of the changed network may differ; the exponent of R0 is in the R0 that it has.
    measured |= exponents_of_grid(key, grid, case, cells, "where the prescribed penalty rules")
    unit, last = "error at the largest T0 and T1", float(usual_grid.error[-1, -1])
    measured[f"{key}_error"] = Measured(float(grid.error[-1, -1]), last, unit, "as prescribed")
    return Part(measured, [*lines, *grid_lines("failure", change.name, grid, case)])


def small_width_part(width: int, sizes: Sizes) -> Part:
    """Networks of one width in pre-training: the exponent, and R0 over the expected one at each upper T0."""
    of, T0 = COVERED.pretraining, ladder(sizes.small_widths_before)
    expected, bound = expected_errors(of, T0), pretraining_exponent(of.r0, COVERED.case.xi)
    nets = network_errors(of, T0, width, sizes.small_width_seeds, rng_of(f"width {width}"))
    what, key = f"{sizes.small_width_seeds} networks of width {width}", f"failure_width_{width}"
    measured = {
        f"{key}_T0": exponent_of_steps(T0, nets, bound, what),
        f"{key}_T0_expected": exponent_of_steps(T0, expected[None], bound, "expected"),
    }
    for t, share in zip(T0[upper_half(T0)], (nets / expected).T[upper_half(T0)], strict=True):
        unit = f"R0 over the expected one at T0 {t:.0f}, {what}"
        measured[f"{key}_over_expected_T0_{t:.0f}"] = mean_of(share, 1.0, unit, "expected")
    lines = [
        line("small width", str(width), (t, None, None, None), of_seeds, e)
        for t, of_seeds, e in zip(T0, nets.T, expected, strict=True)
    ]
    return Part(measured, lines)
