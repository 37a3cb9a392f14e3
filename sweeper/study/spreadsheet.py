"""Cells of a table that a person made: CSV as spreadsheets of any country write it, or Parquet."""

import codecs
import csv
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import BadInput, one_line
from sweeper.study.columns import OTHER_NAMES, column_name

# Longest first where several would do: a decimal comma is in no header.
_DELIMITERS = (";", "\t", "|", ",")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+\s*%?")
_SPACED = re.compile("(?<=\\d)[ \u00a0\u2009\u202f'\u2019](?=\\d{3}(?!\\d))")
_GROUPS = {sign: re.compile(rf"[-+]?[1-9]\d{{0,2}}(?:{re.escape(sign)}\d{{3}})+") for sign in ",."}


# Columns whose decimal commas say that all numbers of the table have them.
_FRACTIONS = ("error", "score", *(other for other, name in OTHER_NAMES.items() if name == "score"))


# words that the rows begin with which sum up others
_SUMMARIES = re.compile(
    "mean|average|avg|total|sum|median|std(ev|dev)?|sd|var(iance)?|min(imum)?|max(imum)?|count"
    "|mittel(wert)?|summe|durchschnitt|gesamt|moyenne|somme|media|promedio|suma|totale"
)
# A word that stands in more of a column's cells than this is a setting, such as a pooling, and no row of sums.
_SELDOM = 0.25


@dataclass(frozen=True)
class Cells:
    """A table's rows, each with its place in the file and its cells by column; text is stripped, nothing is "".

    `titles`: what a column is called in the file, by its name here. `empty`: rows without a cell, left out.
    `commas`: whether its numbers have decimal commas. `notes`: what must be said of how it was read.
    """

    titles: dict[str, str]
    rows: list[tuple[str, dict[str, Any]]]
    empty: int = 0
    commas: bool = False
    notes: tuple[str, ...] = ()


def read_cells(table: Path) -> Cells:
    """The cells of a CSV or Parquet file; BadInput in one line where it cannot be read."""
    if not table.exists():
        raise BadInput(f"{table} is not there; give a CSV or Parquet file")
    try:
        return _parquet(table) if table.suffix.lower() == ".parquet" else _csv(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{table} cannot be read ({one_line(error)}); give a CSV or Parquet file") from None


def _parquet(table: Path) -> Cells:
    # Imported where it is needed: a CSV file is read without it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(table).names if table.is_file() else []
        titles = _titles(table, names)
        found = pq.read_table(table).to_pylist()
    except pa.ArrowException as error:
        raise BadInput(f"{table} cannot be read ({one_line(error)}); give a CSV or Parquet file") from None
    rows = [{column_name(key): _stripped(cell) for key, cell in row.items()} for row in found]
    places = [(f"{table}, row {i}", row) for i, row in enumerate(rows, start=1)]
    kept = [(where, row) for where, row in places if any(cell != "" for cell in row.values())]
    return Cells(titles, kept, len(places) - len(kept))


def _csv(table: Path) -> Cells:
    text, notes = _text(table)
    lines = text.splitlines()
    told = re.fullmatch(r"sep=(.)", lines[0].strip()) if lines else None
    delimiter = told[1] if told else _delimiter(text)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    places = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader][1 if told else 0 :]
    # A line that is quite empty is no row of the table; one of empty cells is what a spreadsheet leaves.
    filled = [(number, cells) for number, cells in places if any(cells)]
    remarks = [number for number, cells in filled if next(filter(None, cells)).startswith("#")]
    filled = [(number, cells) for number, cells in filled if number not in remarks]
    if not filled:
        raise BadInput(f"{table} has no rows; give one row a run")
    if remarks:
        notes.append(f"{table}: lines left out that begin with #: {len(remarks)}")
    header = filled[0][1]
    _check_header(table, header, [cells for _, cells in filled[1:2]])
    titles = _titles(table, header)
    rows = [(f"{table}, line {number}", _row(table, number, header, cells, delimiter)) for number, cells in filled[1:]]
    empty = sum(1 for number, cells in places if number > filled[0][0] and cells and not any(cells))
    decimal = any(_DECIMAL_COMMA.fullmatch(row.get(key, "")) for _, row in rows for key in _FRACTIONS)
    # In a file with commas between its cells, a quoted "1,000" is a thousand.
    commas = decimal and delimiter != ","
    if delimiter != ",":
        between = {";": "semicolons", "\t": "tabs"}.get(delimiter, repr(delimiter))
        notes.append(f"{table}: read with {between} between cells{' and decimal commas' if decimal else ''}")
    return Cells(titles, rows, empty, commas, tuple(notes))


