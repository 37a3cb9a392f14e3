"""The parts of `sweeper bench theory`, each small enough for one core: their settings, figures and CSV lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from analysis.laws import Floats
from analysis.theory.activations import POWER, RELU, SQUARE, Activation, rounded
from analysis.theory.exponents import Exponent, fit_exponents, upper_half
from analysis.theory.failures import COVERED, Change, changes
from analysis.theory.finetuning import FineTuning, Grid, Penalty, expected_grid, network_grid
from analysis.theory.forms import hidden_rmse
from analysis.theory.kernel import decay, spectrum
from analysis.theory.prescriptions import Case, pretraining_exponent
from analysis.theory.pretraining import Pretraining, expected_errors, network_errors
from analysis.theory.width import distance
from sweeper.bench.figures import Figure
from sweeper.bench.theory_sizes import CASES, FULL, Sizes

HEAD = "part,setting,T0,T1,R0,pull,error,error_low,error_high,bound"
# Where lambda_1 eta_1 T1 is at least the first the penalty decides what is learnt, below the second the steps do.
PENALTY_RULES, STEPS_RULE = 4.0, 1.0
# Frequencies that the longest pre-trainings need.
_MOST = 4096
ACTIVATIONS = (RELU, POWER, SQUARE)


@dataclass(frozen=True)
class Part:
    """What one job answers."""

    figures: dict[str, Figure] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def jobs(sizes: Sizes) -> list[tuple[str, Callable[[], Part]]]:
    """Every job: what it is about, and what does it."""
    cases = CASES if sizes is FULL else CASES[:4]
    return [
        *((f"fine-tuning {case.name}", partial(finetuning_part, case, sizes)) for case in cases),
        *(
            (f"pre-training xi {activation.xi:g}", partial(pretraining_part, activation, r0, sizes))
            for activation in ACTIVATIONS
            for r0 in sizes.r0
        ),
        *((change.name, partial(failure_part, change, sizes)) for change in changes()),
        *((f"forms, gap {gap:g}", partial(forms_part, gap, sizes)) for gap in (1.0, 0.01)),
        ("width", partial(width_part, sizes)),
        ("small width", partial(small_width_part, sizes)),
        ("spectrum", spectrum_part),
    ]


def spectrum_part() -> Part:
    """Decay of the eigenvalues 64 to 512 of each kernel, beside what the order of the kink says."""
    activations: Sequence[Activation] = (*ACTIVATIONS, rounded(0.5))
    unit = "decay of the kernel's eigenvalues 64 to 512; reference: twice the order of the kink"
    return Part(
        {f"xi_{a.name.replace(' ', '_')}": Figure(decay(spectrum(a), 64, 512), a.xi, unit) for a in activations}
    )


def pretraining_part(activation: Activation, r0: float, sizes: Sizes) -> Part:
    """The exponent of R0 in T0: expected on a long ladder; of networks, and expected, on a short one."""
    of, name = Pretraining(activation, r0), f"pretraining_r{r0:g}_xi{activation.xi:g}"
    bound = pretraining_exponent(r0, activation.xi)
    T0, short = _ladder(sizes.pretraining), _ladder(sizes.networks)
    errors, at_short = expected_errors(replace(of, frequencies=_MOST), T0), expected_errors(of, short)
    nets = network_errors(of, short, sizes.width, sizes.seeds, np.random.default_rng(0))
    of_nets = f"{sizes.seeds} networks of width {sizes.width}"
    figures = {
        f"exponent_{name}": _figure(_slope(T0, errors[None]), bound, _range("T0", T0), "expected"),
        f"exponent_{name}_networks": _figure(_slope(short, nets), bound, _range("T0", short), of_nets),
        f"exponent_{name}_short": _figure(_slope(short, at_short[None]), bound, _range("T0", short), "expected"),
    }
    lines = [_line("pretraining", name, t, None, None, None, e, t**-bound) for t, e in zip(T0, errors, strict=True)]
    for t, e in zip(short, nets.T, strict=True):
        lines.append(_line("pretraining networks", name, t, None, None, None, e, t**-bound))
    return Part(figures, lines)


def finetuning_part(case: Case, sizes: Sizes) -> Part:
    """The exponents of T1 and R0 where the penalty rules and where the steps do; of networks over all upper cells."""
    case.check()
    of, name = _finetuning(case), f"{case.name}_xi{case.xi:g}"
    grid = expected_grid(of, _ladder(sizes.before), _ladder(sizes.after))
    upper = np.broadcast_to(upper_half(grid.T1), grid.pull.shape)
    figures = _exponents(f"exponent_{name}", grid, case, upper & (grid.pull >= PENALTY_RULES), "penalty rules")
    figures |= _exponents(f"exponent_{name}_steps_rule", grid, case, upper & (grid.pull < STEPS_RULE), "steps rule")
    ratio = grid.error / case.bound(grid.T1[None], grid.R0[:, None])
    unit = "error over bound without its constant, {} of all cells; reference: where the penalty rules"
    ruled = ratio[grid.pull >= PENALTY_RULES] if (grid.pull >= PENALTY_RULES).any() else ratio
    figures[f"over_bound_{name}"] = Figure(float(ratio.max()), float(ruled.max()), unit.format("largest"))

    rng = np.random.default_rng(1)
    before, after = _ladder(sizes.network_before), _ladder(sizes.network_after)
    nets = network_grid(of, before, after, sizes.width // 2, sizes.seeds, rng)
    short = expected_grid(of, before, after)
    upper = np.broadcast_to(upper_half(after), short.pull.shape)
    of_nets = f"{sizes.seeds} networks of width {sizes.width // 2}"
    figures |= _exponents(f"exponent_{name}_networks", nets, case, upper, of_nets)
    figures |= _exponents(f"exponent_{name}_short", short, case, upper, "expected, the networks' cells")
    return Part(figures, [*_lines("fine-tuning", name, grid, case), *_lines("fine-tuning networks", name, nets, case)])


def width_part(sizes: Sizes) -> Part:
    """Mean square of network less function-space recursion as networks grow wide, beside the recursion's own error."""
    steps = 2 ** (sizes.network_after[1] - 2)
    found = [distance(COVERED, steps, steps, width, sizes.seeds) for width in sizes.widths]
    unit = f"mean square of network - function, {sizes.seeds} seeds, {steps} steps; reference: the function's error"
    figures, lines = dict[str, Figure](), list[str]()
    widths = np.array(sizes.widths, float)
    for stage in ("pretrained", "finetuned"):
        far = np.stack([getattr(each, stage) for each in found], axis=1)
        errors = [float(getattr(each, f"{stage}_error").mean()) for each in found]
        for width, apart, error in zip(sizes.widths, far.T, errors, strict=True):
            figures[f"width_{width}_{stage}"] = Figure(float(apart.mean()), error, unit)
            lines.append(_line("width", stage, steps, width, None, None, apart, error))
        over = f"width {sizes.widths[0]} to {sizes.widths[-1]}"
        [slope] = fit_exponents(1 / widths[None], far)
        figures[f"exponent_width_{stage}"] = _figure(
            slope, 1.0, over, f"mean square distance, {sizes.seeds} seeds", "one over the width"
        )
    return Part(figures, lines)


