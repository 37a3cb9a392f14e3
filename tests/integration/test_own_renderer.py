"""A renderer of the user's own from the command line: images, sheets, an export, their complexity; no Blender."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from render_actors.setting.source import Source
from render_actors.sources.labelled_folder import folder_classes
from sweeper.config.load import load_config
from sweeper.stages.image_sets import training_images, validation_images
from tasks.base import task
from tasks.models.transfer import backbone_state, seeded_model
from tests.integration import sweeps
from tests.integration.command_line import Place, place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as somewhere:
        sweeps.write_shapes(tmp_path)
        yield somewhere


def test_images_sheets_export_and_complexity(here: Place) -> None:
    # given the page's example beside a second setting of the same code, when 40 images of each are asked for
    renderings = {"shapes": sweeps.SHAPES, "again": sweeps.SHAPES}
    config = str(sweeps.write(sweeps.REAL | {"name": "own", "renderings": renderings}, here.folder))
    done = here.run("render", config, "--images", "40", "--preview", "--export", "coco")
    assert done.code == 0, done.err[-3000:]
    # then the first setting's were drawn, and the second, which is the same, found them
    assert re.search(r"^shapes: 40 images, 40 of them rendered now", done.out, re.MULTILINE)
    assert re.search(r"^again: 40 images, 0 of them rendered now", done.out, re.MULTILINE)
    run = here.folder / "runs" / "own"
    assert Image.open(run / "preview.png").size == (484, 16 + 4 * 164 - 4)
    exported = json.loads((run / "coco-shapes" / "annotations.json").read_text())
    assert len(exported["images"]) == 40
    assert [category["name"] for category in exported["categories"]] == ["disc", "square"]

    # and the export is a labelled folder that is a source in its turn
    folder = run / "coco-shapes"
    assert folder_classes("coco", folder) == ("disc", "square")
    assert Source("coco", str(folder), ("disc", "square")).labels == ("classes", "boxes", "masks", "semantic")

    # and a checkpoint sees how complex they are
    model = seeded_model("small_resnet", task("mulclass"), 2, seed=0)
    torch.save(backbone_state(model), here.folder / "eyes.pt")
    measured = here.run("complexity", config, "--images", "40", "--checkpoint", "eyes.pt")
    assert measured.code == 0, measured.err[-3000:]
    values = json.loads((run / "complexity.json").read_text())
    assert {len(values), len({entry["negative_entropy"] for entry in values.values()})} == {2, 1}
    assert all(entry["images"] == 40 and entry["shrinkage"] > 0 for entry in values.values())
    assert here.wait_until_empty(30) == []


def test_a_mistake_of_the_users_is_one_line(here: Place) -> None:
    (here.folder / "shapes.py").write_text("def render(setting, seed, scene):\n    return []\n")
    config = str(sweeps.write(sweeps.REAL | {"name": "own", "renderings": {"shapes": sweeps.SHAPES}}, here.folder))
    done = here.run("render", config, "--images", "20")
    assert done.code == 2
    # Ray's own lines may come before it.
    assert re.search(r"scene 0 has 0 images; return poses_per_scene = 10 of them$", done.err.strip()), done.err[-2000:]
    assert "Traceback" not in done.err
    missing = here.run("complexity", config, "--images", "20")
    assert missing.code == 2
    assert "run the sweep first, or give --checkpoint FILE" in missing.err


def test_a_folder_that_is_too_small_is_refused_before_anything_runs(here: Place) -> None:
    for k in range(30):
        (here.folder / "photos" / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        pixels = np.full((40, 40, 3), 8 * k, np.uint8)
        Image.fromarray(pixels).save(here.folder / "photos" / "ab"[k % 2] / f"{k}.png")
    source = {"source": {"kind": "imagefolder", "path": str(here.folder / "photos")}}
    path = sweeps.write(sweeps.REAL | {"name": "own", "renderings": {"photos": source}}, here.folder)
    assert validation_images(load_config(path, ["pretrain.validation_images=3"]), "photos").n == 3
    assert training_images(load_config(path), "photos", 27).setting.labels == ("classes",)
    done = here.run("render", str(path), "--images", "28")
    assert done.code == 2
    assert "photos: 28 training images asked for" in done.err
    assert "has 27; lower the ladder" in done.err
