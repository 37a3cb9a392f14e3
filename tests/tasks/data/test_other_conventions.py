"""Labels that can be read and mean something else: other conventions and scales, names, keypoints, copies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from render_actors.setting.source import Kind
from render_actors.sources.labelled_folder import folder_classes
from sweeper.commands.own_folders import look_at_renders
from sweeper.errors import BadInput
from tasks.data.catalogue import RealData, RealSet
from tests.tasks.data import own_folders
from tests.tasks.data.own_folders import listing, picture, polygon, save, write

# 24 boxes that touch all sides of an image of 80 x 40 px
BOXES = [[x, y, 16, 10] for x in (0, 13, 26, 38, 51, 64) for y in (0, 10, 20, 30)]
Change = Callable[[dict[str, Any]], None]


def load(folder: Path, name: str = "coco", kind: Any = "boxes") -> RealData:
    return RealSet(f"{name}:{folder}", None, 40, kind=kind, cache_dir=folder.parent / "cache").load()


def told(real: RealData) -> str:
    assert real.listing is not None
    return "\n".join(real.listing.lines)


def refused_on_both_sides(folder: Path, kind: Kind, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(folder, kind)
    with pytest.raises(ValueError, match=message):
        folder_classes(kind, folder)


def spread_coco(folder: Path, change: Change) -> Path:
    """One list of 24 pictures, whose boxes lie all over them."""
    names = [f"{k}.png" for k in range(len(BOXES))]
    content = listing(names)
    for k, each in enumerate(content["annotations"]):
        each |= {"bbox": BOXES[k], "area": 160, "segmentation": []}
        save(picture(40 + k), folder / "images" / names[k])
    change(content)
    write(folder / "annotations.json", content)
    return folder


def each_box(change: Callable[[list[int]], list[float]]) -> Change:
    def changed(content: dict[str, Any]) -> None:
        for each in content["annotations"]:
            each["bbox"] = change(each["bbox"])

    return changed


@pytest.mark.parametrize(
    ("change", "like"),
    [
        (lambda b: [b[0] + b[2] / 2, b[1] + b[3] / 2, b[2], b[3]], "the middle x, y and width, height"),
        (lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]], "corners x0, y0, x1, y1"),
    ],
)
def test_cocos_boxes_that_another_convention_keeps_in_their_images_are_refused(
    tmp_path: Path, change: Any, like: str
) -> None:
    folder = spread_coco(tmp_path / "set", each_box(change))

    refused_on_both_sides(folder, "coco", f"of 24 boxes leave their image; they look like {like}; COCO's are")


def _cut(box: list[int]) -> int:
    """By how much objects of two corners of the image lie beyond its left or right side."""
    return {0: -8, 64: 8}.get(box[0], 0) if box[1] in (0, 30) else 0


def test_boxes_that_leave_on_every_side_are_counted_and_no_convention_is_named(tmp_path: Path) -> None:
    folder = spread_coco(tmp_path / "set", each_box(lambda b: [b[0] + _cut(b), b[1], b[2], b[3]]))

    said = told(load(folder))

    assert "about 4 of 24 boxes leave their image" in said
    assert "look which they are" not in said


def test_pictures_that_were_halved_without_a_size_in_the_list_are_told_by_how_much(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for image in content["images"]:
            del image["width"], image["height"]

    folder = spread_coco(tmp_path / "set", change)
    for file in (folder / "images").iterdir():
        with Image.open(file) as image:
            small = image.resize((40, 20))
        small.save(file)

    refused_on_both_sides(folder, "coco", "they fit pictures of about 2 times the size, and the list says no width")


def test_outlines_of_another_scale_than_their_boxes_are_refused(tmp_path: Path) -> None:
    def halved(content: dict[str, Any]) -> None:
        for each in content["annotations"]:
            each["segmentation"] = [[v / 2 for v in polygon(each["bbox"])[0]]]

    def hidden(content: dict[str, Any]) -> None:
        for each in content["annotations"]:
            x, y, width, height = each["bbox"]
            each["segmentation"] = polygon([x, y, width / 2, height])

    refused_on_both_sides(
        spread_coco(tmp_path / "set", halved), "coco", r"of 24 outlines \(segmentation\) leave their boxes"
    )
    # of an object that is half hidden the outline is less than its box
    assert "leave their boxes" not in told(load(spread_coco(tmp_path / "hidden", hidden)))


def test_two_categories_of_one_name_are_one_class_which_is_said(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["categories"] = [{"id": k, "name": name} for k, name in ((1, "cup"), (2, "cup"), (3, "plate"))]

    real = load(own_folders.coco(tmp_path / "set", change=change))

    assert real.train.class_names == ("cup", "plate")
    assert real.train.labels[..., 0].max() == 0
    assert "the class ids 1, 2 have one name, 'cup', and are read as one class" in told(real)


def test_a_picture_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    folder = spread_coco(tmp_path / "set", lambda c: c["images"].append(c["images"][0] | {"id": 999}))

    refused_on_both_sides(folder, "coco", r"the images 0 and 999 are one picture, images/0\.png, listed twice")


def labels(folder: Path, line: Callable[[int, float, float, float, float], str]) -> Path:
    """A YOLO folder of 24 pictures with a line each, of class, middle and extent as shares."""
    for k, (x, y, width, height) in enumerate(BOXES):
        save(picture(40 + k), folder / "images" / f"{k}.png")
        shares = (x + width / 2) / 80, (y + height / 2) / 40, width / 80, height / 40
        write(folder / "labels" / f"{k}.txt", line(k % 2, *shares) + "\n")
    write(folder / "data.yaml", "names: [c1, c2]\n")
    return folder


def test_yolos_boxes_by_their_corner_are_refused_in_yolos_words(tmp_path: Path) -> None:
    folder = labels(tmp_path / "set", lambda c, x, y, w, h: f"{c} {x - w / 2} {y - h / 2} {w} {h}")

    refused_on_both_sides(
        folder, "yolo", "they look like the top left corner x, y and width, height; YOLO's are shares"
    )


def test_ids_keep_their_names_where_some_have_none(tmp_path: Path) -> None:
    folder = labels(tmp_path / "set", lambda c, x, y, w, h: f"{(2, 10)[c]} {x} {y} {w} {h}")
    write(folder / "data.yaml", "names: {0: cup, '10': plate, 2: fork}\n")

    real = load(folder, "yolo")

    assert real.train.class_names == ("cup", "fork", "plate")
    assert {int(number) for number in real.train.labels[..., 0].ravel() if number >= 0} == {1, 2}
    write(folder / "labels/0.txt", "1 0.5 0.5 0.1 0.1\n")
    refused_on_both_sides(folder, "yolo", r"0\.txt, line 1: it has class 1, which has no name; 0, 2, 10 have one")


@pytest.mark.parametrize("seen", [0, 1, 2])
def test_keypoints_behind_boxes_are_no_outlines(tmp_path: Path, seen: int) -> None:
    folder = labels(
        tmp_path / "set", lambda c, x, y, w, h: f"{c} {x} {y} {w} {h} {x} {y} {seen} {x + w / 4} {y} {seen}"
    )

    # without a word of them they are refused
    refused_on_both_sides(folder, "yolo", "kpt_shape")
    write(folder / "data.yaml", "names: [c1, c2]\nkpt_shape: [2, 3]\n")
    real = load(folder, "yolo")
    assert "the keypoints of its labels (kpt_shape [2, 3]) are not read; their boxes are" in told(real)
    [row] = real.train.labels[0]
    assert (row[3] - row[1], row[4] - row[2]) == pytest.approx((8, 5))
    write(folder / "labels/0.txt", "0 0.5 0.5 0.1 0.1 0.5 0.5 2\n")
    refused_on_both_sides(folder, "yolo", r"0\.txt, line 1: it has 7 numbers, not 10 for kpt_shape \[2, 3\]")


def test_a_folder_that_was_unpacked_twice_counts_once(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    own_folders.yolo_in_splits(folder)
    shutil.copytree(folder, tmp_path / "copy")
    shutil.move(tmp_path / "copy", folder / "export")

    real = load(folder, "yolo")

    assert (len(real.train), len(real.test)) == (10, 10)
    assert "train: 10 of 20 pictures are copies of others, byte by byte" in told(real)
    # a copy with other labels stays, and is told
    write(folder / "export/train/labels/0.txt", "1 0.5 0.5 0.1 0.1\n")
    real = load(folder, "yolo")
    assert len(real.train) == 11
    assert "train: 1 pictures are copies of others, byte by byte, with other labels; all count" in told(real)


def test_pictures_without_a_label_file_are_counted_beside_empty_ones(tmp_path: Path) -> None:
    own_folders.yolo_in_splits(tmp_path / "set")
    for k in range(3):
        (tmp_path / f"set/train/labels/{k}.txt").unlink()
    write(tmp_path / "set/train/labels/3.txt", "")

    said = told(load(tmp_path / "set", "yolo"))

    assert "train: 3 of 10 pictures have no label file (1 have an empty one)" in said


def test_what_is_not_used_of_three_splits_is_said(tmp_path: Path) -> None:
    folder = own_folders.class_folders(tmp_path / "set", splits=("train", "valid", "test"))

    said = told(load(folder, "imagefolder", "class_index"))

    assert "tested on the 8 images of its test split; the 8 of its validation split are not used" in said


def test_init_takes_no_bad_list_of_renders_for_a_class_folder(tmp_path: Path) -> None:
    def halved(content: dict[str, Any]) -> None:
        for each in content["annotations"]:
            each["segmentation"] = [[v / 2 for v in polygon(each["bbox"])[0]]]

    with pytest.raises(BadInput, match=r"of 24 outlines \(segmentation\) leave their boxes"):
        look_at_renders(str(spread_coco(tmp_path / "set", halved)))
