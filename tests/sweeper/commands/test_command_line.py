"""What a person sees after a mistake: exit code 2, one line that says what to do, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import __main__ as commands
from sweeper.commands.check import check
from sweeper.config.schema import SweepConfig
from sweeper.events.reporter import Reporter
from tests.sweeper.examples import real_sweep, simulated_sweep, sweep_of, written

ROOT = Path(__file__).parents[3]


def complaint(*arguments: str) -> str:
    """The one line on stderr of a command that must end with code 2."""
    command = [sys.executable, "-m", "sweeper", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in lines[0]
    return lines[0]


@pytest.mark.parametrize(
    ("command", "override", "said"),
    [
        ("run", "budgett.minutes=3", "unknown key budgett; did you mean budget?"),
        ("plan", "budget.minutes=-5", "budget.minutes: Input should be greater than 0 (got -5)"),
        ("plan", "pretrain.tasks=[mulclas]", "pretrain.tasks: unknown task 'mulclas'; known tasks: "),
        (
            "run",
            "pretrain.backbones=[resnet9000]",
            "pretrain.backbones: unknown backbone 'resnet9000'; known backbones: ",
        ),
        ("plan", "tune.folds=70000", "tune.folds: 70000 folds of 60000 real training images; lower tune.folds"),
        ("plan", "ladder.start=100000000", "the largest size is 6,400,000,000; sizes go up to 20,000,000"),
        ("plan", "pretrain.tasks=[mulclass, mulclass]", "pretrain.tasks: each name may stand here once"),
        ("run", "pretrain.workers=64", "pretrain.workers asks for 64 CPUs, but Ray has"),
        ("plan", "store=/etc/passwd", "store /etc/passwd: /etc/passwd is a file, not a folder"),
        ("plan", "finetune.tasks=[mulclass]", "finetune"),
        ("plan", "pretrain.tasks=[sinclass]", "label target (task sinclass) needs one object that the camera aims at"),
        ("run", "render.actors=64", "render.actors asks for 64 CPUs, but Ray has"),
        ("run", "data_root=/no/such/folder", "finetune.dataset: data_root /no/such/folder is not a folder"),
    ],
)
def test_bad_input_ends_a_sweep_before_it_begins(tmp_path: Path, command: str, override: str, said: str) -> None:
    config = written(tmp_path, real_sweep(output=str(tmp_path / "run"), store=str(tmp_path / "store")))

    assert said in complaint(command, str(config), override)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu", "sweep.yaml"], "No such command 'rnu'. Did you mean 'run'?"),
        (["run"], "Missing argument 'config'"),
        (["run", "sweep.yaml", "--jsn"], "No such option: --jsn"),
        (["render", "sweep.yaml", "--images", "many"], "Invalid value for '--images'"),
    ],
)
def test_a_mistyped_command_line_is_answered_in_one_line_too(arguments: list[str], said: str) -> None:
    assert said in complaint(*arguments)


def test_paths_are_absolute_in_the_run_folder_because_workers_and_readers_stand_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    (tmp_path / "mine.py").write_text("def render(setting, seed, scene): ...\n")
    source = {"kind": "function", "path": "mine.py:render", "class_names": ["a"]}
    content = simulated_sweep(store="here", data_root="data", renderings={"plain": {"source": source}})

    checked, _ = check(sweep_of(tmp_path, content))

    assert (checked.store, checked.data_root) == (str(tmp_path / "here"), str(tmp_path / "data"))
    own = checked.renderings["plain"].source
    assert own is not None
    assert own.path == f"{tmp_path}/mine.py:render"
    assert not (tmp_path / "here").exists()


def test_an_unknown_backbone_is_refused_where_errors_are_simulated_too(tmp_path: Path) -> None:
    content = simulated_sweep(pretrain={"tasks": ["simulated"], "backbones": ["<b>"]}, output=str(tmp_path / "run"))

    assert "pretrain.backbones: unknown '<b>'; known: simulated, " in complaint("run", str(written(tmp_path, content)))
    assert not (tmp_path / "run").exists()


def test_plan_and_its_look_into_the_store_write_nothing(tmp_path: Path) -> None:
    content = simulated_sweep(output=str(tmp_path / "run"), store=str(tmp_path / "store"))
    config = written(tmp_path, content)

    command = [sys.executable, "-m", "sweeper", "plan", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [config]


def test_a_run_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.write_text("in the way")
    config = written(tmp_path, simulated_sweep(output=str(file / "run"), store=str(tmp_path / "store")))

    line = complaint("run", str(config))

    assert f"run folder {file / 'run'}: cannot be written" in line
    assert "set output=FOLDER" in line


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_folder_that_holds_no_sweep_is_not_reported_on(tmp_path: Path, command: str) -> None:
    assert f"{tmp_path}: not a run folder (no config.yaml in it)" in complaint(command, str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_what_ray_prints_on_stdout_is_not_among_the_json_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sweep(config: SweepConfig, reporter: Reporter) -> None:
        print("(raylet) A worker died or was killed")
        reporter.event("stop", "stop: it failed")
        raise RuntimeError("it failed")

    monkeypatch.setattr("sweeper.commands.run.run_sweep", sweep)
    monkeypatch.setattr("sweeper.cluster.session.end_on_sigterm", lambda: None)

    with pytest.raises(RuntimeError):
        commands.run(written(tmp_path, simulated_sweep(output=str(tmp_path / "run"))), [], json=True)

    told = capsys.readouterr()
    assert [json.loads(line)["event"] for line in told.out.splitlines()] == ["stop"]
    assert "A worker died" in told.err


def test_a_table_of_fine_tunes_is_parquet_of_measured_sweeps(tmp_path: Path) -> None:
    # given a run folder of a simulated sweep, and a folder that is none
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(written(tmp_path, simulated_sweep()).read_text())

    # then either is refused, and so is a table that cannot hold what was right of each image
    assert "is a simulated sweep" in complaint("collect", str(run), "--out", str(tmp_path / "t.parquet"))
    assert "not a run folder" in complaint("collect", str(tmp_path), "--out", str(tmp_path / "t.parquet"))
    assert "end its name in .parquet" in complaint("collect", str(run), "--out", str(tmp_path / "t.csv"))

    # and a file that is no table is left as it is
    (tmp_path / "bad.parquet").write_text("no table")
    assert "cannot be read" in complaint("collect", str(run), "--out", str(tmp_path / "bad.parquet"))
    assert (tmp_path / "bad.parquet").read_text() == "no table"
