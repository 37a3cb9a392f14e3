"""Folders of simulators and exporters that are not read are named, and the splits that a YOLO folder declares hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from render_actors.sources.labelled_folder import folder_classes
from sweeper.commands.look_over import shared_in_words
from tasks.base import TaskError
from tasks.data.catalogue import RealData, RealSet
from tests.tasks.data.own_folders import picture, save, write

LINE = "0 0.25 0.375 0.25 0.5\n"


# By the name of a layout: its files, of each k a picture where there is no text.
LAYOUTS: dict[str, dict[str, str | None]] = {
    r"Unity Perception \(SOLO\)": {"sequence.{k}/step0.camera.png": None, "sequence.{k}/step0.frame_data.json": "{}"},
    "KITTI": {"image_2/{k}.png": None, "label_2/{k}.txt": "Car 0.0 0 -1.5 10 5 30 25 1.5 1.6 4 1 1 8 -1.6\n"},
    "Kubric": {
        "{k}/rgba_00000.png": None,
        "{k}/rgba_00001.png": None,
        "{k}/segmentation_00000.png": None,
        "{k}/metadata.json": "{}",
    },
    "Pascal VOC": {"JPEGImages/{k}.jpg": None, "Annotations/{k}.xml": "<annotation><object/></annotation>"},
    "Omniverse Replicator": {"Camera/rgb_{k}.png": None, "Camera/bounding_box_2d_tight_labels_{k}.json": "{}"},
    "Datumaro": {"images/default/{k}.png": None, "annotations/default.json": '{"categories": {}, "items": []}'},
    "LabelMe": {"shots/{k}.png": None, "shots/{k}.json": '{"shapes": [], "imagePath": "0.png"}'},
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_that_is_not_read_is_named_and_taken_for_no_classes(tmp_path: Path, name: str) -> None:
    for k in range(3):
        for file, text in LAYOUTS[name].items():
            place = tmp_path / "set" / file.format(k=k)
            save(picture(k), place) if text is None else write(place, text)

    with pytest.raises(ValueError, match=rf"is laid out by {name}.*which is not read; .*(COCO|masks)"):
        folder_classes("imagefolder", tmp_path / "set")
    with pytest.raises(TaskError, match=f"is laid out by {name}"):
        RealSet(f"imagefolder:{tmp_path / 'set'}", None, 32, cache_dir=tmp_path / "cache").load()


def test_class_folders_with_more_beside_them_stay_classes(tmp_path: Path) -> None:
    """Given class folders with XML files of boxes and a table beside them, their classes are read."""
    for name in ("cup", "fork"):
        for k in range(2):
            save(picture(k), tmp_path / name / f"{k}.png")
            write(tmp_path / name / f"{k}.xml", "<annotation><object/></annotation>")
    write(tmp_path / "boxes.csv", "file,xmin,ymin,xmax,ymax\n")

    assert folder_classes("imagefolder", tmp_path) == ("cup", "fork")


def test_a_folder_a_picture_is_no_class(tmp_path: Path) -> None:
    for k in range(4):
        save(picture(k), tmp_path / f"scene{k}" / "image.png")
    with pytest.raises(ValueError, match=r"each of its 4 class folders .* holds one picture"):
        folder_classes("imagefolder", tmp_path)


def test_one_class_alone_teaches_nothing(tmp_path: Path) -> None:
    for k in range(4):
        save(picture(k), tmp_path / "cups" / f"{k}.png")
    with pytest.raises(ValueError, match="one folder of pictures, cups; of one class alone nothing is learnt"):
        folder_classes("imagefolder", tmp_path)


@pytest.mark.parametrize("name", ["train", "test", "val"])
def test_a_class_that_is_called_as_a_split_is_asked_about(tmp_path: Path, name: str) -> None:
    for each in ("bus", "car", name):
        for k in range(2):
            save(picture(k), tmp_path / each / f"{k}.png")
    with pytest.raises(ValueError, match=f"{name}/ is taken for a split by its name, and bus, car lie beside it"):
        folder_classes("imagefolder", tmp_path)


def _yolo(root: Path, *places: str) -> None:
    for k, place in enumerate(places):
        save(picture(k), root / f"{place}.jpg")
        write(root / f"{place.replace('images/', 'labels/')}.txt", LINE)


def _loaded(root: Path) -> RealData:
    return RealSet(f"yolo:{root}", None, 40, kind="boxes", cache_dir=root.parent / "cache").load()


DAYS = ("images/day1/a", "images/day1/b", "images/day1/c", "images/day2/d")


@pytest.mark.parametrize(
    "told",
    [
        "train: images/day1\nval: images/day2\n",
        "path: /content/set\ntrain: ../set/images/day1\nval: [images/day2]\ntest:\n",
        "train: train.txt\nval: ./val.txt\n",
    ],
)
def test_the_splits_that_data_yaml_declares_hold(tmp_path: Path, told: str) -> None:
    root = tmp_path / "set"
    _yolo(root, *DAYS)
    write(root / "data.yaml", f"names: [cup]\n{told}")
    write(root / "train.txt", "".join(f"/somewhere/set/{each}.jpg\n" for each in DAYS[:3]))
    write(root / "val.txt", f"./{DAYS[3]}.jpg\n")

    real = _loaded(root)

    assert (len(real.train), len(real.test)) == (3, 1)


def test_darknets_file_declares_splits_as_cvat_writes_it(tmp_path: Path) -> None:
    root = tmp_path / "set"
    _yolo(root, *(f"obj_Train_data/{k}" for k in range(3)), "obj_Validation_data/3")
    write(root / "obj.names", "cup\n")
    write(root / "obj.data", "classes = 1\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n")
    write(root / "train.txt", "".join(f"data/obj_Train_data/{k}.jpg\n" for k in range(3)))
    write(root / "valid.txt", "data/obj_Validation_data/3.jpg\n")

    assert (len(_loaded(root).train), len(_loaded(root).test)) == (3, 1)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            "train: images\nval: images\n",
            "4 pictures are of training and of testing in it; its splits are not followed",
        ),
        ("train: images/day1\nval: images/day9\n", "val is images/day9, where no picture of the folder lies"),
    ],
)
def test_splits_that_cannot_be_followed_are_told(tmp_path: Path, told: str, said: str) -> None:
    root = tmp_path / "set"
    _yolo(root, *DAYS)
    write(root / "data.yaml", f"names: [cup]\n{told}")

    lines, _ = RealSet(f"yolo:{root}", None, 40, kind="boxes", cache_dir=tmp_path / "cache").load().overview(print)

    assert said in "\n".join(lines)


def test_pictures_of_no_declared_split_are_left_out_with_a_count(tmp_path: Path) -> None:
    root = tmp_path / "set"
    _yolo(root, *DAYS, "images/day3/e")
    write(root / "data.yaml", "names: [cup]\ntrain: images/day1\nval: images/day2\n")

    real = _loaded(root)

    assert (len(real.train), len(real.test)) == (3, 1)
    assert "1 images are of no split and are left out" in "\n".join(real.overview(print)[0])


def test_classes_of_both_sides_are_set_beside_each_other() -> None:
    [line] = shared_in_words("renders own", ["Cat", "dog house", "zebra"], ["cat", "dog-house", "horse"])

    assert "2 of their 3 are of the photographs' 3" in line
    assert "only the renders: zebra; only the photographs: horse" in line
