"""A sweep, watched while it runs."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from sweeper import __main__ as commands
from sweeper.commands.watch import watch
from sweeper.config.load import load_run_config
from sweeper.errors import BadInput
from sweeper.events.progress_file import PROGRESS, read_progress, telling
from sweeper.events.reporter import Reporter
from sweeper.stages.identity import studies
from tests.sweeper.examples import SIMULATED_ARM as ARM
from tests.sweeper.examples import simulated_run

REFRESH = 'http-equiv="refresh"'


def begun(folder: Path) -> Path:
    """A run folder with a budget and two seeds of one size, and one of another."""
    return simulated_run(folder, [(1000, 0, 0.32), (1000, 1, 0.28), (2000, 0, 0.26)], budget={"minutes": 30})


def sweep_id(folder: Path) -> str:
    """What tells this sweep's stops from those of another in the same folder."""
    return studies(load_run_config(folder)).sweep


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, in one line."""
    return " ".join(capsys.readouterr().out.split())


def test_a_running_sweep_shows_its_stage_what_is_left_its_budget_and_its_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a sweep that has reported a stage twice, and another that has ended
    folder, reporter = begun(tmp_path / "run"), Reporter("json")
    with telling(folder) as told:
        reporter.set_callbacks(told)
        reporter.progress("render", "plain", 5, 10, 1.0, "images")
        reporter.event("rendered", "plain", stage="render", what="plain")
        reporter.progress("finetune", f"{ARM} n=4000", 10, 40, 0.5, "fine-tunes")
        while len((read_progress(folder) or {"stages": []})["stages"]) != 1:
            time.sleep(0.05)
        capsys.readouterr()

        # when it is looked at
        commands.watch(str(folder), once=True)

    # then stage, rest, budget and the mean errors by n are there
    text = shown(capsys)
    assert "toy (simulated task: errors are drawn from known laws): running" in text
    assert f"finetune {ARM} n=4000: 25%, 10/40 fine-tunes, 0.5 fine-tunes/s, ETA" in text
    assert "render plain" not in text
    assert "of 30 minutes" in text
    assert "arms with runs: 1 of 1" in text
    assert f"{ARM} █▁ 1,000: 30.00% 2,000: 26.00%" in text


def test_the_view_ends_with_the_sweep_and_the_page_no_longer_reads_itself_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a sweep that ends, with a reason, at the fifth look
    folder, driver, pages, looks = begun(tmp_path / "run"), ExitStack(), [], 0
    driver.enter_context(telling(folder))

    def find() -> Path:
        nonlocal looks
        looks += 1
        if (folder / "report.html").exists():
            pages.append((folder / "report.html").read_text())
        if looks == 5:
            stop = {"sweep": sweep_id(folder), "kind": "done", "reason": "all known"}
            (folder / "stopped.jsonl").write_text(json.dumps(stop))
            driver.close()
        return folder

    # when it is followed with its page
    watch(find, once=False, html=True, every_s=0.01)

    # then the last picture says why it ended, and only the page in between reads itself anew
    text = shown(capsys)
    assert text.index(": running") < text.index(": all known")
    assert REFRESH in pages[0]
    assert REFRESH not in (folder / "report.html").read_text()


def test_ctrl_c_ends_the_view_as_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path / "run")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with telling(folder):
        monkeypatch.setattr("sweeper.commands.watch.time.sleep", interrupted)
        assert commands.app(["watch", str(folder)], standalone_mode=False) in (None, 0)
    assert "running" in capsys.readouterr().out


@pytest.mark.parametrize("left", [None, '{"at": 1', '{"at": 5, "ended": false, "stages": []}', "[]"])
def test_a_sweep_that_was_killed_or_says_nothing_is_not_waited_for(
    left: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path / "run")
    if left is not None:
        (folder / PROGRESS).write_text(left)

    commands.watch(str(folder))

    assert "not running, not finished; run it again to go on" in shown(capsys)


def test_a_folder_of_no_sweep_and_a_page_on_storage_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a run folder"):
        commands.watch(str(tmp_path))
    with pytest.raises(BadInput, match=r"--html writes report\.html into the run folder"):
        commands.watch("s3://bucket/run", html=True)
