"""Anybody's runs out of a table: each row checked, and all that is left out or not used said with its count.

Of a sweep's own results only the rows with `split` "test" are taken, and those of n = 0, without pre-training, are set
aside: they are outside the law. Rows that differ in `repeat` alone are fine-tunes of one pre-training.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from analysis.estimator.observations import LEAST_ERROR, SIZES, counted_error
from sweeper.errors import BadInput
from sweeper.study.columns import ARM_COLUMNS, COLUMNS, OTHER_NAMES, column_name
from sweeper.study.spreadsheet import Cells, check_no_summary, number, read_cells

_GROUP_COLUMNS = ("finetune_task", "backbone", "dataset", "s")
_RUN_COLUMNS = ("s", "seed", "repeat")
_LIMITS = "errors must lie in (0, 1], so give 1 - score as a fraction"


@dataclass(frozen=True)
class Reading:
    """How a table is read. `arms`: the columns that make an arm, by default those of that name. `percent`: errors and
    scores are in per cent. `score`: they are scores, and the error is 1 - score."""

    arms: tuple[str, ...] = ()
    percent: bool = False
    score: bool = False


@dataclass(frozen=True)
class Row:
    """One row of the table, checked; `where` names it; `group`: arms of one group may share D. `trajectory`, `block`:
    empty where the table does not say; `test_size`: then None."""

    where: str
    arm: str
    group: str
    n: float
    error: float
    key: tuple[str, ...]
    trajectory: str = ""
    block: str = ""
    test_size: float | None = None


@dataclass(frozen=True)
class Recorded:
    """`rows`: those with n > 0. `references`: those of n = 0. `unused`: columns that were not read, with how many
    values each has. `left_out`: rows, by why. `notes`: all that must be said, a line each."""

    rows: list[Row]
    references: list[Row]
    unused: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Columns:
    """Which columns of this table are read, by their names here."""

    arms: tuple[str, ...]
    error: str
    used: frozenset[str]
    several_s: bool


def read_runs(table: Path, reading: Reading = Reading()) -> Recorded:
    """The runs of a CSV or Parquet table; BadInput, in one line, names the first row that cannot be used."""
    cells = _by_own_names(table, read_cells(table), reading)
    if not cells.rows:
        raise BadInput(f"{table} has no rows; give one row a run")
    columns = _columns(table, cells, reading)
    tested = [(where, row) for where, row in cells.rows if _split(row) == "test"]
    check_no_summary(tested, columns.arms)
    rows, references, seen = list[Row](), list[Row](), dict[tuple[str, ...], str]()
    for where, row in tested:
        checked = _row(where, row, columns, reading, cells.commas)
        if checked.n == 0:
            references.append(checked)
            continue
        if checked.key in seen:
            raise BadInput(
                f"{where}: repeats {seen[checked.key]}; keep one, or tell them apart by `seed` or --arm COLUMN"
            )
        seen[checked.key] = where
        rows.append(checked)
    left_out = _left_out(cells)
    if references and not rows:
        raise BadInput(f"{table} has rows of n = 0 (no pre-training) alone; a law needs runs at 2 sizes or more")
    if not rows:
        found = f" (it has {_counted(left_out)})" if left_out else ""
        raise BadInput(f"{table} has no row with split 'test'{found}; give finished runs")
    unused = _unused(cells, columns)
    notes = (
        *cells.notes,
        *_notes(table, unused, left_out),
        *_questions(table, rows, references),
        *_units(table, rows, reading),
    )
    return Recorded(rows, references, unused, left_out, notes)


def _by_own_names(table: Path, cells: Cells, reading: Reading) -> Cells:
    """The cells with columns of other names under their own, and a note of each; one that makes arms stays."""
    arms = {column_name(name) for name in reading.arms}
    for other, name in OTHER_NAMES.items():
        if other in cells.titles and name not in cells.titles and other not in arms:
            titles = {name if key == other else key: title for key, title in cells.titles.items()}
            rows = [(where, {name if k == other else k: cell for k, cell in row.items()}) for where, row in cells.rows]
            note = f"{table}: column {cells.titles[other]} is read as {name}"
            cells = replace(cells, titles=titles, rows=rows, notes=(*cells.notes, note))
    return cells


def _columns(table: Path, cells: Cells, reading: Reading) -> _Columns:
    """Which columns are read; BadInput where one is missing."""
    have = ", ".join(title for title in cells.titles.values() if title) or "none"
    error = "score" if reading.score and "score" in cells.titles else "error"
    missing = [name for name in ("n", error) if name not in cells.titles]
    if missing:
        hint = "; --score reads 1 - score" if "score" in cells.titles and "error" in missing else ""
        raise BadInput(f"{table} has no column {' and no column '.join(missing)} (it has {have}){hint}")
    if error == "score" and "error" in cells.titles:
        raise BadInput(f"{table} has a column score and a column error; leave one out, or leave out --score")
    asked = tuple(column_name(name) for name in reading.arms)
    for name, title in zip(asked, reading.arms, strict=True):
        if name not in cells.titles:
            raise BadInput(f"--arm {title}: {table} has no such column (it has {have})")
        if name in ("n", error):
            raise BadInput(f"--arm {title}: that is what the law is of, and no arm; name another column")
    of_arms = asked or ("arm", *ARM_COLUMNS)
    used = frozenset({*COLUMNS, *(() if asked else _GROUP_COLUMNS)} - {"arm", "error"} | {*of_arms, error})
    sizes = {_text(row.get("s")) for _, row in cells.rows if _split(row) == "test"}
    return _Columns(asked, error, used, len(sizes) > 1 and "s" not in asked)


def _split(row: Mapping[str, Any]) -> str:
    return _text(row.get("split", "test")).casefold()


def _row(where: str, row: Mapping[str, Any], columns: _Columns, reading: Reading, commas: bool) -> Row:
    n = number(where, "n", row["n"], commas=commas, whole=True)
    error, tested = _error(where, row[columns.error], reading, commas), _text(row.get("test_size"))
    test_size = number(where, "test_size", tested, commas=commas, whole=True) if tested else None
    if test_size is not None and test_size < 1:
        raise BadInput(f"{where}: test_size is {test_size:g}; give the number of test images, 1 or more")
    if test_size is not None:
        error = float(counted_error(error, test_size))
    if n < 0:
        raise BadInput(f"{where}: n is {n:g}; give sizes above 0, or 0 where there was no pre-training")
    _check_error(where, error, reading)
    if n and not SIZES[0] <= n <= SIZES[1]:
        raise BadInput(f"{where}: n is {n:g}; give the number of images, {SIZES[0]:g} to {SIZES[1]:g}")
    arm = _arm(row, columns)
    group = "/".join(_text(row.get(c)) for c in _GROUP_COLUMNS)
    # Without a seed, runs of one size are told apart by their error; two that agree in all digits are one, twice.
    told = [_text(row.get(name)) for name in _RUN_COLUMNS]
    apart = "" if told[1] or told[2] else repr(error)
    trajectory, block = (_text(row.get(name)) for name in ("trajectory", "block"))
    key = (arm, repr(n), told[0], told[1], trajectory, block, repr(test_size), apart, told[2])
    return Row(where, arm, group, n, error, key, trajectory, block, test_size)


def _arm(row: Mapping[str, Any], columns: _Columns) -> str:
    """What the run's arm is called; "" where the table tells no arms."""
    if columns.arms:
        arm = "/".join(_text(row[name]) or f"no {name}" for name in columns.arms)
    else:
        arm = _text(row.get("arm")) or "/".join(_text(row[c]) for c in ARM_COLUMNS if _text(row.get(c)))
    return f"{arm} s={_text(row.get('s'))}".strip() if columns.several_s else arm


