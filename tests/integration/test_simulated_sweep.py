"""A whole sweep through the command line, its errors drawn from known laws: real Ray, Tune, store, ledger, policy."""

from __future__ import annotations

import html
import math
import re
import shutil
from pathlib import Path

import pytest

from tests.integration import sweeps
from tests.integration.conftest import Sweep
from tests.integration.run_folder import content, lines, rows, table

pytestmark = pytest.mark.timeout(500)


def arm(rendering: str) -> str:
    return f"{rendering}/simulated/simulated/simulated"


def test_it_ends_well_and_stdout_holds_json_lines_only(simulated: Sweep) -> None:
    # given a sweep run with --json, when it has ended
    assert simulated.finished.code == 0, simulated.finished.err[-3000:]

    # then every line of stdout is an event, in the order in which a sweep happens
    names = [event["event"] for event in simulated.finished.events]
    assert names[0] == "decided"
    assert names[-1] == "report"
    assert set(names) - {"progress"} == {"decided", "observed", "stop", "report"}
    # what was under way at the stop is still measured, but nothing more is decided
    assert "decided" not in names[names.index("stop") :]
    times = [event["t"] for event in simulated.finished.events]
    assert times == sorted(times)

    # and the words for people are on stderr: why it stopped, a verdict for each arm, where the report is
    said = simulated.finished.err
    assert "stopped: " in said
    assert all(f"{arm(rendering)}: " in said for rendering in sweeps.LAWS)
    assert "report: " in said
    assert "Traceback" not in said
    # and what is said against no pre-training is said with the same numbers here, in the report and by status
    sentences = [row["sentence"] for row in table(simulated.folder, "verdicts")]
    told = simulated.place.run("status", str(simulated.folder)).out
    page = html.unescape((simulated.folder / "report.html").read_text())
    for sentence in sentences:
        assert "no pre-training" in sentence
        assert sentence in said
        assert sentence in told
        assert sentence in page
        assert page.count(re.findall(r"with [\d,]+ images the error is, by the law, [^)]*\)", sentence)[0]) == 1


def test_every_run_of_the_table_was_decided_with_a_reason_and_lies_near_its_law(simulated: Sweep) -> None:
    decided = lines(simulated.folder / "decisions.jsonl")
    measured = rows(simulated.folder)

    # then each decision says what, for what gain and cost, and why; the steps count up
    assert [d["step"] for d in decided] == list(range(1, len(decided) + 1))
    for decision in decided:
        assert set(decision) >= {"arm", "n", "seed", "gain", "cost", "unit", "reason"}
        assert decision["arm"] in decision["reason"] or decision["n"] == 0
        assert decision["cost"] >= 0
    # and the policy itself was asked: the opening (pilot and repeat) has no expected gain, what comes after it has one
    opening = [d for d in decided if d["n"] == 0 or "pilot" in d["reason"]]
    assert len(opening) == 1 + 5 * len(sweeps.LAWS)
    assert len(decided) > len(opening)
    assert [d["gain"] for d in opening] == [None] * len(opening)
    assert all(d["gain"] > 0 for d in decided if d not in opening)

    # and exactly the decided runs are in the table, each with all its repeats
    tested = [row for row in measured if row["split"] == "test"]
    runs = {(row["arm"], row["n"], row["seed"]) for row in tested}
    assert sorted(runs) == sorted((d["arm"], d["n"], d["seed"]) for d in decided)
    assert len(tested) == len(runs) * sweeps.REPEATS
    tried = [row["arm"] for row in measured if row["split"] == "validation"]
    assert {name: tried.count(name) for name in tried} == dict.fromkeys({name for name, _, _ in runs}, sweeps.TRIALS)

    # and what is in it is what the law says, up to its noise
    for row in tested:
        if row["n"] > 0:
            law = sweeps.LAWS[row["rendering"]]
            assert abs(math.log(row["error"] / law.error(row["n"]))) < 5 * law.sigma
            assert row["n"] in [250 * 2**i for i in range(7)]


