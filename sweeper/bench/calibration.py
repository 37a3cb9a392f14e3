"""`sweeper bench calibration`: whole sweeps in simulated worlds. Do 95 % intervals hold the truth, are verdicts right?

A stratum is a kind of world (`analysis.evidence.worlds`): how large the run noise is, truths near the line, seeds
crossed with sizes, finite test sets, curves that leave the law. In each the policy designs every sweep, from a pilot of
four sizes and a repeat on.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import beta

from analysis.evidence.adaptive_sweeps import TARGETS, Sweep, sweep
from analysis.evidence.worlds import STRATA
from analysis.policy.goals import Objective
from sweeper.bench.figures import Figure
from sweeper.bench.lines import check_writable, write
from sweeper.cluster.parallel import in_parallel
from sweeper.errors import BadInput

NOMINAL = 0.95
_SWEEPS = 400
# Sweeps that one call carries out.
_BATCH = 10
HEAD = ",".join(
    ["stratum", "objective", "sweeps", "runs", "given", "right", "wrong", "wrong_low", "wrong_high", "identified"]
    + [f"{kind}_{target}" for kind in ("covered", "covered_if_identified", "width") for target in TARGETS]
)


def measure(
    sweeps: int | None = None,
    strata: Sequence[str] | None = None,
    out: Path | None = None,
) -> dict[str, Figure]:
    """Coverage and verdicts by stratum.

    Args:
        sweeps: in each stratum; 400 by default.
        strata: their names; all by default. "law" after a name and a colon asks for the objective law.
        out: the CSV file to write, a line a stratum.

    Raises:
        BadInput: where there is no such stratum, or `out` cannot be used.
    """
    count = sweeps or _SWEEPS
    asked = [_named(name) for name in strata or (*STRATA, "noise_1_percent:law", "noise_2_percent:law")]
    check_writable(out, HEAD)
    jobs = [(name, objective, i, min(_BATCH, count - i)) for name, objective in asked for i in range(0, count, _BATCH)]
    done = in_parallel(_sweeps, jobs, "bench calibration")
    figures, lines = dict[str, Figure](), list[str]()
    for name, objective in asked:
        own = [each for job, found in zip(jobs, done, strict=True) if job[:2] == (name, objective) for each in found]
        figures |= figures_of(name if objective == "verdict" else f"{name}_{objective}", own)
        lines.append(as_line(name, objective, own))
    write(out, HEAD, lines)
    return figures


def _named(name: str) -> tuple[str, Objective]:
    stratum, _, objective = name.partition(":")
    if stratum not in STRATA or objective not in ("", "law"):
        raise BadInput(f"there is no stratum {name!r}; choose of {', '.join(STRATA)}, with :law or without")
    return stratum, "law" if objective else "verdict"


def _sweeps(stratum: str, objective: Objective, first: int, count: int) -> list[Sweep]:
    return [sweep(STRATA[stratum](i), 1000 + i, objective) for i in range(first, first + count)]


def figures_of(stratum: str, sweeps: Sequence[Sweep]) -> dict[str, Figure]:
    """The figures of one stratum: mean coverage, coverage of those called identified, verdicts given, right, wrong."""
    last = [each.looks[-1] for each in sweeps]
    given = [look for look in last if look.given]
    wrong = sum(not look.right for look in given)
    low, high = binomial_interval(wrong, len(sweeps))
    of = f"{len(sweeps)} sweeps"
    figures = {
        f"coverage_{stratum}": Figure(
            float(np.nanmean([each.covered for each in sweeps])), NOMINAL, f"mean over {', '.join(TARGETS)}, {of}"
        ),
        f"verdicts_given_{stratum}": Figure(len(given) / len(sweeps), 1.0, f"share of {of}; the others stay open"),
        f"verdicts_wrong_{stratum}": Figure(
            wrong / len(sweeps), 0.05, f"share of {of} (95 % {low:.3f} to {high:.3f}); reference: the most wanted"
        ),
    }
    for k, target in enumerate(TARGETS):
        known = [each.covered[k] for each in sweeps if each.identified and not np.isnan(each.covered[k])]
        if known:
            unit = f"share of the {len(known)} identified ones"
            figures[f"coverage_{stratum}_identified_{target}"] = Figure(float(np.mean(known)), NOMINAL, unit)
    if given:
        said = float(np.mean([look.probability for look in given]))
        unit = f"share of {len(given)} verdicts, after {np.mean([look.runs for look in given]):.1f} runs"
        figures[f"verdicts_right_{stratum}"] = Figure(
            1 - wrong / len(given), said, f"{unit}; reference: what they said"
        )
    return figures


def binomial_interval(count: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Clopper and Pearson 1934)."""
    low = float(beta.ppf(0.025, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, of - count)) if count < of else 1.0
    return low, high


def as_line(stratum: str, objective: Objective, sweeps: Sequence[Sweep]) -> str:
    """The line of CSV under `HEAD`; empty cells where a stratum has no such truth."""
    last = [each.looks[-1] for each in sweeps]
    given = [look for look in last if look.given]
    wrong, of = sum(not look.right for look in given), len(sweeps)
    known = [each for each in sweeps if each.identified]
    shares = [len(given) / of, 1 - wrong / max(len(given), 1), wrong / of, *binomial_interval(wrong, of)]
    cells = [stratum, objective, str(of), f"{np.mean([look.runs for look in last]):.2f}"]
    cells += [f"{share:.4f}" for share in (*shares, len(known) / of)]
    for group in (sweeps, known):
        cells += [_mean([each.covered[k] for each in group]) for k in range(len(TARGETS))]
    cells += [f"{np.median([each.widths[k] for each in sweeps]):.4f}" for k in range(len(TARGETS))]
    return ",".join(cells)


def _mean(values: Sequence[float]) -> str:
    there = [value for value in values if not np.isnan(value)]
    return f"{np.mean(there):.4f}" if there else ""
