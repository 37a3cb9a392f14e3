"""The light part of the package: it fits, replays and compares where torch, Ray and Blender are not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeper.examples import simulated_sweep, written

ROOT = Path(__file__).parents[1]
# Python finds nothing of the extras, as where they are not installed.
WITHOUT = """
import sys
from importlib.machinery import PathFinder
from sweeper.config.extras import EXTRAS
hidden, found = {module for modules in EXTRAS.values() for module in modules}, PathFinder.find_spec
PathFinder.find_spec = lambda name, path=None, target=None: None if name in hidden else found(name, path, target)
from sweeper.__main__ import main
main()
"""
NO_NETWORK = ("dns error", "Failed to fetch", "client error", "timed out", "Connection refused")


def without_extras(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command where no extra is installed."""
    command = [sys.executable, "-c", WITHOUT, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def small_table(folder: Path) -> Path:
    """Five runs of one arm."""
    table = folder / "runs.csv"
    table.write_text("n,error\n1000,0.5\n2000,0.45\n4000,0.42\n8000,0.4\n16000,0.39\n")
    return table


def test_fit_and_replay_need_no_extra(tmp_path: Path) -> None:
    table = small_table(tmp_path)

    fitted = without_extras("fit", str(table), "--out", str(tmp_path / "page"))
    replayed = without_extras("replay", str(table), "--policy", "grid", "--seeds", "2", "--json")

    assert "error(n) = D n^-alpha + C" in fitted.stdout, fitted.stderr
    assert (tmp_path / "page" / "report.html").is_file()
    assert set(json.loads(replayed.stdout)["policies"]) == {"grid"}, replayed.stderr


def test_report_and_status_need_no_extra(tmp_path: Path) -> None:
    # given the run folder of a sweep that was set up and has no run yet
    run = tmp_path / "run"
    run.mkdir()
    content = simulated_sweep(output=str(run), store=str(tmp_path / "store"))
    (run / "config.yaml").write_text(written(tmp_path, content).read_text())

    assert without_extras("report", str(run)).stdout == f"{run / 'report.html'}\n"
    assert "no runs yet" in without_extras("status", str(run)).stdout


def test_a_command_that_needs_an_extra_says_so_in_one_line(tmp_path: Path) -> None:
    config = written(tmp_path, simulated_sweep(output=str(tmp_path / "run")))

    done = without_extras("run", str(config))

    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "sweeper run needs ray and torch, not installed here; pip install 'syn2real-sweeper[cluster,train]'" in line
    assert not (tmp_path / "run").exists()


def test_doctor_names_what_takes_our_names_and_what_is_absent(tmp_path: Path) -> None:
    # given a folder with somebody else's `tasks` in it
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("")

    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{WITHOUT}"
    done = subprocess.run([sys.executable, "-c", code, "doctor"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"MISSING package names: tasks is taken from {tmp_path / 'tasks'}" in done.stdout, done.stderr
    assert "absent  optional parts: train absent, render absent, cluster absent" in done.stdout


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment_fits_without_torch_and_ray(tmp_path: Path) -> None:
    # given a wheel of the tree, installed with what it declares into an environment of its own
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("no uv: ./setup.sh test installs it")
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(tmp_path)!r})"
    tree = tmp_path / "tree"
    for name in ("sweeper", "tasks", "render_actors", "analysis"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    home = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, "env"], cwd=tmp_path, env=home, check=True)
    python = tmp_path / "env" / "bin" / "python"
    installed = subprocess.run(
        [uv, "pip", "install", "-q", "--python", str(python), str(wheel)],
        cwd=tmp_path, env=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if installed.returncode and any(sign in installed.stderr for sign in NO_NETWORK):
        pytest.skip("no package index can be reached")
    assert installed.returncode == 0, installed.stderr

    # when a table is fitted there
    def ask(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    fitted = ask(str(python.with_name("sweeper")), "fit", str(small_table(tmp_path)))

    # then its law is told, by the command and by Python, and nothing heavy is there
    assert "error(n) = D n^-alpha + C" in fitted
    assert ask(
        str(python), "-c", "from analysis import fit_law; print(fit_law([1, 2, 4, 8], [.5, .4, .35, .3]).n.size)"
    )
    heavy = "print([n for n in ('torch', 'ray', 'bpy', 'blenderproc') if importlib.util.find_spec(n)])"
    assert ask(str(python), "-c", f"import importlib.util; {heavy}") == "[]\n"
    assert ask(str(python.with_name("sweeper")), "--version") == "sweeper 0.2.0\n"
