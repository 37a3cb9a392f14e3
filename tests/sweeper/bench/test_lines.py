"""The CSV file of a measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.bench.lines import check_writable, write
from sweeper.errors import BadInput


def test_a_table_is_written_under_its_head(tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    check_writable(out, "name,number")
    write(out, "name,number", ["a,1", "b,"])
    assert out.read_text() == "name,number\na,1\nb,\n"
    check_writable(out, "name,number")


def test_without_a_path_nothing_is_written() -> None:
    check_writable(None, "name,number")
    write(None, "name,number", ["a,1"])


def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    out.write_text("other,columns\n")
    with pytest.raises(BadInput, match=r"table\.csv has other columns"):
        check_writable(out, "name,number")
    assert out.read_text() == "other,columns\n"


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"table\.csv cannot be written"):
        check_writable(tmp_path / "no folder" / "table.csv", "name,number")
