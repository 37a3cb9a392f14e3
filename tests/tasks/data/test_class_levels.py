"""Folders that look like classes and are none: a renderer's outputs, batches, a second copy, a wrapper."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from render_actors.sources.labelled_folder import folder_classes
from tasks.base import TaskError
from tasks.data.catalogue import RealSet
from tests.tasks.data.own_folders import save


def _folders(root: Path, *places: str) -> Path:
    for k, place in enumerate(places):
        for i in range(3):
            save(Image.new("RGB", (20 + k, 20 + i)), root / "set" / place / f"{i}.png")
    return root / "set"


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (("rgb", "semantic_segmentation"), "rgb, semantic_segmentation are outputs .* call rgb/ images/"),
        (("RGB", "instance_segmentation", "depth"), "outputs of a renderer"),
        (("train/rgb", "train/normals", "test/rgb", "test/normals"), "outputs of a renderer"),
        (("images", "masks"), "kind masks reads them"),
        (("batch1/cup", "batch1/fork", "batch2/cup", "batch2/fork"), r"sub-folders of the same names \(cup, fork\)"),
        (("amazon/images/mug", "amazon/images/pen", "dslr/images/mug", "dslr/images/pen"), "same names"),
        (("cat/train", "cat/test", "dog/train", "dog/test"), "put them first"),
        (("Cup", "Fork", "export/Cup", "export/Fork"), "all pictures of export lie in folders called as other classes"),
        (("export/cup", "export/fork"), "one folder, export, around others .* give .*export"),
    ],
)
def test_folders_that_are_no_classes_are_refused_on_both_sides(
    tmp_path: Path, places: tuple[str, ...], said: str
) -> None:
    folder = _folders(tmp_path, *places)
    with pytest.raises(TaskError, match=said):
        RealSet(f"imagefolder:{folder}", None, 32, cache_dir=tmp_path / "cache").load()
    with pytest.raises(ValueError, match=said):
        folder_classes("imagefolder", folder)


@pytest.mark.parametrize(
    "places",
    [
        ("normal", "pneumonia"),
        ("mask", "no_mask"),
        ("cat/images", "dog/images"),
        ("cat/000", "cat/001", "dog/000", "dog/001"),
        ("cat/tabby", "dog/poodle", "cat"),
        ("train/a", "train/b", "test/a", "test/b"),
    ],
)
def test_folders_that_are_classes_stay_so(tmp_path: Path, places: tuple[str, ...]) -> None:
    folder = _folders(tmp_path, *places)
    assert len(RealSet(f"imagefolder:{folder}", None, 32, cache_dir=tmp_path / "cache").load().training.class_names) == 2


def test_a_yolo_folder_is_said_to_be_one(tmp_path: Path) -> None:
    folder = _folders(tmp_path, "images")
    (folder / "labels").mkdir()
    with pytest.raises(TaskError, match="YOLO's layout"):
        RealSet(f"imagefolder:{folder}", None, 32, cache_dir=tmp_path / "cache").load()
