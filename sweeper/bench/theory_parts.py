"""The parts of `sweeper bench theory`, each small enough for one core; those that break things stand apart."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from analysis.laws import Floats
from analysis.theory.activations import Activation, rounded
from analysis.theory.exponents import fit_exponents, upper_half
from analysis.theory.failures import COVERED, changes
from analysis.theory.finetuning import FineTuning, Penalty, expected_grid, network_grid
from analysis.theory.forms import hidden_rmse
from analysis.theory.kernel import decay, spectrum
from analysis.theory.prescriptions import Case, pretraining_exponent
from analysis.theory.pretraining import Pretraining, expected_errors, network_errors
from analysis.theory.width import distance
from sweeper.bench import theory_figures as figures
from sweeper.bench.theory_failures import failure_part, small_width_part
from sweeper.bench.theory_figures import (
    ACTIVATIONS,
    MOST,
    NOWHERE,
    Measured,
    Part,
    exponents_of_grid,
    joined_name,
    ladder,
    line,
    rng_of,
)
from sweeper.bench.theory_sizes import CASES, PENALTY_RULES, STEPS_RULE, Sizes

# Other limits of where the penalty rules, to see what hangs on the limit.
_OTHER_LIMITS = (1.0, 2.0, 8.0, 16.0)
_ROUNDED = rounded(0.5)


def jobs(sizes: Sizes) -> list[tuple[str, Callable[[], Part]]]:
    """Every job: what it is about, and what does it."""
    cases = [case for case in CASES if case.xi in sizes.xis]
    gaps = (1.0, 0.01)
    return [
        *((f"fine-tuning {case.name} xi {case.xi:g}", partial(finetuning_part, case, sizes)) for case in cases),
        *((f"R0 with phi_1, {case.name} xi {case.xi:g}", partial(reading_part, case, sizes)) for case in cases),
        *(
            (f"pre-training r0 {r0:g} xi {activation.xi:g}", partial(pretraining_part, activation, r0, sizes))
            for activation in ACTIVATIONS
            for r0 in sizes.r0
        ),
        *((f"slow approach xi {each.xi:g}", partial(approach_part, each, sizes)) for each in ACTIVATIONS),
        *((change.name, partial(failure_part, change, sizes)) for change in changes()),
        *((f"forms xi {xi:g} gap {gap:g}", partial(forms_part, xi, gap, sizes)) for xi in sizes.xis for gap in gaps),
        *((f"width {of.name}", partial(width_part, of, sizes)) for of in (COVERED.pretraining.target, _ROUNDED)),
        *((f"small width {width}", partial(small_width_part, width, sizes)) for width in sizes.small_widths),
        ("spectrum", spectrum_part),
    ]


def spectrum_part() -> Part:
    """Decay of the eigenvalues 64 to 512 of each kernel, beside what the order of the kink says."""
    activations: Sequence[Activation] = (*ACTIVATIONS, _ROUNDED)
    unit, against = "decay of the kernel's eigenvalues 64 to 512", "twice the order of the kink"
    found = {a: decay(spectrum(a), 64, 512) for a in activations}
    return Part({joined_name("xi", a.name): Measured(xi, a.xi, unit, against) for a, xi in found.items()})


def pretraining_part(activation: Activation, r0: float, sizes: Sizes) -> Part:
    """The exponent of R0 in T0: expected on a long ladder; of networks, and expected, on a short one."""
    of, name = Pretraining(activation, r0), f"pretraining_r{r0:g}_xi{activation.xi:g}"
    bound = pretraining_exponent(r0, activation.xi)
    T0, short = ladder(sizes.pretraining), ladder(sizes.networks)
    errors, at_short = expected_errors(replace(of, frequencies=MOST), T0), expected_errors(of, short)
    nets = network_errors(of, short, sizes.width, sizes.seeds, rng_of(name))
    of_nets = f"{sizes.seeds} networks of width {sizes.width}"
    measured = {
        f"exponent_{name}": figures.exponent_of_steps(T0, errors[None], bound, "expected"),
        f"exponent_{name}_networks": figures.exponent_of_steps(short, nets, bound, of_nets),
        f"exponent_{name}_short": figures.exponent_of_steps(short, at_short[None], bound, "expected"),
    }
    lines = [line("pretraining", name, (t, None, None, None), e, t**-bound) for t, e in zip(T0, errors, strict=True)]
    for t, e in zip(short, nets.T, strict=True):
        lines.append(line("pretraining networks", name, (t, None, None, None), e, t**-bound))
    return Part(measured, lines)


def approach_part(activation: Activation, sizes: Sizes) -> Part:
    """At r0 = 1, the exponent between the two largest T0: of h just not summable, and of h that is."""
    T0, bound = ladder(sizes.pretraining)[-2:], pretraining_exponent(1.0, activation.xi)
    measured = {}
    for spread in (1.0, 1.5):
        error = expected_errors(Pretraining(activation, 1.0, frequencies=MOST, spread=spread), T0)
        slope = float(np.log(error[0] / error[1]) / np.log(T0[1] / T0[0]))
        unit = f"exponent, |h_m|^2 = m^-{spread:g}, between T0 {T0[0]:.0f} and {T0[1]:.0f}"
        measured[f"last_exponent_r1_xi{activation.xi:g}_spread{spread:g}"] = Measured(slope, bound, unit, "bound")
    return Part(measured)


def finetuning_part(case: Case, sizes: Sizes) -> Part:
    """The exponents of T1 and R0 where the penalty rules and where the steps do; of networks over all upper cells."""
    case.check()
    of, name = figures.finetuning_of(case), f"{case.name}_xi{case.xi:g}"
    grid = expected_grid(of, ladder(sizes.before), ladder(sizes.after))
    upper = np.broadcast_to(upper_half(grid.T1), grid.pull.shape)
    rules = grid.pull >= PENALTY_RULES
    measured = exponents_of_grid(f"exponent_{name}", grid, case, upper & rules, "penalty rules")
    for limit in _OTHER_LIMITS:
        key, what = f"exponent_{name}_pull{limit:g}", f"pull at least {limit:g}"
        measured |= exponents_of_grid(key, grid, case, upper & (grid.pull >= limit), what)
    weak = upper & (grid.pull < STEPS_RULE)
    measured |= exponents_of_grid(f"exponent_{name}_steps_rule", grid, case, weak, "steps rule")
    ratio = grid.error / case.bound(grid.T1[None], grid.R0[:, None])
    largest, ruled = float(ratio.max()), float((ratio[rules] if rules.any() else ratio).max())
    unit = "error over bound without its constant, largest of all cells"
    measured[f"over_bound_{name}"] = Measured(largest, ruled, unit, "the same where the penalty rules")

    before, after = ladder(sizes.network_before), ladder(sizes.network_after)
    nets = network_grid(of, before, after, sizes.width // 2, sizes.seeds, rng_of(name))
    short = expected_grid(of, before, after)
    upper = np.broadcast_to(upper_half(after), short.pull.shape)
    of_nets = f"{sizes.seeds} networks of width {sizes.width // 2}, expected R0"
    measured |= exponents_of_grid(f"exponent_{name}_networks", nets, case, upper, of_nets)
    measured |= exponents_of_grid(f"exponent_{name}_short", short, case, upper, "expected, the networks' cells")
    lines = figures.grid_lines("fine-tuning", name, grid, case)
    return Part(measured, [*lines, *figures.grid_lines("fine-tuning networks", name, nets, case)])


def reading_part(case: Case, sizes: Sizes) -> Part:
    """The bounds with R0 read as the pre-trained model's error on phi_0 + phi_1, for phi_1 of two small sizes."""
    measured, lines = dict[str, Measured](), list[str]()
    for gap in (0.01, 0.0001):
        of: FineTuning = replace(figures.finetuning_of(case), gap=gap, told="phi_0 + phi_1")
        grid = expected_grid(of, ladder(sizes.before), ladder(sizes.after))
        upper = np.broadcast_to(upper_half(grid.T1), grid.pull.shape)
        name = f"with_phi1_{case.name}_xi{case.xi:g}_gap{gap:g}"
        measured |= exponents_of_grid(f"exponent_{name}", grid, case, upper, "R0 with phi_1 in it")
        ratio = grid.error / case.bound(grid.T1[None], grid.R0[:, None])
        unit = "error over bound without its constant, largest of all cells, R0 with phi_1 in it"
        measured[f"over_bound_{name}"] = Measured(float(ratio.max()), 1.0, unit, "constant 1")
        lines += figures.grid_lines("R0 with phi_1", f"{case.name}_xi{case.xi:g} gap {gap:g}", grid, case)
    return Part(measured, lines)


