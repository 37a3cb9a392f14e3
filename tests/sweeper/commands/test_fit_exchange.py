"""`sweeper fit` on tables with several s: the worth of renders in labels, in text, JSON and one line for bad input."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sweeper.__main__ import app
from sweeper.errors import BadInput

N, S = (0, 500, 2_000, 8_000), (100, 400, 1_600)


def _error(n: int, s: int, lost: float = 0.0) -> float:
    return 0.05 + 0.85 * (1 + (s + (1_000 - lost) * n / (2_000 + n)) / 200) ** -0.5


def _table(folder: Path, rows: Sequence[Sequence[Any]], head: str = "n,s,error") -> Path:
    table = folder / "table.csv"
    table.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return _table(tmp_path, [(n, s, round(_error(n, s), 5)) for n in N for s in S])


def _fit(*args: Any) -> Any:
    return CliRunner().invoke(app, ["fit", *map(str, args)])


def test_the_rate_and_the_next_dollar_are_said_beside_the_laws_of_n(table: Path) -> None:
    result = _fit(table, "--at-s", 400, "--at-n", 2_000, "--label-usd", 10, "--render-usd", 0.001)

    assert result.exit_code == 0, result.output
    assert "2,000 renders are worth" in result.stdout
    assert "labels at your 400" in result.stdout
    assert "a render costs $0.001, a label $10" in result.stdout
    assert "the next dollar: render more" in result.stdout
    assert "s=400" in result.stdout


def test_json_has_the_rate_with_its_interval(table: Path) -> None:
    result = _fit(table, "--at-s", 400, "--json")

    (said,) = json.loads(result.stdout)["exchange"].values()
    assert said["worth"]["low"] < 800 < said["worth"]["high"]
    assert said["verdict"] is None
    assert said["runs"] == 12


def test_one_size_beside_none_is_enough(tmp_path: Path) -> None:
    # 1 to 1,600 labels with and without one pre-training: no law of n, but a worth in labels.
    seeds = range(3)
    rows = [(n, s, k, round(_error(n, s) * (1 + 0.004 * (k - 1)), 5)) for n in (0, 8_000) for s in S for k in seeds]

    result = _fit(_table(tmp_path, rows, "n,s,seed,error"), "--at-s", 400)

    assert result.exit_code == 0, result.output
    assert "8,000 renders are worth" in result.stdout
    assert "no law of n alone: 3" in result.stderr


def test_arms_share_the_reference_of_their_task(tmp_path: Path) -> None:
    rows = [("none", "imagenet", n, s, _error(0, s)) for n in (0,) for s in S]
    rows += [
        (arm, "imagenet", n, s, _error(n, s, lost)) for arm, lost in (("a", 0), ("b", 700)) for n in N[1:] for s in S
    ]

    result = _fit(_table(tmp_path, rows, "rendering,finetune_task,n,s,error"), "--at-s", 400, "--json")

    rates = json.loads(result.stdout)["exchange"]
    assert set(rates) == {"a/imagenet", "b/imagenet"}
    assert rates["b/imagenet"]["worth"]["high"] < rates["a/imagenet"]["worth"]["low"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--at-s", 100_000), "not extrapolated"),
        (("--at-n", 1_000_000), "not extrapolated"),
        (("--label-usd", 0.4), "--render-usd is missing"),
        (("--label-usd", 0.4, "--render-usd", 0), "above 0"),
    ],
)
def test_questions_that_cannot_be_answered_end_in_one_line(table: Path, options: tuple[Any, ...], line: str) -> None:
    result = _fit(table, *options)

    # `main` turns it into exit code 2 and this one line.
    assert isinstance(result.exception, BadInput)
    assert line in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_table_with_one_s_has_no_rate_and_says_so_where_it_is_asked(tmp_path: Path) -> None:
    table = _table(tmp_path, [(n, 100, _error(n, 100)) for n in (500, 1_000, 2_000, 4_000)])

    assert "exchange" not in json.loads(_fit(table, "--json").stdout)
    asked = _fit(table, "--at-s", 100)
    assert isinstance(asked.exception, BadInput)
    assert "two values" in str(asked.exception)