def test_what_each_run_taught_is_beside_what_was_expected_of_it(simulated: Sweep) -> None:
    # given the decisions that the policy made, each with the uncertainty it was for
    asked = [row for row in table(simulated.folder, "decisions") if row["about"]]
    assert asked
    assert all(float(row["expected"]) < float(row["before"]) for row in asked)

    # then what it was before and after each run was fitted is there too, and a figure of both
    assert all(float(row["realised_before"]) > 0 and float(row["realised_after"]) > 0 for row in asked)
    assert (simulated.folder / "figures" / "learning.png").stat().st_size > 0


def test_the_true_laws_lie_in_the_reported_intervals_and_the_verdicts_follow(simulated: Sweep) -> None:
    fits = {row["arm"]: row for row in table(simulated.folder, "fits")}
    for rendering, law in sweeps.LAWS.items():
        fit = fits[arm(rendering)]
        for name, truth in (("alpha", law.alpha), ("C", law.C)):
            low, high = float(fit[f"{name}_low95"]), float(fit[f"{name}_high95"])
            assert low <= truth <= high, f"{rendering}: {name} = {truth} is not in [{low}, {high}]"
        # and the interval says something
        assert float(fit["C_high95"]) - float(fit["C_low95"]) < 0.1
        assert fit["identified"] == "True"

    # given a target between the two gaps: more images of the one reach it, no number of the other does
    verdicts = {row["arm"]: row["verdict"] for row in table(simulated.folder, "verdicts")}
    assert sweeps.LAWS["fixed"].C > sweeps.TARGET_ERROR
    assert verdicts[arm("fixed")] == "change the rendering"
    # the largest size that was run may be below the target already, or short of it
    assert verdicts[arm("all-random")] in ("render more", "good enough")


def test_the_report_and_every_table_say_that_it_is_simulated(simulated: Sweep) -> None:
    for name in ("observations", "fits", "verdicts", "decisions", "ledger"):
        written = table(simulated.folder, name)
        assert written, name
        assert {row["simulated"] for row in written} == {"True"}, name
    assert all("simulated" in row["arm"] for row in table(simulated.folder, "observations"))
    assert "Simulated: every error on this page was drawn from a known law" in (
        simulated.folder / "report.html"
    ).read_text().replace("\n", " ")


def test_status_tells_spend_fits_verdicts_and_that_it_is_finished(simulated: Sweep) -> None:
    told = simulated.place.run("status", str(simulated.folder))
    assert told.code == 0, told.err
    assert "simulated" in told.out.splitlines()[0]
    for word in ("spent:", "left:", "finetune", "verdict: change the rendering", arm("fixed"), arm("all-random")):
        assert word in told.out
    assert "not finished" not in told.out
    assert "under way" not in told.out


def test_report_writes_page_figures_and_tables_anew(simulated: Sweep, tmp_path: Path) -> None:
    # given a run folder that has lost its report
    copy = tmp_path / "copy"
    shutil.copytree(simulated.folder, copy)
    (copy / "report.html").unlink()
    shutil.rmtree(copy / "figures")
    shutil.rmtree(copy / "tables")

    # when it is asked for, then it is there again, with the same figures and numbers
    told = simulated.place.run("report", str(copy))
    assert told.code == 0, told.err
    assert str(copy / "report.html") in told.out
    assert {f.name for f in (copy / "figures").iterdir()} == {f.name for f in (simulated.folder / "figures").iterdir()}
    for name in ("observations", "fits", "verdicts", "decisions"):
        assert table(copy, name) == table(simulated.folder, name)


def test_running_a_finished_sweep_again_starts_no_ray_and_changes_no_result(simulated: Sweep) -> None:
    # given a finished sweep
    folder = simulated.folder
    kept = [folder / "results", folder / "decisions.jsonl", folder / "ledger.jsonl", folder / "tables"]
    before, sessions = content(*kept), simulated.place.ray_sessions()
    assert len(sessions) == 1

    # when the same command is given, then it says so, shows the verdicts, and leaves everything as it is
    again = simulated.place.run("run", str(simulated.config))
    assert again.code == 0, again.err
    assert "this sweep is finished" in again.err
    assert f"{arm('fixed')}: change the rendering" in again.out
    assert content(*kept) == before
    assert simulated.place.ray_sessions() == sessions
    assert simulated.place.wait_until_empty(30) == []


