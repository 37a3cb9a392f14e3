"""The walls of the house: who may import what, how long a file may be, what is never called."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("sweeper", "tasks", "render_actors", "analysis")
CODE = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
LONGEST_FILE = 400
GPL = "# SPDX-License-Identifier: GPL-3.0-or-later"


def imports(code: str) -> set[str]:
    """Dotted names of all modules that some code imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            # What is imported may be a module itself, as in `from tasks import base`.
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def outside(room: str, path: Path) -> set[str]:
    """Top-level packages that a file imports, its own room and the standard library left out."""
    tops = {name.split(".")[0] for name in imports(path.read_text())}
    return tops - {room} - set(sys.stdlib_module_names)


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


def files(room: str) -> list[Path]:
    return [path for path in CODE if path.is_relative_to(ROOT / room)]


def test_imports_are_found_wherever_they_are() -> None:
    code = "import numpy as np\ndef f():\n    from ray.train import torch\n    import a.b, c\n"
    assert imports(code) == {"numpy", "ray.train", "ray.train.torch", "a.b", "c"}


def test_unsafe_calls_are_found() -> None:
    code = "torch.load(p)\ntorch.load(p, weights_only=True)\nyaml.load(t)\nyaml.safe_load(t)\npickle.loads(b)\n"
    assert [line.split(":")[0] for line in unsafe_calls(code)] == ["line 1", "line 3", "line 5"]


def test_the_rooms_are_there() -> None:
    assert all(files(room) for room in ROOMS)


@pytest.mark.parametrize("path", files("analysis"), ids=name_of)
def test_analysis_needs_numbers_and_pictures_only(path: Path) -> None:
    assert outside("analysis", path) <= {"numpy", "scipy", "matplotlib", "jinja2"}


@pytest.mark.parametrize("path", files("tasks"), ids=name_of)
def test_tasks_know_neither_ray_nor_the_rest_of_the_project(path: Path) -> None:
    assert not outside("tasks", path) & {"ray", *ROOMS}


@pytest.mark.parametrize("path", files("render_actors"), ids=name_of)
def test_render_actors_know_at_most_what_a_task_is(path: Path) -> None:
    project = {name for name in imports(path.read_text()) if name.split(".")[0] in {*ROOMS} - {"render_actors"}}
    assert all(name == "tasks.base" or name.startswith("tasks.base.") for name in project), project


def test_blender_is_imported_in_one_file() -> None:
    importers = {name_of(p) for p in CODE if outside("", p) & {"bpy", "blenderproc", "bmesh", "mathutils"}}
    assert importers == {"render_actors/blender/renderer.py"}


def test_ray_is_imported_by_the_sweeper_and_the_render_actors_only() -> None:
    importers = {path.parent.name for path in CODE if "ray" in outside("", path)}
    assert importers == {"sweeper", "render_actors"}


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_file_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) < LONGEST_FILE


def test_what_touches_blender_carries_its_licence_and_nothing_else_does() -> None:
    licensed = {name_of(path) for path in CODE if path.read_text().startswith(f"{GPL}\n")}
    assert licensed == {f"render_actors/{name}.py" for name in ("blender", "nodes", "passes")}


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_nothing_that_is_read_can_run_code(path: Path) -> None:
    assert list(unsafe_calls(path.read_text())) == []
