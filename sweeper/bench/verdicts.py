"""`sweeper bench verdicts`: are verdicts right as often as they say? Whole sweeps of single arms with known truth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.evidence.verdict_reliability import HEAD, QUESTIONS, Look, as_line, draw_truths, sweep, table
from sweeper.bench.figures import Figure
from sweeper.bench.lines import check_writable, write

# What the committed table was made with.
TRUTHS, SEED = 400, 11


def measure(truths: int = TRUTHS, seed: int = SEED, out: Path | None = None) -> dict[str, Figure]:
    """Verdicts of a sweep of each of so many truths drawn by `seed`; `out`: the CSV file to write the whole table to.

    A figure's reference is the probability that the verdicts said, on average. Raises BadInput where `out` cannot be
    written.
    """
    check_writable(out, HEAD)
    looks = [look for i, truth in enumerate(draw_truths(truths, seed)) for look in sweep(truth, 1000 + i)]
    write(out, HEAD, [as_line(row) for row in table(looks)])
    return figures_of(looks)


def figures_of(looks: Sequence[Look]) -> dict[str, Figure]:
    """Of the verdicts given, all, by question and by label; and of all looks, by what they said."""
    given = [look for look in looks if look.given]
    strata = {"all": given}
    strata |= {question: [look for look in given if look.question == question] for question in QUESTIONS}
    strata |= {label: [look for look in given if look.label == label] for label in sorted({x.label for x in given})}
    figures = dict[str, Figure]()
    for stratum, own in strata.items():
        if own:
            name = stratum.replace(",", "").replace(" ", "_")
            runs = np.mean([look.runs for look in own])
            unit = f"share of {len(own)} verdicts given, after {runs:.1f} runs; reference: what they said"
            right, said = (np.mean([(look.right, look.probability) for look in own], axis=0)).tolist()
            figures[f"verdicts_right_{name}"] = Figure(right, said, unit)
    for row in table(looks):
        if row.question == "all" and not row.given and row.verdicts:
            unit = f"share of {row.verdicts} looks, given or not; reference: what they said"
            name = f"looks_right_from_{row.low:g}_to_{row.high:g}"
            figures[name] = Figure(row.right / row.verdicts, row.said, unit)
    return figures
