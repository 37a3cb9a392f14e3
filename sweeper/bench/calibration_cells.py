"""`sweeper bench calibration-cells`: do the posterior's 95 % intervals hold the truth as often as they say?

Simulated curves with known truth, cell by cell or over truths drawn from the prior. Strata: all lines of the table, and
those whose fits call alpha and C identified; in each, alpha, C and the errors at 10 and 20 times the largest n.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.evidence.calibration import HEAD, TARGETS, cells, line, prior_designs
from analysis.laws import Floats
from sweeper.bench.figures import Figure
from sweeper.bench.lines import check_writable, write
from sweeper.cluster.parallel import in_parallel
from sweeper.errors import BadInput

NOMINAL = 0.95
_SIZES, _SIMULATIONS = (4, 7, 10), 25


def measure(
    sizes: Sequence[int] | None = None,
    simulations: int | None = None,
    truths: int | None = None,
    out: Path | None = None,
) -> dict[str, Figure]:
    """Coverage and width of the intervals, by stratum.

    Args:
        sizes: doublings of n in a curve, each at least 4, of the cells; 4, 7 and 10 by default.
        simulations: curves in a cell; 25 by default.
        truths: in place of the cells so many truths drawn from the prior, one curve each.
        out: the CSV file to write, a line a cell or truth.

    Raises:
        BadInput: where cells and truths are both asked for, or `out` cannot be used.
    """
    if truths is not None and (sizes or simulations):
        raise BadInput("--truths draws one curve of each truth; give it without --sizes and --simulations")
    designs = cells(sizes or _SIZES) if truths is None else prior_designs(truths, seed=5)
    curves = 1 if truths is not None else simulations or _SIMULATIONS
    check_writable(out, HEAD)
    lines = in_parallel(line, [(i, design, curves) for i, design in enumerate(designs)], "bench calibration-cells")
    write(out, HEAD, lines)
    return figures_of(np.loadtxt(lines, delimiter=",", ndmin=2)[:, 1:])


def figures_of(table: Floats) -> dict[str, Figure]:
    """Figures by stratum; `table`: the numbers under `HEAD` without the line's own, shape (lines, columns)."""
    identified = table[:, 6] > 0.5
    one_curve = table[:, 5].max() == 1
    figures = dict[str, Figure]()
    for stratum, chosen in (("all", np.full(identified.shape, True)), ("identified", identified)):
        if not chosen.any():
            continue
        covered, width, profile, profile_width = (table[chosen, 7 + 4 * i : 11 + 4 * i] for i in range(4))
        of = f"{chosen.sum()} lines"
        for k, target in enumerate(TARGETS):
            name = f"{stratum}_{target}"
            mean, theirs = float(covered[:, k].mean()), float(profile[:, k].mean())
            figures[f"coverage_{name}"] = Figure(mean, NOMINAL, f"share of curves, {of}; reference: nominal")
            figures[f"coverage_{name}_profile_likelihood"] = Figure(theirs, NOMINAL, "the same of profile likelihood")
            if not one_curve:
                least = float(covered[:, k].min()), float(profile[:, k].min())
                figures[f"least_coverage_{name}"] = Figure(*least, "least of a line; reference: profile likelihood's")
            narrower = float((width < profile_width)[:, k].mean())
            figures[f"narrower_{name}"] = Figure(narrower, 0.5, "share of lines narrower than profile likelihood")
            ratio = float(np.median(width[:, k] / profile_width[:, k]))
            figures[f"width_{name}"] = Figure(ratio, 1.0, "median over lines; reference: profile likelihood's width")
    return figures
