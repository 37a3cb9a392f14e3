"""Detection, segmentation and normals through the real program, small: drawn pre-training, real layouts.

Blender is left out (its part is the same whatever is learnt): the images are a Python function's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration import sweeps
from tests.integration.command_line import place
from tests.integration.run_folder import errors, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SHAPES = """
import numpy as np

from render_actors.sources import Picture
from tasks.data.drawn import Drawing


def render(setting, seed, scene):
    pictures = []
    for image in range(setting.poses_per_scene):
        one = Drawing(np.random.default_rng((seed, scene, image)), setting.resolution)
        pictures.append(Picture(one.image, one.numbers, one.classes.tolist(), one.normals, one.depth))
    return pictures
"""
SIZES = (20, 40, 60)
SIDE_PX = 64
SHORT = {"iterations": 4, "batch_size": 4, "warmup_images": 4}


def sweep(name: str, pretrain: str, finetune: str, dataset: str) -> dict[str, Any]:
    """One arm, three sizes, one seed, hardly any training: what must work is the way through."""
    source = {"kind": "function", "path": "shapes.py:render", "class_names": ["ball", "board", "box"]}
    return {
        "name": name,
        "renderings": {"drawn": {"source": source}},
        "render": {"resolution": SIDE_PX, "poses_per_scene": 10, "scenes_per_shard": 2, "actors": 1},
        "pretrain": {
            "tasks": [pretrain],
            "workers": 1,
            "validation_images": 20,
            "recipe": SHORT | {"eval_every": 2},
        },
        "finetune": {"tasks": [finetune], "dataset": dataset, "count": 16, "repeats": 1, "recipe": SHORT},
        "tune": {"trials": 0},
        "ladder": {"sizes": list(SIZES)},
        "policy": {"name": "grid", "reference_seeds": 1, "max_seeds": 1},
        "budget": {"minutes": 60},
    }


@pytest.mark.parametrize(
    ("pretrain", "finetune", "dataset"),
    [
        ("objdet", "objdet", "coco:coco128"),
        ("semseg", "semseg", "camvid"),
        ("normal", "semseg", "camvid"),
    ],
)
def test_a_sweep_on_photographs_runs_to_its_report(tmp_path: Path, pretrain: str, finetune: str, dataset: str) -> None:
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set, so there are no photographs to fine-tune on")
    runs_to_its_report(tmp_path, sweep(f"{pretrain}-{finetune}", pretrain, finetune, dataset), root)


def runs_to_its_report(folder: Path, config: dict[str, Any], data_root: str) -> None:
    """Every size is measured once, and so is n = 0; each checkpoint has a score, and nothing is left running."""
    (folder / "shapes.py").write_text(SHAPES)
    with place(folder) as here:
        done = here.run("run", str(sweeps.write(config, folder)), f"data_root={data_root}", "--json", timeout_s=800)
        assert done.code == 0, done.err[-5000:]

        run = folder / "runs" / config["name"]
        pretrain, finetune = config["pretrain"]["tasks"][0], config["finetune"]["tasks"][0]
        arm = f"drawn/{pretrain}/small_resnet/{finetune}"
        measured = errors(run)
        assert set(measured) == {(arm, n, 0, 0) for n in SIZES} | {(f"none/none/small_resnet/{finetune}", 0, 0, 0)}
        assert all(0 <= error <= 1 for error in measured.values())
        assert {row["stage"]: int(row["count"]) for row in table(run, "ledger")}["pretrain"] == len(SIZES)
        pretrained = [event for event in done.events if event["event"] == "pretrained"]
        assert all(0 <= event["metric"] <= 1 for event in pretrained)
        assert (run / "report.html").exists()
        assert here.wait_until_empty(30) == []
