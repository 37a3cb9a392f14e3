"""The CSV file of a long measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.bench.lines import begun, write
from sweeper.errors import BadInput

HEAD = "name,of,number"


def test_a_table_begins_empty_and_goes_on_with_what_it_has(tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    assert begun(out, HEAD) == []
    assert out.read_text() == f"{HEAD}\n"
    write(out, HEAD, ["a,x,1", "b,x,"])
    assert begun(out, HEAD) == ["a,x,1", "b,x,"]
    assert list(tmp_path.iterdir()) == [out]


def test_without_a_path_nothing_is_written() -> None:
    assert begun(None, HEAD) == []
    write(None, HEAD, ["a,x,1"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("other,columns\n", "has other columns"),
        (f"{HEAD}\na,x,1\nb,x\n", "line 3: this bench wrote no such line"),
        (f"{HEAD}\na,x,one\n", "line 2: this bench wrote no such line"),
    ],
)
def test_another_file_is_refused_and_kept(tmp_path: Path, content: str, said: str) -> None:
    out = tmp_path / "table.csv"
    out.write_text(content)
    with pytest.raises(BadInput, match=said):
        begun(out, HEAD)
    assert out.read_text() == content


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"table\.csv cannot be written"):
        begun(tmp_path / "no folder" / "table.csv", HEAD)
    with pytest.raises(BadInput, match="cannot be read"):
        begun(tmp_path, HEAD)
