"""The walls of the house that import-linter cannot hold: sizes, licences, what is never called."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("sweeper", "tasks", "render_actors", "analysis")
CODE = {path: path.read_text() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}
LONGEST_FILE = 350
MOST_ENTRIES = 13
# A file a command, a file a bench.
MANY_FILES = {ROOT / "sweeper" / "commands", ROOT / "sweeper" / "bench"}
GPL = "# SPDX-License-Identifier: GPL-3.0-or-later"


def tops(code: str) -> set[str]:
    """Top-level packages that some code imports, wherever in it; the standard library left out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names)


def unsafe_calls(code: str) -> Iterator[str]:
    """Calls that may run code from the file they read."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name, options = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
        module, _, function = name.rpartition(".")
        if module.endswith(("pickle", "dill", "joblib")) and function in ("load", "loads", "Unpickler"):
            yield f"line {node.lineno}: {name}"
        if name == "torch.load" and options.get("weights_only") != "True":
            yield f"line {node.lineno}: torch.load without weights_only=True"
        if module == "yaml" and function in ("load", "load_all", "unsafe_load", "full_load"):
            yield f"line {node.lineno}: {name}"
        if module in ("np", "numpy") and options.get("allow_pickle") == "True":
            yield f"line {node.lineno}: {name} with allow_pickle=True"


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def files(folder: str) -> dict[str, str]:
    """Text of every module under a folder, by its path."""
    return {name_of(path): text for path, text in CODE.items() if path.is_relative_to(ROOT / folder)}


def test_imports_are_found_wherever_they_are() -> None:
    code = "import numpy as np\nimport os\ndef f():\n    from ray.train import torch\n    import a.b, c\n"
    assert tops(code) == {"numpy", "ray", "a", "c"}


def test_unsafe_calls_are_found() -> None:
    code = "torch.load(p)\ntorch.load(p, weights_only=True)\nyaml.load(t)\nyaml.safe_load(t)\npickle.loads(b)\n"
    assert [line.split(":")[0] for line in unsafe_calls(code)] == ["line 1", "line 3", "line 5"]


def test_the_rooms_are_there() -> None:
    assert all(files(room) for room in ROOMS)


def test_analysis_needs_numbers_and_pictures_only() -> None:
    allowed = {"analysis", "numpy", "scipy", "matplotlib", "jinja2"}
    assert {name: tops(code) - allowed for name, code in files("analysis").items() if tops(code) - allowed} == {}


def test_a_file_is_short_enough_to_read() -> None:
    files = [*CODE, *(ROOT / "tests").rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_a_folder_is_seen_at_a_glance() -> None:
    entries = {
        name_of(folder): [p.name for p in folder.iterdir() if p.name not in {"__init__.py", "__pycache__"}]
        for folder in {path.parent for path in CODE} - MANY_FILES
    }
    assert {folder: names for folder, names in entries.items() if len(names) > MOST_ENTRIES} == {}


def test_what_runs_inside_blender_carries_its_licence_and_nothing_else_does() -> None:
    licensed = {name for name, text in files(".").items() if text.startswith(f"{GPL}\n")}
    assert licensed == {name for name, text in files("render_actors/blender").items() if text}


def test_nothing_that_is_read_can_run_code() -> None:
    found = {name: list(unsafe_calls(text)) for name, text in files(".").items()}
    assert {name: calls for name, calls in found.items() if calls} == {}
