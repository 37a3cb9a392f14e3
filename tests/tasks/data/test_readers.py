"""COCO, ADE20K and mask folders: drawn ones whose labels are known, and the photographs in their full-scale layout."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.base import ArraySet
from tasks.data.catalogue import RealSet
from tasks.data.sampling import subset
from tasks.label_forms import IGNORED, NO_BOX


def read(name: str, root: Path, side: int, **options: Any) -> tuple[ArraySet, ArraySet]:
    data = RealSet(name, root, side, cache_dir=root / "cache", **options).load()
    return data.train, data.test


def write_coco(folder: Path) -> Path:
    """Photographs of 80 x 40 px with a white object at x 40 to 60, y 10 to 30; the second training image is empty."""
    for split, count in (("train2017", 2), ("val2017", 1)):
        (folder / split).mkdir(parents=True)
        (folder / "annotations").mkdir(exist_ok=True)
        images, annotations = [], []
        for index in range(count):
            pixels = np.zeros((40, 80, 3), np.uint8)
            pixels[10:30, 40:60] = 255
            Image.fromarray(pixels).save(folder / split / f"{index}.png")
            images.append({"id": 7 * index, "file_name": f"{index}.png", "width": 80, "height": 40})
        outline = [[40, 10, 60, 10, 60, 30, 40, 30]]
        common = {"image_id": 0, "category_id": 9, "bbox": [40, 10, 20, 20], "area": 400, "segmentation": outline}
        annotations = [{"id": 1, "iscrowd": 0, **common}, {"id": 2, "iscrowd": 1, **common}]
        categories = [{"id": 9, "name": "cup"}, {"id": 4, "name": "cat"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return folder


def write_masks(folder: Path, splits: tuple[str, str] = ("training", "validation")) -> Path:
    """Photographs of 24 x 12 px: left half class 1 and black, right half class 3 and white; the top row is class 0."""
    for split in splits:
        (folder / "images" / split).mkdir(parents=True)
        (folder / "annotations" / split).mkdir(parents=True)
        for index in range(2):
            classes = np.ones((12, 24), np.uint8)
            classes[:, 12:], classes[0] = 3, 0
            pixels = np.where(classes[..., None] == 3, 255, 0).astype(np.uint8).repeat(3, axis=2)
            Image.fromarray(pixels).save(folder / "images" / split / f"{index}.png")
            Image.fromarray(classes).save(folder / "annotations" / split / f"{index}.png")
    return folder


def test_boxes_follow_their_photograph_into_the_square(tmp_path: Path) -> None:
    write_coco(tmp_path / "set")

    train, test = read("coco:set", tmp_path, 40, kind="boxes")

    # an image without an object teaches nothing; a crowd is no object, of class -2 - 1; categories are sorted by id
    assert (len(train), len(test)) == (1, 1)
    assert train.class_names == ("cat", "cup")
    assert train.labels.tolist() == [[[1, 20, 5, 30, 15], [-3, 20, 5, 30, 15]]]
    shown = train.images[0]
    assert shown[6:14, 21:29].min() == 255
    assert shown[:4].max() == 0
    assert np.unique(shown[20:]).tolist() == [128]


def test_masks_and_class_sets_come_from_the_same_list(tmp_path: Path) -> None:
    write_coco(tmp_path / "set")

    masks, _ = read("coco:set", tmp_path, 40, kind="instances")
    sets, _ = read("coco:set", tmp_path, 40, kind="class_set")

    rows, columns = np.nonzero(masks.labels[0, ..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 14, 20, 29)
    assert np.unique(masks.labels[0, rows, columns], axis=0).tolist() == [[1, 1]]
    assert sets.labels.tolist() == [[0, 1]]


HANDS = ["left_hand", "nose", "right_hand"]


def write_keypoints(folder: Path, names: list[str] = HANDS) -> Path:
    """The photographs of `write_coco`, its white object a person with a hand at each side; the nose is not labelled."""
    write_coco(folder)
    for split in ("train2017", "val2017"):
        content = json.loads((folder / "annotations" / f"instances_{split}.json").read_text())
        # in pixels: the first white column is 40, the last row of them 29
        person = {"category_id": 1, "keypoints": [40, 20, 2, 0, 0, 0, 59, 29, 1], "num_keypoints": 2}
        bystander = {"category_id": 1, "keypoints": [0] * 9, "num_keypoints": 0}
        annotations = [content["annotations"][0] | person]
        if split == "train2017":
            annotations.append(content["annotations"][0] | bystander | {"id": 5, "image_id": 7})
        content |= {"annotations": annotations, "categories": [{"id": 1, "name": "person", "keypoints": names}]}
        (folder / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return folder


def test_keypoints_follow_their_photograph_into_the_square(tmp_path: Path) -> None:
    write_keypoints(tmp_path / "set")

    train, test = read("coco:set", tmp_path, 40, kind="keypoints")

    # an image where nothing has a keypoint teaches nothing
    assert (len(train), len(test)) == (1, 1)
    assert (train.class_names, train.keypoint_names) == (("person",), tuple(HANDS))
    [row] = train.labels[0]
    assert row[:6].tolist() == [0, 20, 5, 30, 15, 100]
    points = row[6:].reshape(3, 4)
    assert points[:, :3].tolist() == [[20.25, 10.25, 2], [0, 0, 0], [29.75, 14.75, 1]]
    assert points[:, 3].tolist() == pytest.approx([0.05] * 3)
    # they are on the white object
    assert (train.images[0, points[[0, 2], 1].astype(int), points[[0, 2], 0].astype(int)] > 150).all()
    assert len(subset(train, count=1, seed=0, balanced=True)) == 1


def _keypoint_lists(folder: Path, change: dict[str, Any]) -> None:
    for split in ("train2017", "val2017"):
        file = folder / "annotations" / f"person_keypoints_{split}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))


def _no_keypoints(folder: Path) -> None:
    _keypoint_lists(folder, {"categories": [{"id": 1, "name": "person"}]})


def _other_keypoints(folder: Path) -> None:
    dog = {"id": 2, "name": "dog", "keypoints": ["tail"]}
    _keypoint_lists(folder, {"categories": [{"id": 1, "name": "person", "keypoints": HANDS}, dog]})


def _short_keypoints(folder: Path) -> None:
    _keypoint_lists(folder, {"categories": [{"id": 1, "name": "person", "keypoints": HANDS[:2]}]})


def _endless_keypoint(folder: Path) -> None:
    common = {"id": 3, "image_id": 0, "category_id": 1, "bbox": [0, 0, 9, 9]}
    _keypoint_lists(folder, {"annotations": [common | {"keypoints": [float("nan"), 1, 2, *[0] * 6]}]})


def _only_bystanders(folder: Path) -> None:
    _keypoint_lists(
        folder,
        {"annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 9, 9], "keypoints": [0] * 9}]},
    )


def _no_keypoint_list(folder: Path) -> None:
    (folder / "annotations" / "person_keypoints_val2017.json").unlink()


def test_the_ignored_class_is_taken_out_and_those_above_it_move_down(tmp_path: Path) -> None:
    write_masks(tmp_path / "ADEChallengeData2016")

    ade, _ = read("ade20k", tmp_path, 24, kind="semantic")
    plain, _ = read("masks:ADEChallengeData2016", tmp_path, 24, kind="semantic")

    assert ade.labels[0, 1, ::12].tolist() == [0, 2]
    assert set(ade.labels[0, 0].tolist()) == {IGNORED}, "label 0"
    assert set(ade.labels[0, 12:].flatten().tolist()) == {IGNORED}, "beyond the photograph"
    assert plain.labels[0, 1, ::12].tolist() == [1, 3]
    assert (len(ade.class_names), plain.class_names) == (150, ("0", "1", "2", "3"))
    assert (ade.images[0, 1:12, :, 0] == np.where(ade.labels[0, 1:12] == 2, 255, 0)).all()


def test_directions_and_depths_are_read_with_what_is_missing_left_out(tmp_path: Path) -> None:
    folder = write_masks(tmp_path / "set", splits=("train", "test"))
    for split in ("train", "test"):
        for kind in ("normals", "depth"):
            (folder / kind / split).mkdir(parents=True)
        for index in range(2):
            directions = np.full((12, 24, 3), (128, 128, 255), np.uint8)
            directions[0] = 0
            Image.fromarray(directions).save(folder / "normals" / split / f"{index}.png")
            metres = np.full((12, 24), 2500, np.uint16)
            metres[0] = 0
            Image.fromarray(metres).save(folder / "depth" / split / f"{index}.png")

    normals, _ = read("masks:set", tmp_path, 24, kind="normals")
    depth, _ = read("masks:set", tmp_path, 24, kind="depth")

    assert normals.labels[0, 1, 0].tolist() == pytest.approx([0, 0, 1], abs=0.01)
    assert not normals.labels[0, [0, 13]].any()
    assert depth.labels[0, 1, 0] == 2.5
    assert not depth.labels[0, [0, 13]].any()


def _without_photograph(folder: Path) -> None:
    (folder / "train2017" / "0.png").unlink()


def _damaged_photograph(folder: Path) -> None:
    file = folder / "train2017" / "0.png"
    file.write_bytes(file.read_bytes()[:50])


def _damaged_list(folder: Path) -> None:
    (folder / "annotations" / "instances_train2017.json").write_text('{"images": [')


def _no_list(folder: Path) -> None:
    (folder / "annotations" / "instances_val2017.json").unlink()


def _without_map(folder: Path) -> None:
    (folder / "annotations" / "training" / "1.png").unlink()


def _coloured_map(folder: Path) -> None:
    Image.new("RGB", (24, 12)).save(folder / "annotations" / "training" / "1.png")


def _in_list(folder: Path, what: str, **values: Any) -> None:
    """Other values in the first of the training list's images or annotations."""
    file = folder / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    content[what][0].update(values)
    file.write_text(json.dumps(content))