def forms_part(gap: float, sizes: Sizes) -> Part:
    """RMSE of each form on hidden cells, mean of the four cases, by what the penalty follows."""
    figures = dict[str, Figure]()
    T0, T1 = np.concatenate([[0.0], _ladder(sizes.forms_before)]), _ladder(sizes.forms_after)
    penalties: tuple[Penalty, ...] = ("prescribed", "whatever R0", "none")
    for penalty in penalties:
        scores = []
        for case in CASES[:4]:
            grid = expected_grid(replace(_finetuning(case), gap=gap, penalty=penalty), T0, T1)
            scores.append(hidden_rmse(grid))
        for form in scores[0]:
            best = sum(form == min(each, key=lambda name: each[name]) for each in scores)
            mean, plain = (float(np.mean([each[name] for each in scores])) for name in (form, "law (2)"))
            key = f"forms_gap{gap:g}_{penalty}_{form}".replace(" ", "_").replace("(", "").replace(")", "")
            unit = f"RMSE of log error on hidden cells, mean of 4 cases, best in {best}; reference: law (2)"
            figures[key] = Figure(mean, plain, unit)
    return Part(figures)


@cache
def _covered(sizes: Sizes) -> tuple[Floats, Grid]:
    """What every change stands beside: R0 at each T0, and the grid of fine-tunings."""
    usual = expected_errors(replace(COVERED.pretraining, frequencies=_MOST), _ladder(sizes.pretraining))
    return usual, expected_grid(COVERED, _ladder(sizes.before), _ladder(sizes.failures_after))


def failure_part(change: Change, sizes: Sizes) -> Part:
    """Exponents under one change, where the prescribed penalty rules, and the error of the largest cell."""
    case, key = COVERED.case, change.name.replace(" ", "_")
    usual, usual_grid = _covered(sizes)
    figures = dict[str, Figure]()
    T0 = _ladder(sizes.pretraining)
    if change.pretraining is not None:
        errors = expected_errors(replace(change.pretraining, frequencies=_MOST), T0)
        bound = pretraining_exponent(COVERED.pretraining.r0, case.xi)
        figures[f"failure_{key}_T0"] = _figure(_slope(T0, errors[None]), bound, _range("T0", T0), "expected")
        unit = "R0 at the largest T0; reference: as prescribed"
        figures[f"failure_{key}_pretrained"] = Figure(float(errors[-1]), float(usual[-1]), unit)
    before, after = _ladder(sizes.before), _ladder(sizes.failures_after)
    grid = expected_grid(change.finetuning, before, after)
    cells = upper_half(after) & (usual_grid.pull >= PENALTY_RULES)
    # R0 of the changed network may differ; the exponent of R0 is in the R0 that it has.
    figures |= _exponents(f"failure_{key}", grid, case, cells, "where the prescribed penalty rules")
    unit = "error at the largest T0 and T1; reference: as prescribed"
    figures[f"failure_{key}_error"] = Figure(float(grid.error[-1, -1]), float(usual_grid.error[-1, -1]), unit)
    return Part(figures, _lines("failure", change.name, grid, case))


