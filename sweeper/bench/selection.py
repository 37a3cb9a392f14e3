"""`sweeper bench selection`: the estimator's candidate priors, each beside the shipped one.

The RMSE of backtests inside the parts that are fitted, and the log evidence of what is fitted.
"""

import csv
import re
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from analysis.evidence.backtest import Task, nine_renderings, tasks
from analysis.evidence.selection import CANDIDATES, EVIDENCE_HEAD, HEAD, backtests, compare, compare_evidence, fitted
from sweeper.bench.figures import Figure
from sweeper.bench.lines import check_writable, write
from sweeper.bench.recorded import few_shot_curves, paper_curves
from sweeper.cluster.parallel import in_parallel

_RMSE = "RMSE of hidden errors (few_shot: of their logs), mean of {curves} curves; reference: shipped"
_EVIDENCE = "log evidence of {curves} curves, of which their difference counts; reference: shipped"


def measure(data_root: Path | None = None, out: Path | None = None, evidence: Path | None = None) -> dict[str, Figure]:
    """Every candidate and other estimator on every backtest, and every candidate's log evidence.

    Args:
        data_root: the folder of recorded data, by default SWEEPER_DATA_ROOT.
        out: the CSV file to write the backtests to.
        evidence: the same of the log evidence.

    Raises:
        BadInput: where the recorded curves cannot be read, or a file cannot be used.
    """
    paper = paper_curves(data_root)
    recorded = tasks(paper, few_shot_curves(data_root))
    nine = {setting.name for setting in nine_renderings(paper)}
    check_writable(out, HEAD)
    check_writable(evidence, EVIDENCE_HEAD)
    evident = _lines(compare_evidence, fitted(recorded, nine))
    lines = _lines(compare, backtests(recorded, nine))
    write(evidence, EVIDENCE_HEAD, evident)
    write(out, HEAD, lines)
    backtested = figures_of(lines, HEAD, "hidden", "rmse", _RMSE)
    return backtested | figures_of(evident, EVIDENCE_HEAD, "seen", "log_evidence", _EVIDENCE)


def _lines(compared: Callable[..., list[str]], sets: Sequence[Task]) -> list[str]:
    """What a comparison of all candidates says of each set."""
    return list(chain(*in_parallel(compared, [(each, CANDIDATES) for each in sets], "bench selection")))


def figures_of(lines: Sequence[str], head: str, of: str, column: str, unit: str) -> dict[str, Figure]:
    """Of every line the number in `column`, beside the first candidate's of the same entry in the column `of`."""
    rows = list(csv.DictReader([head, *lines]))
    first = {row[of]: float(row[column]) for row in rows if row["candidate"] == next(iter(CANDIDATES))}
    return {
        re.sub(r"[^\w.]+", "_", f"{column} {row[of]} {row['candidate']}"): Figure(
            float(row[column]), first[row[of]], unit.format(curves=row["curves"])
        )
        for row in rows
    }