def _turned_map(folder: Path) -> None:
    Image.new("L", (12, 24)).save(folder / "annotations" / "training" / "1.png")


POINTS = ("coco", write_keypoints, "keypoints")
COCO, MASKS, MAPS = ("coco", write_coco, "boxes"), ("coco", write_coco, "instances"), ("masks", write_masks, "semantic")
ENDLESS, NAMED = [1, 2, float("inf"), 4], "abc"
OTHER_FRAME = {"size": [5, 5], "counts": [10, 10, 5]}


@pytest.mark.parametrize(
    ("layout", "harm", "message"),
    [
        (COCO, _without_photograph, r"train2017/0\.png is not there"),
        (COCO, _damaged_photograph, r"train2017/0\.png cannot be read"),
        (COCO, _damaged_list, r"instances_train2017\.json is not COCO"),
        (COCO, partial(_in_list, what="annotations", bbox=list("1234")), r"is not COCO .*annotation 1 has bbox \['1'"),
        (COCO, partial(_in_list, what="annotations", bbox=ENDLESS), r"is not COCO .*annotation 1 has bbox .*inf"),
        (COCO, partial(_in_list, what="images", width=0), r"is not COCO .*image 0 is 0 x 40 px"),
        (COCO, partial(_in_list, what="images", width=40, height=80), r"0\.png is 80 x 40 px.* labels are for 40 x 80"),
        (MASKS, partial(_in_list, what="annotations", segmentation=NAMED), r"0\.png: the segmentation of annotation 1"),
        (MASKS, partial(_in_list, what="annotations", segmentation={"size": [40, 80]}), r"is no mask of 80 x 40 px"),
        (MASKS, partial(_in_list, what="annotations", segmentation=OTHER_FRAME), r"is no mask of 80 x 40 px"),
        (COCO, _no_list, r"has no annotations/instances_test\*\.json or annotations/instances_val\*\.json"),
        (POINTS, _no_keypoints, r"keypoints_train2017\.json: category person has no keypoints; list their names"),
        (POINTS, _other_keypoints, r"categories person and dog have different keypoints; one head"),
        (POINTS, _short_keypoints, r"annotation 1 has no 2 keypoints of x, y and visibility"),
        (POINTS, _endless_keypoint, r"annotation 3 has no 3 keypoints of x, y and visibility"),
        (POINTS, _only_bystanders, r"keypoints_train2017\.json lists no image with a keypoint in it"),
        (POINTS, _no_keypoint_list, r"has no annotations/\*keypoints_test\*\.json or annotations/\*keypoints_val"),
        (MAPS, _without_map, r"training/1\.png has no map; add .*annotations/training/1\.png"),
        (MAPS, _turned_map, r"training/1\.png is 24 x 12 px, upright, and its labels are for 12 x 24 px"),
        (MAPS, _coloured_map, r"annotations/training/1\.png is of mode RGB; class numbers are one 8-bit channel"),
    ],
)
def test_what_is_wrong_with_a_set_is_named_by_file(tmp_path: Path, layout: Any, harm: Any, message: str) -> None:
    reader, write, kind = layout
    harm(write(tmp_path / "set"))

    with pytest.raises((ValueError, OSError), match=message):
        read(f"{reader}:set", tmp_path, 24, kind=kind)