def small_width_part(sizes: Sizes) -> Part:
    """Narrow networks in pre-training: the exponent, and the error at the largest T0 beside what is expected."""
    of, T0 = COVERED.pretraining, _ladder(sizes.networks)
    expected, bound = expected_errors(of, T0), pretraining_exponent(of.r0, COVERED.case.xi)
    figures, lines = dict[str, Figure](), list[str]()
    for width in sizes.small_widths:
        nets = network_errors(of, T0, width, sizes.seeds, np.random.default_rng(width))
        what = f"{sizes.seeds} networks of width {width}"
        figures[f"failure_width_{width}_T0"] = _figure(_slope(T0, nets), bound, _range("T0", T0), what)
        unit = f"R0 at the largest T0, {what}; reference: expected"
        figures[f"failure_width_{width}_pretrained"] = Figure(float(nets[:, -1].mean()), float(expected[-1]), unit)
        for t, e in zip(T0, nets.T, strict=True):
            lines.append(_line("small width", str(width), t, None, None, None, e, t**-bound))
    return Part(figures, lines)


def _finetuning(case: Case) -> FineTuning:
    [activation] = [each for each in ACTIVATIONS if each.xi == case.xi]
    return FineTuning(case, Pretraining(activation, case.r0))


def _ladder(logs: tuple[int, int, int]) -> Floats:
    ladder: Floats = np.exp2(np.arange(logs[0], logs[1] + 1, logs[2], dtype=float))
    return ladder


def _range(name: str, ladder: Floats) -> str:
    fitted = ladder[upper_half(ladder)]
    return f"{name} {fitted[0]:.0f} to {fitted[-1]:.0f}"


def _slope(T0: Floats, error: Floats) -> Exponent:
    upper = upper_half(T0)
    [found] = fit_exponents(1 / T0[None, upper], error[:, upper])
    return found


def _exponents(key: str, grid: Grid, case: Case, cells: NDArray[np.bool_], what: str) -> dict[str, Figure]:
    """Exponents of T1 and R0 over these cells, (T0s, T1s); none where they are fewer than six or at one R0."""
    i, j = np.nonzero(cells)
    if i.size < 6 or np.unique(i).size < 2 or np.unique(j).size < 2:
        return {}
    error = grid.error.reshape((-1, *grid.pull.shape))
    of_T1, of_R0 = fit_exponents(np.stack([1 / grid.T1[j], grid.R0[i]]), error[:, i, j])
    over = f"T1 {grid.T1[j.min()]:.0f} to {grid.T1[j.max()]:.0f}, R0 {grid.R0[i].max():.2g} to {grid.R0[i].min():.2g}"
    p, q = case.exponents
    return {f"{key}_T1": _figure(of_T1, p, over, what), f"{key}_R0": _figure(of_R0, q, over, what)}


def _figure(found: Exponent, bound: float, over: str, what: str, reference: str = "bound") -> Figure:
    interval = "" if np.isnan(found.low) else f", 95 % {found.low:.3f} to {found.high:.3f}"
    return Figure(
        found.value, bound, f"exponent, {what}, {over} ({found.cells} cells){interval}; reference: {reference}"
    )


def _lines(part: str, setting: str, grid: Grid, case: Case) -> list[str]:
    bound = case.bound(grid.T1[None], grid.R0[:, None])
    return [
        _line(part, setting, T0, T1, grid.R0[i], grid.pull[i, j], grid.error[..., i, j], bound[i, j])
        for i, T0 in enumerate(grid.T0)
        for j, T1 in enumerate(grid.T1)
    ]


def _line(
    part: str,
    setting: str,
    T0: float,
    T1: float | None,
    R0: float | None,
    pull: float | None,
    error: Floats | float,
    bound: float,
) -> str:
    """A line under HEAD; of seeds the mean and its 95 % interval by the normal distribution."""
    seeds = np.asarray(error, float).reshape(-1)
    half = 1.96 * seeds.std(ddof=1) / np.sqrt(seeds.size) if seeds.size > 1 else np.nan
    numbers = (T0, T1, R0, pull, seeds.mean(), seeds.mean() - half, seeds.mean() + half, bound)
    return ",".join([part, setting, *("" if x is None or np.isnan(x) else f"{x:.6g}" for x in numbers)])
