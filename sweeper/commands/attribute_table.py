"""A table of measured settings as runs: their levels by factor, their seed, and one error for all fine-tunes of a run.

Factors are the columns that `--factors` names, else every column that is none of OTHER_COLUMNS; of a table of
`sweeper collect` the attributes in its column of that name, and the pre-training task.
"""

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.estimator.observations import LEAST_ERROR, counted_error
from sweeper.config.factors import word
from sweeper.errors import BadInput
from sweeper.study.attributes import TASK_FACTOR
from sweeper.study.columns import column_name
from sweeper.study.spreadsheet import number, read_cells

GROUP_COLUMNS = ("task", "finetune_task", "backbone", "s")
RUN_COLUMNS = ("n", "seed", "repeat", "trajectory", "block", "test_size", "error", "cost", "seconds", "split")
NAME_COLUMNS = ("arm", "rendering")
# Of a table of `sweeper collect`: its settings' attributes as a JSON object, and what else its runs differ in.
ATTRIBUTES = "attributes"
COLLECTED_GROUPS = ("sweep", "dataset", "steps", *GROUP_COLUMNS)
OTHER_COLUMNS = (*GROUP_COLUMNS, *RUN_COLUMNS, *NAME_COLUMNS)
# A number as people write one; with zeros before it, it is a name.
_NUMBER = re.compile(r"[-+]?(0|[1-9]\d*)(\.\d*)?")
# A factor of more levels than this, all numbers, is likelier a quantity that was measured.
_MANY_LEVELS = 8


@dataclass(frozen=True)
class SettingRun:
    """One run of the table: its group, its levels by factor, n (None where the table does not say) and error."""

    group: str
    levels: tuple[tuple[str, str], ...]
    n: float | None
    seed: str
    error: float


