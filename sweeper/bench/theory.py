"""`sweeper bench theory`: the exponents of appendix E measured, beside those that it promises.

Everything is fitted in the upper half of the ladder of sizes (`analysis.theory.exponents.upper_half`). What has no
interval is an expectation over samples, computed without drawing any (`analysis.theory.expected_error`); what has one
is a mean over seeds of networks, each setting with its own draws.
"""

import sys
from pathlib import Path

from sweeper.bench.figures import Figure
from sweeper.bench.lines import check_writable, write
from sweeper.bench.theory_figures import HEAD
from sweeper.bench.theory_parts import jobs
from sweeper.bench.theory_sizes import FULL, SMALL


def measure(small: bool | None = None, out: Path | None = None) -> dict[str, Figure]:
    """Exponents of pre-training and of the four cases, agreement with wide networks, forms, and what breaks.

    Args:
        small: short ladders and few seeds, to see that it runs; the exponents mean little.
        out: the CSV file to write, a line a measured error and a line a figure.

    Raises:
        BadInput: where `out` cannot be used.
    """
    check_writable(out, HEAD)
    found = []
    for name, part in jobs(SMALL if small else FULL):
        print(f"bench theory: {name}", file=sys.stderr, flush=True)
        found.append(part())
    write(out, HEAD, [line for part in found for line in part.all_lines])
    return {name: each.figure for part in found for name, each in part.measured.items()}