def test_a_set_without_the_tasks_kind_of_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'camvid' has semantic labels; the task needs boxes"):
        read("camvid", tmp_path, 24, kind="boxes")
    with pytest.raises(ValueError, match="only masks:PATH takes an ignore_label"):
        read("camvid", tmp_path, 24, kind="semantic", ignore_label=0)


def _with_boxes(counts: list[list[int]]) -> ArraySet:
    """One image a list; the list holds the classes in it."""
    most = max(len(classes) for classes in counts)
    rows = np.full((len(counts), most, 5), NO_BOX, np.float32)
    for row, classes in zip(rows, counts, strict=True):
        for place, number in zip(row, classes, strict=False):
            place[:] = number, 0, 0, 4, 4
    return ArraySet(np.zeros((len(counts), 8, 8, 3), np.uint8), rows, ("common", "rare"), "boxes")


def test_a_balanced_draw_of_many_labelled_images_takes_the_rarest_class_of_each_and_is_nested() -> None:
    data = _with_boxes([[0]] * 30 + [[0, 1]] * 5)

    balanced, uniform = subset(data, count=10, seed=0, balanced=True), subset(data, count=20, seed=0)

    assert (balanced >= 30).sum() == 5
    assert np.array_equal(subset(data, count=4, seed=0, balanced=True), balanced[:4])
    assert np.array_equal(subset(data, count=7, seed=0), uniform[:7])
    assert not np.array_equal(subset(data, count=20, seed=1), uniform)