@pytest.mark.slow
def test_going_back_to_an_earlier_config_gives_its_own_answer(simulated: Sweep) -> None:
    # given a sweep, finished with one target and then with another
    first = simulated.place.run("run", str(simulated.config), "name=twice", "--json")
    assert first.code == 0, first.err[-3000:]
    other = simulated.place.run("run", str(simulated.config), "name=twice", "target.error=0.5", "--json")
    assert f"{arm('fixed')}: good enough" in other.err

    # when the first is asked for again, then its verdict is that of its own target
    again = simulated.place.run("run", str(simulated.config), "name=twice", "--json")
    assert again.code == 0, again.err[-3000:]
    assert f"{arm('fixed')}: change the rendering" in again.err


@pytest.mark.slow
def test_a_damaged_part_of_a_finished_sweep_is_measured_anew(simulated: Sweep) -> None:
    # given a finished sweep, a byte of whose results is gone
    copied = simulated.place.folder / "runs" / "damaged"
    assert simulated.place.run("run", str(simulated.config), "name=damaged", "--json").code == 0
    part = next((copied / "results").glob("*_test_*.parquet"))
    whole = rows(copied)
    part.write_bytes(part.read_bytes()[:-1])

    # when it is run again, then it says so, and the table is whole again
    again = simulated.place.run("run", str(simulated.config), "name=damaged", "--json")
    assert again.code == 0, again.err[-3000:]
    assert f"{part.name} is damaged" in again.err
    assert rows(copied) == whole

    # and the same where a part is gone altogether
    part.unlink()
    again = simulated.place.run("run", str(simulated.config), "name=damaged", "--json")
    assert again.code == 0, again.err[-3000:]
    assert rows(copied) == whole


@pytest.mark.slow
def test_a_cap_ends_fine_tunes_that_are_under_way(simulated: Sweep) -> None:
    # given fine-tunes of ten minutes that were believed to take a second, under a cap of one minute
    quick = ("seed=7", "tune.trials=0", "name=capped", "budget.minutes=20")
    assert simulated.place.run("run", str(simulated.config), *quick, "--json").code == 0
    folder = simulated.place.folder / "runs" / "capped"
    spent = lines(folder / "ledger.jsonl")[-1]["wall_s"] / 60
    slow = [f"simulated.{rendering}.seconds=600" for rendering in sweeps.LAWS]

    # when the sweep goes on with them, then it ends long before the first of them would, with an answer
    ended = simulated.place.run("run", str(simulated.config), *quick[:3], f"budget.minutes={spent + 1:.2f}", *slow)
    assert ended.code == 3, ended.err[-3000:]
    assert "is used up; left unfinished: " in ended.err
    assert lines(folder / "ledger.jsonl")[-1]["wall_s"] < 60 * spent + 600


def test_a_budget_too_small_for_a_verdict_ends_with_code_3(simulated: Sweep) -> None:
    # given less money than the first run costs
    poor = simulated.place.run("run", str(simulated.config), "name=poor", "budget={usd: 0.0000001}")

    # then nothing is spent, the end is an answer and no crash, and the report says that nothing is known
    assert poor.code == 3, poor.err[-3000:]
    assert "Traceback" not in poor.err
    assert "stopped: " in poor.out
    for rendering in sweeps.LAWS:
        assert f"{arm(rendering)}: not identified yet" in poor.out
    folder = simulated.place.folder / "runs" / "poor"
    assert rows(folder) == []
    assert all(float(row["dollars"]) == 0 for row in table(folder, "ledger"))
    page = (folder / "report.html").read_text()
    assert "No verdict yet" in page
    # and what to do about it: the same sweep with more money
    assert re.search(r"<code>sweeper run \S+ budget\.usd=\S+</code>", page)
