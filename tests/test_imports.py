"""What a command loads: a sweep loads nothing that measures the project, and what only looks loads no heavy library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.sweeper.examples import simulated_sweep

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "ray", "bpy", "blenderproc")


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after running some code."""
    ended = f"{code}\nimport sys; print('\\nLOADED', *sys.modules)"
    told = subprocess.run([sys.executable, "-c", ended], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return set(told.rpartition("LOADED ")[2].split())


def after(*command: str) -> set[str]:
    """The modules that are loaded after a command."""
    return loaded(f"from sweeper.__main__ import app; app({list(command)!r}, standalone_mode=False)")


def test_a_sweep_loads_nothing_that_measures_the_project() -> None:
    measures = ("analysis.evidence", "analysis.replay", "analysis.paper", "sweeper.bench")
    modules = loaded("import sweeper.commands.run")
    assert "sweeper.search.loop" in modules
    assert [name for name in modules if name.startswith(measures)] == []


def test_fit_loads_neither_torch_nor_ray_nor_blender(tmp_path: Path) -> None:
    # given a table of four runs
    table = tmp_path / "runs.csv"
    table.write_text("n,error\n1000,0.5\n2000,0.45\n4000,0.42\n8000,0.4\n")

    # when it is fitted
    modules = after("fit", str(table))

    # then only numbers were needed
    assert "analysis.estimator.fit" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("kind", ["simulated", "photographs"])
def test_plan_loads_neither_torch_nor_ray_nor_blender(kind: str, tmp_path: Path) -> None:
    # given a simulated sweep, or one that trains on photographs
    config = tmp_path / "sweep.yaml"
    if kind == "simulated":
        config.write_text(yaml.safe_dump(simulated_sweep()))
    else:
        folder(tmp_path / "photographs")
        sweep = {
            "name": "looks",
            "renderings": {"plain": {}},
            "store": str(tmp_path / "store"),
            "output": str(tmp_path / "run"),
            "pretrain": {"tasks": ["mulclass", "objdet"]},
            "finetune": {"dataset": f"imagefolder:{tmp_path / 'photographs'}"},
        }
        config.write_text(yaml.safe_dump(sweep))

    # when it is looked at
    modules = after("plan", str(config))

    # then its costs were reckoned without what would do the work
    assert "sweeper.search.pricing" in modules
    assert modules.isdisjoint(HEAVY)


def folder(root: Path) -> None:
    """Photographs of two classes, a folder each."""
    from PIL import Image

    for split, count in (("train", 6), ("test", 4)):
        for k, name in enumerate(("cats", "dogs")):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (40, 30), (100 * k, 20 * i, 50)).save(root / split / name / f"{split}{i}.png")
