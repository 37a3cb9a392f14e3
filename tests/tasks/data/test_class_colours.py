"""Masks whose colours are classes, as CVAT exports them with a labelmap.txt, on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render_actors.setting.source import Source
from render_actors.sources.labelled_folder import folder_classes, scene_of_folder
from tasks.base import TaskError
from tasks.data.catalogue import RealSet
from tests.render_actors.sources.test_sources import setting_of
from tests.tasks.data.own_folders import save

SIDE = 32
LABELMAP = "# label:color_rgb:parts:actions\ncar:128,0,0::\nbackground:0,0,0::\nroad:0,128,0::\nvoid:224,224,192::\n"


def cvat_masks(folder: Path, count: int = 10, mode: str = "RGB") -> Path:
    """Half of each picture is road, a square of it a car with a void border above."""
    for k in range(count):
        mask = np.zeros((SIDE, SIDE, 3), np.uint8)
        mask[16:] = 0, 128, 0
        mask[20:28, 4:12], mask[19, 4:12] = (128, 0, 0), (224, 224, 192)
        save(Image.fromarray(mask).convert(mode, palette=Image.Palette.ADAPTIVE), folder / f"SegmentationClass/{k}.png")
        save(Image.fromarray(np.full((SIDE, SIDE, 3), 10 * k, np.uint8)), folder / f"JPEGImages/{k}.png")
    (folder / "labelmap.txt").write_text(LABELMAP)
    return folder


def listed(folder: Path, **splits: range) -> None:
    for name, numbers in splits.items():
        file = folder / "ImageSets/Segmentation" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{k}\n" for k in numbers))


def photographs(folder: Path) -> RealSet:
    return RealSet(f"masks:{folder}", None, SIDE, kind="semantic", cache_dir=folder.parent / "cache")


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_colours_are_the_classes_of_the_labelmap_on_both_sides(tmp_path: Path, mode: str) -> None:
    folder = cvat_masks(tmp_path / "set", mode=mode)

    real = photographs(folder).load()
    source = Source("masks", str(folder), folder_classes("masks", folder))
    drawn = scene_of_folder(
        setting_of(source, resolution=SIDE, poses_per_scene=1, labels=("classes", "semantic")), 0, 0
    )

    assert real.train.class_names == ("background", "car", "road")
    assert source.class_names == ("car", "road")
    for label in (real.train.labels[0], drawn[0].semantic):
        assert label is not None
        assert [int(label[y, x]) for y, x in ((2, 2), (24, 8), (30, 30), (19, 6))] == [0, 1, 2, 255]


def test_the_lists_of_an_export_say_the_split(tmp_path: Path) -> None:
    folder = cvat_masks(tmp_path / "set")
    listed(folder, train=range(6), val=range(6, 9), trainval=range(9))

    real = photographs(folder).load()

    assert (len(real.training), len(real.testing)) == (6, 3)
    assert real.listing is not None
    assert "1 images are in no list of ImageSets/Segmentation and are left out" in " ".join(real.listing.lines)


def test_a_colour_that_is_no_class_is_one_line(tmp_path: Path) -> None:
    folder = cvat_masks(tmp_path / "set")
    mask = np.asarray(Image.open(folder / "SegmentationClass/3.png")).copy()
    mask[0, :2] = 7, 8, 9
    save(Image.fromarray(mask), folder / "SegmentationClass/3.png")

    with pytest.raises(TaskError, match=r"3.png shows the colour 7, 8, 9 \(2 pixels .*labelmap.txt does not have"):
        photographs(folder).load()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "labelmap.txt beside the folders"),
        ("car 128 0 0\n", "is no class with its colour"),
        (LABELMAP + "bus:128,0,0::\n", "two classes have the colour 128, 0, 0"),
        ("# nothing\n", "names no class"),
    ],
)
def test_without_a_sound_labelmap_colours_are_refused(tmp_path: Path, content: str | None, said: str) -> None:
    folder = cvat_masks(tmp_path / "set")
    (folder / "labelmap.txt").unlink() if content is None else (folder / "labelmap.txt").write_text(content)

    with pytest.raises(TaskError, match=said):
        photographs(folder).load()


def test_other_class_names_than_the_labelmaps_are_refused(tmp_path: Path) -> None:
    folder = cvat_masks(tmp_path / "set")
    source = Source("masks", str(folder), ("road", "car"))

    with pytest.raises(ValueError, match="leave class_names out"):
        scene_of_folder(setting_of(source, resolution=SIDE, poses_per_scene=1, labels=("classes",)), 0, 0)
