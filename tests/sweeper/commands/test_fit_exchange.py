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


def test_the_page_draws_lines_of_equal_error_and_keeps_the_answer_and_its_runs(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "fitted"

    result = _fit(table, "--label-usd", 10, "--render-usd", 0.001, "--target", 0.3, "--out", out)

    assert result.exit_code == 0, result.output
    assert (out / "figures" / "exchange.png").stat().st_size > 1_000
    answers = (out / "tables" / "exchange.csv").read_text().splitlines()
    runs = (out / "tables" / "exchange_runs.csv").read_text().splitlines()
    assert (len(answers), len(runs)) == (1 + 1, 1 + len(N) * len(S))
    assert "worth_low95" in answers[0]


def test_errors_that_do_not_fall_with_labels_price_nothing(tmp_path: Path) -> None:
    """Given errors that labels do not lower, what a label is worth is not known and nothing firm is said."""
    rng = [1, -1, 1, -1, 1, -1, -1, 1, -1, 1, 1, -1]
    rows = [(n, s, 0.4 * (1 + 0.01 * up)) for (n, s), up in zip([(n, s) for n in N for s in S], rng, strict=True)]

    result = _fit(_table(tmp_path, rows), "--label-usd", 1, "--render-usd", 0.001)

    assert "is not known: the errors do not fall with s" in result.stdout
    assert "labels at your" not in result.stdout
    assert "the next dollar" not in result.stdout


def test_errors_at_chance_price_nothing(tmp_path: Path) -> None:
    rows = [(n, s, 0.91 - 0.001 * i) for n in N for i, s in enumerate(S)]

    result = _fit(_table(tmp_path, rows), "--classes", 10)

    assert "is not known: every error is about 90.0% or above, the chance level of 10 classes" in result.stdout


def test_s_as_an_arm_and_prices_of_labels_exclude_each_other(table: Path) -> None:
    result = _fit(table, "--arm", "S", "--label-usd", 1, "--render-usd", 0.001)

    assert isinstance(result.exception, BadInput)
    assert "leave --arm s out" in str(result.exception)


def test_a_worth_far_beyond_the_labels_that_were_run_is_not_extrapolated(tmp_path: Path) -> None:
    """Given renders worth 14,000 labels where 200 were run, T is told from below alone."""
    rows = [(n, s, round(_error(n, s, -19_000), 5)) for n in N for s in (50, 100, 200)]

    result = _fit(_table(tmp_path, rows), "--at-s", 100)

    assert "labels or more at your 100: without pre-training there are runs of up to 200 labels" in result.stdout
    assert "no end labels" not in result.stdout
    assert ",000,000" not in result.stdout.rpartition("renders and labels")[2]


def test_shares_of_a_set_are_no_numbers_of_photographs(tmp_path: Path) -> None:
    rows = [(n, s / 10_000, round(_error(n, s), 5)) for n in N for s in S]

    result = _fit(_table(tmp_path, rows), "--label-usd", 1, "--render-usd", 0.001)

    assert isinstance(result.exception, BadInput)
    assert "s = 0.01 is no number of photographs" in str(result.exception)


def test_the_cheapest_way_says_where_it_stopped_to_look(table: Path) -> None:
    said = _fit(table, "--label-usd", 1, "--render-usd", 0.001, "--target", 0.89).stdout

    assert "fewer than 50 labels were not asked about" in said


def test_an_undecided_next_dollar_is_not_told_as_won(tmp_path: Path) -> None:
    """Given noisy runs at a price where the next dollar is open, no side wins flatly."""
    rows = [
        (n, s, k, round(_error(n, s) * (1 + 0.06 * (((7 * i + 3 * k) % 5) - 2)), 5))
        for i, (n, s) in enumerate((n, s) for n in N for s in S)
        for k in range(2)
    ]

    prices = ("--label-usd", 1, "--render-usd", 0.05)
    said = json.loads(_fit(_table(tmp_path, rows, "n,s,seed,error"), *prices, "--json").stdout)["exchange"]

    (arm,) = said.values()
    assert arm["verdict"] == "not identified yet"
    assert not any(sentence.endswith("win at every n that the runs cover") for sentence in arm["sentences"])