@pytest.fixture
def photographs() -> Path:
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set, so there are no photographs to read")
    return Path(root)


@pytest.mark.data
def test_coco128_reads_as_coco_does(photographs: Path, tmp_path: Path) -> None:
    data = RealSet("coco:coco128", photographs, 64, kind="boxes", cache_dir=tmp_path).load()

    listed = json.loads((photographs / "coco128" / "annotations" / "instances_val2017.json").read_text())
    assert len(data.test) == 128
    assert len(data.test.class_names) == 80
    assert int((data.test.labels[..., 0] != NO_BOX).sum()) == len(listed["annotations"])
    assert data.test.labels[..., 1:].max() <= 64.01


@pytest.mark.data
def test_camvid_reads_as_ade20k_does_without_its_void(photographs: Path, tmp_path: Path) -> None:
    data = RealSet("camvid", photographs, 64, kind="semantic", cache_dir=tmp_path).load()

    assert (len(data.train), len(data.test)) == (367, 233)
    assert set(np.unique(data.test.labels)) == {*range(11), IGNORED}
    # the sky of a road scene is bright and above its road
    sky, road = (np.nonzero(data.test.labels == data.test.class_names.index(name)) for name in ("sky", "road"))
    assert sky[1].mean() < road[1].mean() - 10
    assert data.test.images[sky].mean() > data.test.images[road].mean() + 30
