from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.laws import law_error
from sweeper.commands.fit import as_json, as_text, fit_table
from sweeper.errors import BadInput

N = 1000 * 2.0 ** np.arange(7)
GOOD = "n,error\n" + "".join(f"{n:.0f},{law_error(n, 0.5, 0.2, 8.0):.6f}\n" for n in N)


def _table(folder: Path, text: str) -> Path:
    path = folder / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_n_and_error_are_enough_for_a_fit_and_a_verdict(tmp_path: Path) -> None:
    answers = fit_table(_table(tmp_path, GOOD), target=0.15)
    said = as_text(answers, 0.15)
    assert "Change the rendering" in said
    assert "P(C > 0.15) = 1.000; no number of images meets the target" in said
    assert "Another doubling, to n = 128,000" in said
    assert answers[""].fit.C.mean == pytest.approx(0.2, abs=0.01)


def test_runs_without_pretraining_stand_beside_the_law_and_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (without,) = fit_table(_table(tmp_path, GOOD), None).values()
    assert capsys.readouterr().err == ""

    (beside,) = fit_table(_table(tmp_path, GOOD + "0,0.6\n0,0.6\n"), None).values()
    (worse,) = fit_table(_table(tmp_path, GOOD + "0,0.1\n0,0.1\n"), None).values()

    assert str(beside.fit) == str(without.fit)
    assert beside.verdict.sentence.startswith(f"{without.verdict.sentence} Better than no pre-training? Yes")
    assert worse.verdict.sentence.startswith("Worse than no pre-training")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].endswith("runs.csv: rows of n = 0 (no pre-training), beside the laws and not in them: 2")


def test_the_evidence_sweeps_own_table_is_fitted() -> None:
    answers = fit_table(Path("docs/evidence/observations.csv"), None)

    assert [answer.fit.n.size for answer in answers.values()] == [30]
    assert all(answer.fit.n.min() > 0 for answer in answers.values())


def test_columns_without_a_name_as_spreadsheets_leave_them_do_no_harm(tmp_path: Path) -> None:
    text = "".join(f"{line},,\n" for line in GOOD.splitlines())
    assert fit_table(_table(tmp_path, text), None)[""].fit.C.mean == pytest.approx(0.2, abs=0.01)