def _error(where: str, cell: Any, reading: Reading, commas: bool) -> float:
    """The error as a fraction, whatever the table has."""
    of_hundred = isinstance(cell, str) and cell.endswith("%")
    value = number(where, "error", cell[:-1] if of_hundred else cell, commas=commas)
    value = value / 100 if of_hundred or reading.percent else value
    return 1 - value if reading.score else value


def _check_error(where: str, error: float, reading: Reading) -> None:
    if 0 < error <= 1:
        if error < LEAST_ERROR:
            raise BadInput(f"{where}: error is {error:g}; no test set tells errors below {LEAST_ERROR:g} from 0")
        return
    hints = {
        "--percent reads per cent": not reading.percent and abs(error) > 1,
        "--score reads scores": not reading.score,
    }
    hint = " and ".join(words for words, helps in hints.items() if helps)
    if reading.score:
        given, unit = (100 - 100 * error, " per cent") if reading.percent else (1 - error, "")
        limits = "[0, 100)" if reading.percent else "[0, 1)"
        raise BadInput(f"{where}: the score is {given:g}{unit}; scores lie in {limits}; leave --score out of errors")
    raise BadInput(f"{where}: error is {error:g}; {_LIMITS}{f' ({hint})' if hint else ''}")


def _left_out(cells: Cells) -> dict[str, int]:
    """Rows that are not fitted, by why."""
    splits = Counter(_text(row.get("split", "test")) for _, row in cells.rows if _split(row) != "test")
    return ({"empty": cells.empty} if cells.empty else {}) | {
        f"with split {name!r}": count for name, count in sorted(splits.items())
    }