def read_runs(table: Path, names: Sequence[str] = ()) -> tuple[list[SettingRun], tuple[str, ...]]:
    """The runs of a table, fine-tunes of one pre-training as their mean, and the factors' columns.

    Rows of n = 0 (no pre-training) have no rendering; they are left out, and their number is said on stderr.
    BadInput names the first row that cannot be used.
    """
    cells = read_cells(table)
    raw, commas = cells.rows, cells.commas
    for note in cells.notes:
        print(f"{table}: {note}", file=sys.stderr)
    if not raw:
        raise BadInput(f"{table} has no rows; give one row a run")
    have = list(raw[0][1])
    collected = ATTRIBUTES in have and (not names or not {*names} <= {*have})
    if collected:
        raw, differ = _with_attributes(raw)
        if not (names or differ):
            raise BadInput(f"{table}: all rows have the same attributes; of one setting no effect can be told")
        have, names = [*have, *(name for name in differ if name not in have)], names or differ
    columns = _factor_columns(table, have, names)
    runs: dict[SettingRun, list[float]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    for where, row in raw:
        if row.get("split", "test") not in ("test", ""):
            continue
        n = number(where, "n", row["n"], commas=commas, whole=True) if _cell(row, "n") else None
        if n == 0:
            left_out["rows of n = 0 (no pre-training), which no rendering made"] += 1
        elif collected and not any(_cell(row, name) for name in columns):
            left_out["rows that do not tell the attributes of their rendering, left out"] += 1
        else:
            run = _run(where, row, columns, COLLECTED_GROUPS if collected else GROUP_COLUMNS, n)
            runs[run].append(_error(where, row, commas))
    for what, count in left_out.items():
        print(f"{table}: {what}: {count}", file=sys.stderr)
    if not runs:
        raise BadInput(f"{table} has no row of a rendering with split 'test'; give finished runs")
    means = [
        SettingRun(run.group, run.levels, run.n, run.seed, float(np.exp(np.log(errors).mean())))
        for run, errors in runs.items()
    ]
    for note in _doubts(means, columns):
        print(f"{table}: {note}", file=sys.stderr)
    return means, columns


def _doubts(runs: Sequence[SettingRun], columns: Sequence[str]) -> Iterator[str]:
    """What a reader should look at before believing what is said of these runs."""
    alike = Counter((run.group, run.levels, run.n, run.error) for run in runs)
    if twice := sum(count - 1 for count in alike.values()):
        yield f"runs whose setting and error another has to the last digit, which count as runs of their own: {twice}"
    for at, name in enumerate(columns):
        levels = sorted({run.levels[at][1] for run in runs})
        if len(levels) > _MANY_LEVELS and all(map(_NUMBER.fullmatch, levels)):
            yield f"{name} has {len(levels)} different numbers, each a level of its own; --factors leaves it out"
        folded = Counter(level.casefold() for level in levels)
        if cased := [level for level in levels if folded[level.casefold()] > 1]:
            yield f"levels of {name} that differ in case alone are levels of their own: {', '.join(cased)}"
        if _goes_with_seeds(runs, at):
            yield f"no seed was run with two levels of {name}: what it does cannot be told from the luck of the seeds"


def _goes_with_seeds(runs: Sequence[SettingRun], at: int) -> bool:
    """Whether every seed that several settings share has one level of the factor, and not all have the same."""
    by_seed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for run in runs:
        by_seed[run.group, run.seed].append(run.levels[at][1])
    shared = [{*levels} for levels in by_seed.values() if len(levels) > 1]
    return len(shared) > 1 and all(len(each) == 1 for each in shared) and len(set[str]().union(*shared)) > 1


def _factor_columns(table: Path, have: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    if "error" not in have:
        raise BadInput(f"{table} has no column error (it has {', '.join(have) or 'none'})")
    # Headers are folded as they are read.
    asked = {name: name if name in have else column_name(name) for name in names}
    missing = [name for name, column in asked.items() if column not in have]
    if missing:
        raise BadInput(f"--factors: {table} has no column {missing[0]!r} (it has {', '.join(have)})")
    found = tuple(asked.values()) or tuple(name for name in have if name and name not in OTHER_COLUMNS)
    # Where nothing else is said, the settings are levels of one factor.
    found = found or tuple(name for name in ("rendering", "arm") if name in have)[:1]
    if not found:
        raise BadInput(f"{table} has no column of a factor (it has {', '.join(have)}); add one for each attribute")
    return found


def _with_attributes(
    raw: Sequence[tuple[str, dict[str, Any]]],
) -> tuple[list[tuple[str, dict[str, Any]]], tuple[str, ...]]:
    """The rows of a collected table with a cell for each attribute, and the factors: attributes that differ, and the
    pre-training task."""
    given = []
    for where, row in raw:
        try:
            levels = json.loads(_cell(row, ATTRIBUTES) or "{}")
        except json.JSONDecodeError:
            levels = None
        if not isinstance(levels, dict):
            raise BadInput(f"{where}: {ATTRIBUTES} is {row[ATTRIBUTES]!r}; give a JSON object of levels by attribute")
        task = {TASK_FACTOR: _cell(row, TASK_FACTOR)} if levels and _cell(row, TASK_FACTOR) else {}
        given.append({str(name): word(level) for name, level in levels.items()} | task)
    known = [levels for levels in given if levels]
    found = {name: {levels.get(name) for levels in known} for name in sorted({name for each in known for name in each})}
    differ = tuple(name for name, levels in found.items() if len(levels) > 1)
    return [(where, row | levels) for (where, row), levels in zip(raw, given, strict=True)], differ


def _run(
    where: str, row: Mapping[str, Any], columns: Sequence[str], groups: Sequence[str], n: float | None
) -> SettingRun:
    """A row's run; what tells two runs of a setting apart is in `seed`, so that only fine-tunes of one are alike."""
    for name in columns:
        if not _cell(row, name):
            raise BadInput(f"{where}: {name} is empty; give the level of every factor")
    group = "/".join(cell for name in groups if name not in columns and (cell := _cell(row, name)))
    # Settings of one seed share scenes and photographs; of a collected table the sweep's seed decides them too.
    told = [_cell(row, name) for name in ("sweep_seed", "seed", "block", "trajectory")]
    if not any(told) and not _cell(row, "repeat"):
        told.append(where)
    return SettingRun(group, tuple((name, _level(row, name)) for name in columns), n, "|".join(told), 0.0)


def _level(row: Mapping[str, Any], name: str) -> str:
    """A level in words; numbers and truths are the same however they are written."""
    cell = _cell(row, name)
    if cell.lower() in ("true", "false"):
        return cell.lower()
    if not _NUMBER.fullmatch(cell):
        return cell
    value = float(cell)
    return str(int(value)) if value.is_integer() else repr(value)


def _error(where: str, row: Mapping[str, Any], commas: bool) -> float:
    error, tested = number(where, "error", row["error"], commas=commas), _cell(row, "test_size")
    if tested:
        size = number(where, "test_size", tested, commas=commas, whole=True)
        if size < 1:
            raise BadInput(f"{where}: test_size is {size:g}; give the number of test images, 1 or more")
        error = float(counted_error(error, size))
    if not LEAST_ERROR <= error <= 1:
        raise BadInput(f"{where}: error is {error:g}; errors must lie in (0, 1], so give 1 - score as a fraction")
    return error


def _cell(row: Mapping[str, Any], name: str) -> str:
    """A cell as text; a missing one, which Parquet may hold as nan, is empty."""
    value = row.get(name)
    return "" if value is None or value != value else str(value).strip()