def width_part(activation: Activation, sizes: Sizes) -> Part:
    """Mean square of network less function-space recursion as networks grow wide, beside the recursion's own error."""
    steps = 2 ** (sizes.network_after[1] - 2)
    before = replace(COVERED.pretraining, target=activation)
    of = replace(COVERED, case=replace(COVERED.case, xi=activation.xi), pretraining=before)
    found = [distance(of, steps, steps, width, sizes.seeds) for width in sizes.widths]
    unit = f"mean square of network - function, {sizes.seeds} seeds, {steps} steps"
    measured, lines = dict[str, Measured](), list[str]()
    for stage in ("pretrained", "finetuned"):
        far = np.stack([getattr(each, stage) for each in found], axis=1)
        errors = [float(getattr(each, f"{stage}_error").mean()) for each in found]
        at = (steps, steps if stage == "finetuned" else None, None, None)
        for width, apart, error in zip(sizes.widths, far.T, errors, strict=True):
            key = joined_name("width", width, activation.name, stage)
            measured[key] = figures.mean_of(apart, error, unit, "the function's error")
            lines.append(line("width", f"{activation.name} {stage} width {width}", at, apart, error))
        [slope] = fit_exponents(1 / np.array(sizes.widths, float)[None], far)
        over = f"mean square distance, {sizes.seeds} seeds, width {sizes.widths[0]} to {sizes.widths[-1]}"
        key = joined_name("exponent_width", activation.name, stage)
        measured[key] = figures.exponent(slope, 1.0, over, "one over the width")
    return Part(measured, lines)


