"""`sweeper fit` on tables as people have them: spreadsheets of any country, scores, per cent, arms in any column."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.laws import law_error
from analysis.verdict.verdict import _apart
from sweeper.commands.fit import Answers, Asked, answer, as_json, as_text, write_page
from sweeper.errors import BadInput
from sweeper.study.recorded_runs import Reading, read_runs

N = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000]
ERROR = [float(law_error(n, 0.5, 0.2, 8.0)) for n in N]
GOOD = [(n, f"{e:.5f}") for n, e in zip(N, ERROR, strict=True)]


def table(folder: Path, header: str, rows: Sequence[tuple[object, ...]], between: str = ",", text: str = "") -> Path:
    path = folder / "runs.csv"
    lines = [header, *(between.join(map(str, row)) for row in rows)]
    path.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def fitted(path: Path, **asked: object) -> Answers:
    return answer(path, Asked(**asked))  # type: ignore[arg-type]


def gap(answers: Answers, arm: str = "") -> float:
    return answers.arms[arm].fit.C.median


GAP = pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("percent", [True, False])
def test_scores_and_per_cent_are_read_where_the_command_says_so(tmp_path: Path, percent: bool) -> None:
    """Given scores, in per cent or not, when fitted with --score, the law is that of 1 - score."""
    scores = [(n, f"{(100 if percent else 1) * (1 - e):.4f}") for n, e in zip(N, ERROR, strict=True)]

    for header in ("n,score", "n,error"):
        answers = fitted(table(tmp_path, header, scores), reading=Reading(percent=percent, score=True))
        assert gap(answers) == GAP


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_scores_that_rise_with_n_get_no_verdict_and_are_asked_about(tmp_path: Path, seed: int, noise: float) -> None:
    """Given scores of any level where errors are expected, nothing firm is said, in text or JSON, and --score is."""
    rng = np.random.default_rng(seed)
    alpha, C = rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.4)
    error = np.array([float(law_error(n, alpha, C, 0.5 * 250**alpha)) for n in N])
    score = (1 - error) * np.exp(noise * rng.standard_normal(len(N)))

    answers = fitted(table(tmp_path, "n,error", list(zip(N, score.round(5), strict=True))), target=0.16)

    said = as_text(answers.arms, 0.16)
    assert "are they scores? --score reads 1 - score, --percent per cent" in said
    assert "P(C >" not in said
    assert "Change the rendering" not in said
    arm = json.loads(as_json(answers.arms, 0.16))["arms"][""]
    assert (arm["verdict"]["label"], arm["verdict"]["leaning"]) == ("not identified yet", None)
    assert arm["verdict"]["probability"] is None
    assert "as scores would" in arm["doubt"]


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 100])
def test_errors_at_chance_level_get_no_verdict(tmp_path: Path, classes: int) -> None:
    """Given flat errors about 1 - 1/classes, no verdict is firm; --classes says which they are, or that it is none."""
    rng = np.random.default_rng(classes)
    level = 1 - 1 / classes
    # above chance as often as below it
    errors = [(n, f"{min(1.0, level + 0.003 * z):.5f}") for n, z in zip(N, rng.permuted([1, -1] * 4), strict=True)]
    path = table(tmp_path, "n,error", errors)

    guessed, told, other = (fitted(path, classes=each).arms[""] for each in (None, classes, 1000))

    assert guessed.verdict.label == "not identified yet"
    assert "--classes" in guessed.verdict.sentence
    assert f"the chance level of {classes} classes, so nothing was learnt" in told.verdict.sentence
    assert other.doubt == ""


def test_a_plateau_away_from_chance_and_a_falling_curve_are_no_doubt(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flat = [(n, f"{0.31 + 0.003 * z:.5f}") for n, z in zip(N, rng.permuted([1, -1] * 4), strict=True)]

    assert not fitted(table(tmp_path, "n,error", flat)).arms[""].doubt
    assert not fitted(table(tmp_path, "n,error", GOOD)).arms[""].doubt


@pytest.mark.parametrize("header", ["N , Error", " n,ERROR ", "n, error", '"N","Error"'])
def test_capitals_and_spaces_of_headers_do_not_matter(tmp_path: Path, header: str) -> None:
    assert gap(fitted(table(tmp_path, header, GOOD))) == GAP


def test_what_a_spreadsheet_leaves_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given empty rows, cells beyond the header and unknown splits, the law is fitted and each is said with a count."""
    rows: list[tuple[object, ...]] = [(*row, "test", "") for row in GOOD]
    rows += [("", "", "", ""), (" ", "", "", ""), (64_000, 0.9, "eval", ""), (64_000, 0.8, "Eval", "")]

    answers = fitted(table(tmp_path, "n,error,Split", rows, text="\n,,\n"))

    assert gap(answers) == GAP
    assert "rows left out: 2 empty, 1 with split 'Eval', 1 with split 'eval'" in capsys.readouterr().err


