"""A wheel built from the tree holds all of it, and runs where there is no checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("sweeper", "tasks", "render_actors", "analysis")
# -S: what is on the path stands here; no editable install puts the checkout on it.
SWEEPER = """
import sys
wheel, packages, *sys.argv[1:] = sys.argv[1:]
sys.path[:0] = [wheel]
sys.path.append(packages)
import sweeper.__main__
assert sweeper.__file__.startswith(wheel), sweeper.__file__
sweeper.__main__.main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel built from the tree unpacks to."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for room in ROOMS:
        shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    with ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def sweeper(wheel: Path, empty: Path, *arguments: str) -> str:
    """What a command of the wheel's sweeper prints in an empty folder; fails where it ends non-zero."""
    command = [sys.executable, "-I", "-S", "-c", SWEEPER, str(wheel), sysconfig.get_path("purelib"), *arguments]
    return subprocess.run(command, cwd=empty, check=True, capture_output=True, text=True).stdout


def test_the_wheel_holds_every_module_and_the_object_list(wheel: Path) -> None:
    def modules(root: Path) -> set[Path]:
        return {path.relative_to(root) for room in ROOMS for path in (root / room).rglob("*.py")}

    assert modules(wheel) == modules(ROOT)
    assert (wheel / "render_actors" / "setting" / "objects.csv").is_file()


def test_the_wheels_sweeper_fits_a_table(wheel: Path, tmp_path: Path) -> None:
    # given errors that somebody measured, in a folder with nothing else in it
    table = tmp_path / "table.csv"
    shutil.copy(ROOT / "docs" / "evidence" / "observations.csv", table)

    # then the commands are there, and the law of each arm is told
    assert "reproduce" in sweeper(wheel, tmp_path, "--help")
    assert sweeper(wheel, tmp_path, "fit", str(table)).count("error(n) = D n^-alpha + C") == 1
