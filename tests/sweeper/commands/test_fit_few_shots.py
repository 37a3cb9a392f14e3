"""`sweeper fit` on tables of few-shot transfer as others have them: sizes by shots, data sets, trials, near chance."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from sweeper.__main__ import app

# Data sets by name: classes, labels at which their error bends, labels that endless renders are worth at 20 shots.
SETS = {"birds": (100, 30.0, 60.0), "cars": (196, 80.0, 25.0), "textures": (47, 15.0, 8.0)}
SIZES, SHOTS = (30_000, 300_000, 3_000_000, 30_000_000), (1, 2, 5, 10, 25, 50)


def worth(of: str, n: float, s: float) -> float:
    """True label equivalents."""
    return float(SETS[of][2] * n / (n + 200_000) * (s / 20) ** 0.3)


def error(of: str, n: float, s: float, extra: Callable[[str, float, float], float] = worth) -> float:
    classes, bend, _ = SETS[of]
    top = 1 - 1 / classes
    return 0.04 + (top - 0.04) * (1 + (s + extra(of, n, s)) / bend) ** -0.7


def written(folder: Path, head: str, rows: Iterable[tuple[Any, ...]]) -> Path:
    table = folder / "table.csv"
    table.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return table


def fitted(*args: Any) -> Any:
    return CliRunner().invoke(app, ["fit", *map(str, args)])


def curves(of: str, extra: Callable[[str, float, float], float] = worth, n: int = 1_281_167) -> list[tuple[Any, ...]]:
    """1 to 500 shots with and without a pre-training, five trials, noisier at few shots."""
    rng = np.random.default_rng(3)
    shots = (1, 2, 5, 10, 20, 50, 100, 200, 500)
    return [
        (size, s, trial, round(min(error(of, size, s, extra) * np.exp(0.03 / s**0.3 * rng.standard_normal()), 1), 4))
        for size in (0, n)
        for s in shots
        for trial in range(5)
    ]


def test_sizes_by_shots_on_several_data_sets_say_what_more_pretraining_is_worth(tmp_path: Path) -> None:
    # given accuracies of sizes x shots, some cells missing, none without pre-training
    rng = np.random.default_rng(0)
    cells = [(of, n, s) for of in SETS for n in SIZES for s in SHOTS if rng.random() > 0.1]
    rows = [(of, n, s, round(1 - error(of, n, s) * np.exp(0.01 * rng.standard_normal()), 4)) for of, n, s in cells]
    table = written(tmp_path, "Dataset,n,Shots,Accuracy", rows)

    # when it is read as it is
    result = fitted(table, "--score", "--at-s", 10, "--at-n", 3_000_000, "--json")

    # then the two columns are said to be read as ours, and each data set has a rate that holds the truth
    assert result.exit_code == 0, result.output
    assert "column Shots is read as s" in result.stderr
    assert "column Accuracy is read as score" in result.stderr
    found = json.loads(result.stdout)["exchange"]
    assert set(found) == set(SETS)
    for of, said in found.items():
        assert said["since"] == min(n for each, n, _ in cells if each == of)
        # More labels, beside 10 at the smallest size, for the error of the larger size.
        truth = np.interp(
            -error(of, 3_000_000, 10), [-error(of, 30_000, s) for s in np.geomspace(5, 500, 400)],
            np.geomspace(5, 500, 400),
        ) - 10  # fmt: skip
        assert said["worth"]["low"] < truth < said["worth"]["high"], of
        assert "without runs of n = 0 nothing is said of what any pre-training is worth" in said["sentences"][0]


def test_curves_of_trials_with_and_without_pretraining_hold_the_truth(tmp_path: Path) -> None:
    result = fitted(written(tmp_path, "n,shots,trial,error", curves("birds")), "--at-s", 20, "--json")

    assert result.exit_code == 0, result.output
    (said,) = json.loads(result.stdout)["exchange"].values()
    assert said["runs"] == 90
    assert said["since"] == 0
    assert said["worth"]["low"] < worth("birds", 1_281_167, 20) < said["worth"]["high"]
    assert said["worth"]["high"] < 3 * said["worth"]["low"]


def test_pretraining_that_harms_is_called_so(tmp_path: Path) -> None:
    table = written(tmp_path, "n,shots,trial,error", curves("birds", lambda of, n, s: -0.4 * s * (n > 0)))

    result = fitted(table, "--at-s", 100)

    assert result.exit_code == 0, result.output
    assert "are worth nothing at your 100" in result.stdout
    assert "does harm" in result.stdout


def test_pretraining_without_effect_is_not_said_to_be_worth_labels(tmp_path: Path) -> None:
    result = fitted(written(tmp_path, "n,shots,trial,error", curves("birds", lambda *_: 0.0)), "--at-s", 100)

    assert "not shown to be worth any label" in result.stdout or "are worth nothing" in result.stdout


def test_far_above_t_pretraining_no_longer_matters(tmp_path: Path) -> None:
    # given renders worth 2 labels, at 100 times as many shots and more
    quiet = [(n, s, 0, round(error("birds", n, s, lambda of, n, s: 2.0 * (n > 0)), 6)) for n in (0, 5_000, 50_000)
             for s in (1, 3, 10, 30, 100, 300, 1_000, 3_000)]  # fmt: skip

    result = fitted(written(tmp_path, "n,s,seed,error", quiet), "--at-s", 3_000)

    assert result.exit_code == 0, result.output
    assert "pre-training no longer matters at your 3,000: s is far above T" in result.stdout


def test_errors_that_stay_at_chance_are_worth_no_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [
        (n, s, round(min(0.99 * np.exp(0.003 * rng.standard_normal()), 1.0), 4)) for n in (0, *SIZES) for s in SHOTS
    ]

    result = fitted(written(tmp_path, "n,shots,error", rows), "--json")

    (said,) = json.loads(result.stdout)["exchange"].values()
    assert said["worth"]["low"] <= 0 or said["saved"]["high"] < 0.02, said


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--at-s", "100000"), "s = 100,000 is more than twice the largest s that was run, 500: not extrapolated"),
        (("--at-n", "90000000"), "n = 90,000,000 is more than twice the largest n that was run"),
        (("--at-s", "0.1"), "is less than half the smallest s that was run, 1: not extrapolated"),
        (("--at-n", "0"), "--at-n is 0; give a number of images, above 0"),
        (("--at-s", "nan"), "--at-s is nan; give a number of images, above 0"),
    ],
)
def test_what_is_not_covered_ends_the_command_with_one_line(
    tmp_path: Path, options: tuple[str, ...], line: str
) -> None:
    table = written(tmp_path, "n,shots,trial,error", curves("birds")[::3])
    command = [sys.executable, "-m", "sweeper", "fit", str(table), *options]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stdout == ""
    assert [each for each in done.stderr.splitlines() if each.startswith("sweeper: ")] == [done.stderr.splitlines()[-1]]
    assert line in done.stderr.splitlines()[-1]


def test_accuracies_without_being_called_scores_are_refused_with_the_way_out(tmp_path: Path) -> None:
    result = fitted(written(tmp_path, "n,shots,accuracy", [(n, s, 0.5) for n in SIZES for s in SHOTS]))

    assert "--score reads 1 - score" in str(result.exception)


def test_a_table_with_a_column_of_our_own_name_keeps_it(tmp_path: Path) -> None:
    # given a table whose s counts images, beside the shots of each class
    rows = [(n, 10 * s, s, round(error("cars", n, 10 * s), 4)) for n in SIZES for s in SHOTS]

    result = fitted(written(tmp_path, "n,s,shots,error", rows), "--json")

    assert "columns that are not used: shots" in result.stderr
    (said,) = json.loads(result.stdout)["exchange"].values()
    assert said["s"] == 500