def test_a_table_without_a_test_row_says_which_splits_it_has(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no row with split 'test' \(it has 8 with split 'val'\)"):
        fitted(table(tmp_path, "n,error,split", [(*row, "val") for row in GOOD]))


def test_columns_that_are_not_used_are_named_and_arm_groups_by_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given two settings in a column of any name, without --arm it is named; with it each setting has its law."""
    rows: list[tuple[object, ...]] = [(*row, "plain ", "x") for row in GOOD]
    rows += [(n, f"{law_error(n, 0.5, 0.4, 8.0):.5f}", "rich", "x") for n in N]
    path = table(tmp_path, "n,error,My Setting,note", rows)

    merged = fitted(path)
    said = capsys.readouterr().err
    apart = fitted(path, reading=Reading(("my setting",)))
    both = fitted(path, reading=Reading(("My Setting", "note")))

    assert list(merged.arms) == [""]
    assert "columns that are not used: My Setting (2 values), note (1 value); --arm COLUMN makes arms of one" in said
    assert list(apart.arms) == ["plain", "rich"]
    assert gap(apart, "rich") == pytest.approx(0.4, abs=0.02)
    assert list(both.arms) == ["plain/x", "rich/x"]
    assert "My Setting (2" not in capsys.readouterr().err
    assert json.loads(as_json(apart.arms, None, apart.recorded))["columns_not_used"] == {"note": 1}
    with pytest.raises(BadInput, match=r"--arm setting: .* has no such column \(it has n, error, My Setting, note\)"):
        fitted(path, reading=Reading(("setting",)))


def test_arms_that_differ_in_capitals_alone_are_asked_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[tuple[object, ...]] = [(*row, "plain" if i % 2 else "Plain") for i, row in enumerate(GOOD)]
    assert len(fitted(table(tmp_path, "n,error,arm", rows)).arms) == 2
    assert "arms that differ in capitals or spaces alone are kept apart: 'Plain', 'plain'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("between", "write"),
    [
        (";", lambda n, e: (n, f"{e:.5f}".replace(".", ","))),
        ("\t", lambda n, e: (n, f"{e:.5f}".replace(".", ","))),
        (";", lambda n, e: (f"{n:,}".replace(",", "."), f"{e:.5f}".replace(".", ","))),
        (";", lambda n, e: (f"{n:,}".replace(",", " "), f"{100 * e:.3f} %".replace(".", ","))),
        (",", lambda n, e: (f'"{n:,}"', f"{e:.5f}")),
        (",", lambda n, e: (n, f'"{e:.5f}"'.replace(".", ","))),
        (",", lambda n, e: (n, f"{100 * e:.3f}%")),
    ],
)
def test_numbers_as_other_countries_write_them(tmp_path: Path, between: str, write: object) -> None:
    rows = [write(n, e) for n, e in zip(N, ERROR, strict=True)]  # type: ignore[operator]
    answers = fitted(table(tmp_path, between.join(("n", "error")), rows, between))
    assert sorted(answers.arms[""].fit.n) == N
    assert gap(answers) == GAP


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "cp1252"])
def test_files_of_other_encodings_are_read(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("n;error;arm\r\n" + "".join(f"{n};{e};Möbel\r\n" for n, e in GOOD), encoding=codec)
    assert list(fitted(path).arms) == ["Möbel"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("n,error\n1000,0,35\n2000,0,3\n", "line 2: it has not as many cells as the first line has columns; where"),
        ("n,error\n1.000,0.35\n2.000,0.3\n", "line 2: n is '1.000'; write 1000 or 1, whichever it is"),
        ("n,error\n1000,45\n2000,40\n", "give 1 - score as a fraction (--percent reads per cent and --score reads sc"),
        ("n,accuracy\n1000,0.5\n", "has no column error (it has n, accuracy)"),
        ("n,score\n1000,0.5\n", "has no column error (it has n, score); --score reads 1 - score"),
        ("Error,error,n\n0.5,0.4,1000\n", "has more than one column 'error'; keep one"),
    ],
)
def test_what_could_be_meant_in_two_ways_is_refused_in_a_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(BadInput) as refused:
        fitted(tmp_path / "runs.csv")
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [
        ([0.25, 0.5, 1, 2, 4, 8, 16, 32], "n is 0.25, no whole number, as in 2 rows; is it in thousands?"),
        ([250, 500, 1, 2, 4, 8, 16, 32], "n falls from 500 to 1 though it rises before; is that 1 images?"),
    ],
)
def test_sizes_that_look_like_a_slip_are_asked_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sizes: list[float], asked: str
) -> None:
    fitted(table(tmp_path, "n,error", [(n, e) for n, (_, e) in zip(sizes, GOOD, strict=True)]))
    assert asked in capsys.readouterr().err


def test_min_gain_and_level_are_those_of_the_verdict(tmp_path: Path) -> None:
    path = table(tmp_path, "n,error", GOOD)
    assert fitted(path, min_gain=0.01).arms[""].verdict.label == "render more"
    assert fitted(path, min_gain=0.5).arms[""].verdict.label == "change the rendering"
    assert fitted(path, level=0.8).arms[""].verdict.level == 0.8
    with pytest.raises(BadInput, match=r"--level is 95; give a probability between 0.5 and 1"):
        fitted(path, level=95)


def test_the_page_has_the_curves_and_the_csv_files_can_be_fitted_again(tmp_path: Path) -> None:
    """Given a table with two arms and n = 0, --out writes a page with a curve an arm, and tables with all runs."""
    rows: list[tuple[object, ...]] = [(*row, arm) for arm in ("plain", "<rich>") for row in [*GOOD, (0, 0.9)]]
    answers = fitted(table(tmp_path, "n,error,setting", rows), reading=Reading(("setting",)))

    page = write_page(answers, tmp_path / "out" / "page", tmp_path / "runs.csv")

    text = page.read_text()
    assert text.count('aria-label="Curve of ') == 2
    assert "&lt;rich&gt;" in text
    assert "Better than no pre-training? Yes" in text
    assert len(list((page.parent / "figures").glob("*.png"))) == 3
    with (page.parent / "tables" / "observations.csv").open() as file:
        assert [float(row["n"]) for row in csv.DictReader(file)] == [*N, *N, 0, 0]
    again = answer(page.parent / "tables" / "observations.csv", Asked())
    assert gap(again, "plain") == pytest.approx(gap(answers, "plain"), abs=1e-6)


def test_fit_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys, sweeper.__main__, sweeper.commands.fit; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ray", "torch", "pyarrow", "matplotlib", "pydantic", "scipy.optimize", "scipy.ndimage"} & set(loaded)


def test_scores_are_set_beside_no_pretraining_neither(tmp_path: Path) -> None:
    """Given scores with rows of n = 0, nothing says that renders are worse than none, in text or JSON."""
    scores = [(0, 0.5), (0, 0.51), *((n, f"{1 - e:.4f}") for n, e in zip(N, ERROR, strict=True))]

    answers = fitted(table(tmp_path, "n,error", scores))

    assert "no pre-training" not in as_text(answers.arms, None)
    assert json.loads(as_json(answers.arms, None))["arms"][""]["verdict"]["without"] is None


@pytest.mark.parametrize("row", [("mean", "0.3"), ("Total:", "3.1"), ("Summe", "3.1")])
def test_a_summary_row_is_called_so(tmp_path: Path, row: tuple[str, str]) -> None:
    with pytest.raises(BadInput, match=r"line 10: .*looks like a spreadsheet's summary row"):
        fitted(table(tmp_path, "n,error", [*GOOD, row]))
    with pytest.raises(BadInput, match="looks like a spreadsheet's summary row"):
        fitted(table(tmp_path, "name,n,error", [*((f"r{n}", n, e) for n, e in GOOD), (row[0], "", row[1])]))
    with pytest.raises(BadInput, match="leave it out, or call it otherwise where it is an arm"):
        fitted(table(tmp_path, "arm,n,error", [*(("a", n, e) for n, e in GOOD), (row[0], 4267, "0.3")]))


@pytest.mark.parametrize(
    ("probability", "level", "said"),
    [(0.93, 0.95, "93% where 95%"), (0.9482, 0.95, "94.8% where 95.0%"), (0.94999, 0.95, "94.999% where 95.000%")],
)
def test_a_probability_that_falls_short_is_told_from_what_is_asked_for(
    probability: float, level: float, said: str
) -> None:
    assert _apart(probability, level) == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[{"n": 125, "error": 0.5}]', "is JSON; give a CSV or Parquet file with one row a run"),
        (b'\xef\xbb\xbf\n{"n": 125, "error": 0.5}\n', "is JSON; give a CSV or Parquet file with one row a run"),
        (b"PK\x03\x04 a workbook", "is a spreadsheet program's own file; save the sheet as CSV"),
    ],
)
def test_a_file_of_another_format_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "runs").write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read_runs(tmp_path / "runs")


def test_a_word_for_sums_in_the_last_column_is_a_summary_row_and_a_setting_is_none(tmp_path: Path) -> None:
    noted = table(tmp_path, "n,error,note", [*((n, e, "") for n, e in GOOD), (4267, "0.3", "mean")])
    with pytest.raises(BadInput, match="line 10: 'mean' looks like a spreadsheet's summary row"):
        read_runs(noted)
    pooled = table(tmp_path, "n,error,pooling", [(n, e, "max" if k % 2 else "mean") for k, (n, e) in enumerate(GOOD)])
    assert read_runs(pooled, Reading(arms=("pooling",))).rows[0].arm == "mean"
    assert len(read_runs(pooled).rows) == len(GOOD)


def test_columns_that_arms_leave_out_are_named(tmp_path: Path) -> None:
    """Given runs of two backbones and --arm rendering, it is said that backbones are not told apart."""
    rows = [(n, e, "drawn", backbone) for n, e in GOOD for backbone in ("a", "b")]
    recorded = read_runs(
        table(
            tmp_path,
            "n,error,rendering,backbone",
            [(n, f"{float(e) + (b == 'b') / 50:.4f}", r, b) for n, e, r, b in rows],
        ),
        Reading(arms=("rendering",)),
    )
    assert "columns that are not used: backbone (2 values)" in "\n".join(recorded.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Results of March\nn,error\n125,0.5\n", "its first line, 'Results of March', names no columns"),
        ("n error\n125 0.5\n250 0.4\n", "its cells are apart by spaces"),
        ("n,error\n125,0.5\0\n", "holds zero bytes"),
    ],
)
def test_what_is_no_table_is_said_for_what_it_is(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(BadInput, match=said):
        read_runs(tmp_path / "runs.csv")


def test_remarks_above_the_table_are_left_out_with_a_count(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("# of March, by hand\nn,error\n" + "".join(f"{n},{e}\n" for n, e in GOOD))
    recorded = read_runs(tmp_path / "runs.csv")
    assert len(recorded.rows) == len(GOOD)
    assert "lines left out that begin with #: 1" in "\n".join(recorded.notes)


def test_fractions_read_as_per_cent_are_asked_about(tmp_path: Path) -> None:
    recorded = read_runs(table(tmp_path, "n,error", GOOD), Reading(percent=True))
    assert "no number is above 1 per cent; are they fractions?" in "\n".join(recorded.notes)


def test_a_score_beyond_its_range_is_called_a_score(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"the score is 100 per cent; scores lie in \[0, 100\)"):
        read_runs(table(tmp_path, "n,score", [(125, "60"), (250, "100")]), Reading(score=True, percent=True))