def _unused(cells: Cells, columns: _Columns) -> dict[str, int]:
    """Columns with something in them that are not read, by their titles, and how many values each has."""
    values = {name: {_text(row.get(name)) for _, row in cells.rows} - {""} for name in cells.titles}
    return {
        cells.titles[name] or "a column without a name": len(found)
        for name, found in values.items()
        if found and name not in columns.used
    }


def _notes(table: Path, unused: Mapping[str, int], left_out: Mapping[str, int]) -> Iterator[str]:
    if unused:
        named = ", ".join(f"{name} ({count} value{'s' * (count != 1)})" for name, count in unused.items())
        yield f"{table}: columns that are not used: {named}; --arm COLUMN makes arms of one"
    if left_out:
        yield f"{table}: rows left out: {_counted(left_out)}"


def _questions(table: Path, rows: Sequence[Row], references: Sequence[Row]) -> Iterator[str]:
    """What looks like a slip of whoever made the table, asked in a line each."""
    if references:
        yield f"{table}: rows of n = 0 (no pre-training), beside the laws and not in them: {len(references)}"
    parts = [row for row in rows if row.n != int(row.n)]
    if parts:
        yield (
            f"{parts[0].where}: n is {parts[0].n:g}, no whole number, as in {len(parts)} rows; is it in thousands?"
            " n counts images"
        )
    if (fall := _falls(rows)) is not None:
        before, after = (row.n for row in fall)
        yield f"{fall[1].where}: n falls from {before:g} to {after:g} though it rises before; is that {after:g} images?"
    names = Counter(" ".join(arm.casefold().split()) for arm in {row.arm for row in rows})
    for name in (name for name, count in names.items() if count > 1):
        alike = sorted({row.arm for row in rows if " ".join(row.arm.casefold().split()) == name})
        yield f"{table}: arms that differ in capitals or spaces alone are kept apart: {', '.join(map(repr, alike))}"


def _units(table: Path, rows: Sequence[Row], reading: Reading) -> Iterator[str]:
    lost = max((1 - row.error if reading.score else row.error for row in rows), default=1)
    if reading.percent and lost < 0.01:
        yield f"{table}: no number is above 1 per cent; are they fractions? Leave --percent out where they are"


def _falls(rows: Sequence[Row]) -> tuple[Row, Row] | None:
    """The first two rows of an arm where n, having risen so far, falls to a size that was not there before."""
    rising: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        own = rising.setdefault((row.arm, *row.key[2:6]), [])
        if len(own) > 1 and row.n < min(each.n for each in own) and all(a.n <= b.n for a, b in pairwise(own)):
            return own[-1], row
        own.append(row)
    return None


def _counted(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in left_out.items())


def _text(value: Any) -> str:
    """A cell as text; a missing one, which Parquet may hold as nan, is empty."""
    return "" if value is None or value != value else str(value).strip()


def named(arm: str) -> str:
    """An arm for a line to the user; a table without arms is one."""
    return f"arm {arm!r}" if arm else "the table"
