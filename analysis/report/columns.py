"""What a table of the report is: columns that read its rows, for the page, for the CSV file or for both."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Column:
    """One fact of a row. `title` is its heading on the page and `name` its heading in the file; None: not there.

    `value`: the fact itself, a number, text, truth or None (an empty cell of the file); by default the row's attribute
    called `name`, None where it has none. `text`: how the page writes it, by default as it is. `numeric`: set to the
    right on the page. `total`: its cell in the page's last row.
    """

    title: str | None = None
    name: str | None = None
    value: Callable[[Any], object] | None = None
    text: Callable[[Any], str] | None = None
    numeric: bool = False
    total: str = ""

    def raw(self, row: object) -> object:
        """The cell in the file."""
        return self.value(row) if self.value is not None else getattr(row, str(self.name), None)

    def shown(self, row: object) -> str:
        """The cell on the page."""
        return self.text(row) if self.text is not None else str(self.raw(row))


@dataclass(frozen=True)
class Table:
    """Rows of any kind with the columns that read them; the page takes the columns with a title, the file the others
    too where they have a name."""

    rows: Sequence[Any]
    columns: tuple[Column, ...]

    @property
    def on_page(self) -> list[Column]:
        """The columns of the page."""
        return [column for column in self.columns if column.title is not None]

    @property
    def in_file(self) -> list[Column]:
        """The columns of the CSV file; none where the table has no file."""
        return [column for column in self.columns if column.name is not None]


def write_csv(folder: Path, tables: Mapping[str, Table], *, simulated: bool) -> None:
    """Write NAME.csv of every table that has a file into `folder`; the first column says if errors are simulated."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if columns := table.in_file:
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["simulated", *(column.name for column in columns)])
                writer.writerows([simulated, *(column.raw(row) for column in columns)] for row in table.rows)


def percent(error: float | None) -> str:
    """An error on the page."""
    return "-" if error is None else f"{error:.2%}"


def spent(rows: Sequence[Any]) -> tuple[Column, Column]:
    """Columns of time and money, of rows with `seconds` and `dollars`, with their totals."""

    def minutes(seconds: float) -> str:
        return f"{seconds / 60:.1f}"

    def dollars(amount: float) -> str:
        return f"${amount:,.3f}"

    seconds, paid = sum(row.seconds for row in rows), sum(row.dollars for row in rows)
    return (
        Column("minutes", "seconds", text=lambda row: minutes(row.seconds), numeric=True, total=minutes(seconds)),
        Column("dollars", "dollars", text=lambda row: dollars(row.dollars), numeric=True, total=dollars(paid)),
    )