def _text(table: Path) -> tuple[str, list[str]]:
    """The file's text, and what must be said of how it was decoded."""
    data = table.read_bytes()
    if data[:4] == b"PK\3\4" or data[:4] == b"\xd0\xcf\x11\xe0":
        raise BadInput(f"{table} is a spreadsheet program's own file; save the sheet as CSV")
    if data[:512].lstrip(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        raise BadInput(f"{table} is JSON; give a CSV or Parquet file with one row a run")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16"), []
    if b"\0" in data:
        raise BadInput(f"{table} holds zero bytes, which no text has; save it as CSV in UTF-8")
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return data.decode("cp1252"), [f"{table}: it is not UTF-8; read as Windows-1252"]


def _delimiter(text: str) -> str:
    """What stands between the cells of the header; commas where nothing else does."""
    header = next((line for line in text.splitlines() if line.strip(" ,;\t|")), "")
    known = {each: {column_name(name) for name in header.split(each)} for each in _DELIMITERS}
    fitting = [each for each in _DELIMITERS if {"n"} < {name.strip('"') for name in known[each]}]
    return fitting[0] if fitting else max(reversed(_DELIMITERS), key=header.count)


def _check_header(table: Path, header: Sequence[str], below: Sequence[Sequence[str]]) -> None:
    """BadInput where the first line is a title, or holds all names in one cell."""
    told = [name for name in header if name]
    if len(told) == 1 and "n" in (column_name(name) for name in told[0].split()):
        raise BadInput(f"{table}: its cells are apart by spaces; put commas, semicolons or tabs between them")
    if len(told) == 1 and any(sum(map(bool, cells)) > 1 for cells in below):
        raise BadInput(f"{table}: its first line, {told[0]!r}, names no columns; begin with the line that does")


def _titles(table: Path, header: Sequence[str]) -> dict[str, str]:
    """The columns; of two of one name only the last would be read, and nobody would know."""
    names = [column_name(title) for title in header]
    if twins := [name for name, count in Counter(names).items() if name and count > 1]:
        raise BadInput(f"{table} has more than one column {twins[0]!r}; keep one")
    return dict(zip(names, (title.strip() for title in header), strict=True))


def _row(table: Path, number: int, header: Sequence[str], cells: list[str], delimiter: str) -> dict[str, Any]:
    """The cells by column. Empty cells beyond the header are a spreadsheet's; missing ones are not."""
    while len(cells) > len(header) and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(header):
        hint = ""
        if delimiter == "," and len(cells) > len(header):
            hint = "; where numbers have decimal commas, put semicolons between the cells"
        raise BadInput(f"{table}, line {number}: it has not as many cells as the first line has columns{hint}")
    return dict(zip((column_name(title) for title in header), cells, strict=True))


def _stripped(cell: Any) -> Any:
    """A cell of Parquet; a missing one is "", as in CSV. A number that is nan stays, and is refused where it counts."""
    if cell is None:
        return ""
    return cell.strip() if isinstance(cell, str) else cell


def check_no_summary(rows: Sequence[tuple[str, Mapping[str, Any]]], arms: Sequence[str]) -> None:
    """Raise BadInput naming the first row that sums up others, by a word in its first cell or in a seldom place.

    rows: each with its place and its cells by column. arms: columns that the user calls arms, where such words may be.
    """
    counts = Counter((name, _word(cell)) for _, row in rows for name, cell in row.items())
    for where, row in rows:
        first = next((name for name, cell in row.items() if _word(cell)), None)
        for name, cell in row.items():
            word = _word(cell)
            seldom = name not in arms and counts[name, word] <= _SELDOM * len(rows)
            if _SUMMARIES.fullmatch(word) and (name == first or seldom):
                what = f"{str(cell).strip()!r} looks like a spreadsheet's summary row, no run"
                raise BadInput(f"{where}: {what}: leave it out, or call it otherwise where it is an arm")


def _word(cell: Any) -> str:
    return str(cell).strip().casefold().rstrip(":.") if isinstance(cell, str) else "" if cell is None else "."


def number(where: str, name: str, cell: Any, *, commas: bool, whole: bool = False) -> float:
    """A cell as a finite number, with decimal commas and thousands apart as people write them.

    `whole`: a number of images, where 1.000 may be a thousand. BadInput where it is no number or could be two.
    """
    said = cell if isinstance(cell, str) else str(cell)
    try:
        if isinstance(cell, bool):
            raise ValueError
        value = float(_plain(where, name, said, commas, whole))
    except ValueError:
        raise BadInput(f"{where}: {name} is {cell!r}; give a number") from None
    if not math.isfinite(value):
        raise BadInput(f"{where}: {name} is {said}; give a finite number, or leave the row out")
    return value


def _plain(where: str, name: str, said: str, commas: bool, whole: bool) -> str:
    """A number as Python writes it."""
    text = _SPACED.sub("", said)
    if "," in text and "." in text:
        # The last of the two is the decimal sign.
        thousands, decimal = (".", ",") if text.rindex(",") > text.rindex(".") else (",", ".")
        return text.replace(thousands, "").replace(decimal, ".")
    for sign in ",.":
        if whole and _GROUPS[sign].fullmatch(text):
            bare = text.replace(sign, "")
            if sign != ("," if commas else ".") or text.count(sign) > 1:
                return bare
            short = text.replace(",", ".").rstrip("0").rstrip(".")
            raise BadInput(f"{where}: {name} is {said!r}; write {bare} or {short}, whichever it is")
    return text.replace(",", ".")
