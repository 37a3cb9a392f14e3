"""Folders that look like classes and are none: a renderer's outputs, batches, a second copy, a wrapper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render_actors.setting.source import Source
from render_actors.sources.labelled_folder import folder_classes
from render_actors.sources.overview import overview
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
    assert (
        len(RealSet(f"imagefolder:{folder}", None, 32, cache_dir=tmp_path / "cache").load().training.class_names) == 2
    )


def test_a_yolo_folder_is_said_to_be_one(tmp_path: Path) -> None:
    folder = _folders(tmp_path, "images")
    (folder / "labels").mkdir()
    with pytest.raises(TaskError, match="YOLO's layout"):
        RealSet(f"imagefolder:{folder}", None, 32, cache_dir=tmp_path / "cache").load()


def _overview(folder: Path, cache: Path) -> str:
    return "\n".join(RealSet(f"imagefolder:{folder}", None, 32, cache_dir=cache).load().overview(print)[0])


def _of_renders(folder: Path) -> str:
    names = folder_classes("imagefolder", folder)
    source = Source("imagefolder", str(folder), names)
    return "\n".join(overview(source, print)[0])


def test_a_picture_in_two_classes_is_told_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    folder = _folders(tmp_path, "cup", "fork")
    (folder / "fork" / "x.png").write_bytes((folder / "cup" / "1.png").read_bytes())
    for said in (_overview(folder, tmp_path / "cache"), _of_renders(folder)):
        assert "1 pictures lie in several classes, byte by byte (cup/1.png is fork/x.png)" in said


@pytest.mark.parametrize(("highest", "said"), [(4095, "12 bits"), (1023, "10 bits"), (16383, "14 bits"), (65535, "")])
def test_upper_bits_that_are_empty_are_told_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, highest: int, said: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    folder = _folders(tmp_path, "cup", "fork")
    for k, file in enumerate(sorted(folder.rglob("*.png"))):
        values = np.linspace(k, highest, 400).astype(np.uint16).reshape(20, 20)
        Image.fromarray(values).save(file)
    for told in (lambda: _overview(folder, tmp_path / "cache"), lambda: _of_renders(folder)):
        if highest < 2**13:
            with pytest.raises(ValueError, match=f"which is {said}, .* they become black; multiply"):
                told()
        elif said:
            assert f"which is {said}, and are scaled from 16: they become dark" in told()
        else:
            assert "16 bits" not in told()


def test_upper_folders_as_classes_are_asked_about(tmp_path: Path) -> None:
    """Given two levels of class folders with names of their own, the upper ones are classes, and it is said."""
    folder = _folders(tmp_path, "animals/cat", "animals/dog", "tools/hammer", "tools/saw")
    lines, _ = RealSet(f"imagefolder:{folder}", None, 32, cache_dir=tmp_path / "cache").load().overview(print)
    assert "its classes are animals, tools, by the upper folders; where those below (cat, dog, hammer, saw)" in str(
        lines
    )


def test_copies_of_pictures_are_counted_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    folder = _folders(tmp_path, "cup", "fork")
    (folder / "cup" / "copy.png").write_bytes((folder / "cup" / "1.png").read_bytes())
    assert "pictures are copies of others, byte by byte" in _overview(folder, tmp_path / "cache")
    assert "1 of 7 pictures are copies of others, byte by byte (cup/copy.png is" in _of_renders(folder)