def forms_part(xi: float, gap: float, sizes: Sizes) -> Part:
    """RMSE of each form on hidden cells, mean of the four cases at this xi, by what the penalty follows."""
    measured, lines = dict[str, Measured](), list[str]()
    T0, T1 = np.concatenate([[0.0], ladder(sizes.forms_before)]), ladder(sizes.forms_after)
    cases = [case for case in CASES if case.xi == xi]
    penalties: tuple[Penalty, ...] = ("prescribed", "whatever R0", "none")
    for penalty in penalties:
        scores = [_scores(case, gap, penalty, T0, T1) for case in cases]
        for case, score in zip(cases, scores, strict=True):
            setting = f"{case.name}_xi{xi:g} gap {gap:g} lambda_1 {penalty}"
            lines += [line("forms", f"{setting} {form}", NOWHERE, score[form], score["law (2)"]) for form in score]
        for form in scores[0]:
            best = sum(form == min(each, key=lambda name: each[name]) for each in scores)
            mean, plain = (float(np.mean([each[name] for each in scores])) for name in (form, "law (2)"))
            unit = f"RMSE of log error on hidden cells, mean of {len(cases)} cases, best in {best}"
            key = joined_name("forms", f"xi{xi:g}", f"gap{gap:g}", penalty, form)
            measured[key] = Measured(mean, plain, unit, "law (2)")
    return Part(measured, lines)


def _scores(case: Case, gap: float, penalty: Penalty, T0: Floats, T1: Floats) -> dict[str, float]:
    return hidden_rmse(expected_grid(replace(figures.finetuning_of(case), gap=gap, penalty=penalty), T0, T1))