def test_json_is_one_object_with_null_for_endless(tmp_path: Path) -> None:
    answers = fit_table(_table(tmp_path, GOOD), target=0.15)
    found = json.loads(as_json(answers, 0.15), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    arm = found["arms"][""]
    assert arm["verdict"]["label"] == "change the rendering"
    assert arm["n_at_target"] is None
    assert arm["alpha"]["interval_95"][0] < 0.5 < arm["alpha"]["interval_95"][1]


def test_robust_names_the_run_that_went_wrong(tmp_path: Path) -> None:
    """Given a table in which one error is far off, when fitted with --robust, that run is named and C is right."""
    error = law_error(N, 0.5, 0.2, 8.0) * np.exp(0.002 * np.random.default_rng(1).standard_normal(N.size))
    error[4] = 0.6
    table = _table(tmp_path, "n,error\n" + "".join(f"{n:.0f},{e:.6f}\n" for n, e in zip(N, error, strict=True)))
    plain, robust = fit_table(table, None), fit_table(table, None, robust=True)
    assert "outlier" not in as_text(plain, None)
    assert "Probably an outlier" in as_text(robust, None)
    (named,) = json.loads(as_json(robust, None))["arms"][""]["outliers"]
    assert (named["n"], named["error"]) == (16_000, 0.6)
    low, high = robust[""].fit.C.interval(0.95)
    assert low < 0.2 < high
    assert high - low < 0.5 * np.ptp(plain[""].fit.C.interval(0.95))


def test_parquet_with_arms_in_parts_and_repeats(tmp_path: Path) -> None:
    rows = [
        {
            "rendering": r,
            "backbone": "r18",
            "n": int(n),
            "seed": 0,
            "repeat": k,
            "split": split,
            "error": e * (1 + k / 100),
        }
        for r, e in (("plain", 0.5), ("rich", 0.4))
        for n in N[:3]
        for k in range(2)
        for split in ("test", "validation")
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "runs.parquet")
    answers = fit_table(tmp_path / "runs.parquet", None)
    assert list(answers) == ["plain/r18", "rich/r18"]
    assert answers["plain/r18"].fit.n.size == 3
    assert (answers["plain/r18"].fit.log_variance > 0).all()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("n,loss\n1000,0.5\n", "has no column error (it has n, loss)"),
        ("size,loss\n1000,0.5\n", "has no column n and no column error"),
        ("n,error\n", "has no rows; give one row a run"),
        ("n,error\n1000,1.5\n2000,0.4\n", "line 2: error is 1.5; errors must lie in (0, 1], so give 1 - score"),
        ("n,error\n1000,0.5\n2000,0\n", "line 3: error is 0; errors must lie in (0, 1]"),
        ("n,error\n0,0.5\n0,0.4\n", "has rows of n = 0 (no pre-training) alone; a law needs runs at 2 sizes or more"),
        ("n,error\n1000,0.5\n0,0.4\n", "has only n = 1000; a law needs runs at 2 sizes or more"),
        ("n,error\n1000,0.5\n2000,0.4\n0,4\n", "line 4: error is 4; errors must lie in (0, 1]"),
        ("n,error\n1000,0.5\n-5,0.4\n", "line 3: n is -5; give sizes above 0"),
        ("n,error\n1e-300,0.5\n1e300,0.4\n", "line 2: n is 1e-300; give the number of images, 1e-06 to 1e+15"),
        ("n,error\n1000,0.5\n1e300,0.4\n", "line 3: n is 1e+300; give the number of images"),
        ("n,error\n1000,0.5\n2000,1e-300\n", "line 3: error is 1e-300; no test set tells errors below 1e-12 from 0"),
        ("n,error\n1000,0.5\n2000,NaN\n", "line 3: error is NaN; give a finite number"),
        ("n,error\n1000,0.5\n2000,\n", "line 3: error is ''; give a number"),
        ("n,error\n1000,0.5\nmany,0.4\n", "line 3: n is 'many'; give a number"),
        ("n,error\n1000,0.5\n", "has only n = 1000; a law needs runs at 2 sizes or more"),
        ("n,error\n1000,0.5\n2000,0.4\n2000,0.4\n", "line 4: repeats"),
        ("n,error,seed\n1000,0.5,0\n2000,0.4,0\n2000,0.3,0\n", "line 4: repeats"),
        ("n,error,error\n1000,0.5,0.4\n2000,0.4,0.3\n", "has more than one column 'error'; keep one"),
        ("n,error\n1000,0.5\n2000\n", "line 3: it has not as many cells as the first line has columns"),
    ],
)
def test_bad_tables_are_refused_in_one_line_that_names_the_place(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(BadInput) as refused:
        fit_table(_table(tmp_path, text), None)
    assert line in str(refused.value)
    assert "runs.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_parquet_with_two_columns_of_one_name_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "runs.PARQUET"
    pq.write_table(pa.table([[1000, 2000], [1, 2], [0.5, 0.4]], names=["n", "n", "error"]), path)
    with pytest.raises(BadInput) as refused:
        fit_table(path, None)
    assert str(refused.value) == f"{path} has more than one column 'n'; keep one"


def test_a_table_that_is_not_there_and_a_target_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not there; give a CSV or Parquet file"):
        fit_table(tmp_path / "none.csv", None)
    with pytest.raises(BadInput, match=r"--target is 15; give an error in \(0, 1\]"):
        fit_table(_table(tmp_path, GOOD), 15)


def test_the_size_of_the_test_set_is_a_column(tmp_path: Path) -> None:
    rows = ((250, 8), (1000, 5), (4000, 3), (16_000, 0))
    text = "n,error,test_size\n" + "".join(f"{n},{wrong / 400},400\n" for n, wrong in rows)

    fit = fit_table(_table(tmp_path, text), None)[""].fit

    assert fit.error[3] == pytest.approx(0.5 / 400)
    assert fit.log_variance[0] == pytest.approx((1 - 0.02) / (0.02 * 400))


def test_a_test_set_of_some_rows_only_is_refused(tmp_path: Path) -> None:
    text = "n,error,test_size\n250,0.5,400\n1000,0.4,\n4000,0.3,400\n"
    with pytest.raises(BadInput, match=r"line 3: test_size is missing, other rows of the table have it"):
        fit_table(_table(tmp_path, text), None)


def test_points_of_one_training_are_named_by_a_column_and_missed_where_it_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [(n, law_error(n, 0.5, 0.2, 8.0)) for n in np.geomspace(1000, 64_000, 40)]
    plain = "n,error\n" + "".join(f"{n:.0f},{error:.6f}\n" for n, error in points)
    named = "n,error,trajectory\n" + "".join(f"{n:.0f},{error:.6f},first\n" for n, error in points)

    assert fit_table(_table(tmp_path, plain), None)[""].fit.left_out == 0
    assert "the table has points at 40 sizes" in capsys.readouterr().err

    assert fit_table(_table(tmp_path, named), None)[""].fit.left_out > 20
    assert capsys.readouterr().err == ""


def test_runs_of_a_block_are_named_by_a_column(tmp_path: Path) -> None:
    text = "n,error,block\n125,0.5,a\n500,0.42,a\n2000,0.36,a\n2000,0.37,b\n8000,0.34,\n"
    plain = "\n".join(line.rpartition(",")[0] for line in text.splitlines())

    told, alone = (fit_table(_table(tmp_path, each), None)[""].fit for each in (text, plain))

    assert told.alpha.mean != alone.alpha.mean


def test_two_trainings_that_agree_at_one_size_are_two_runs(tmp_path: Path) -> None:
    text = "n,error,trajectory,repeat\n" + "".join(
        f"{n},{error},{name},0\n" for name in "ab" for n, error in ((100, 0.9), (1000, 0.6), (10_000, 0.5))
    )
    assert fit_table(_table(tmp_path, text), None)[""].fit.n.size == 6


def test_with_a_target_table_and_verdict_say_the_same_of_all_images_there_could_be(tmp_path: Path) -> None:
    text = "n,error,test_size\n" + "".join(f"{line},372\n" for line in GOOD.splitlines()[1:])

    found = json.loads(as_json(fit_table(_table(tmp_path, text), 0.25), 0.25))["arms"][""]

    assert found["n_at_target_95"] == pytest.approx(found["verdict"]["n_needed_interval"])
