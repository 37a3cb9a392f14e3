"""Crowds of COCO: read beside the objects, never learnt from, and what is found on them counts neither way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tasks.base import ArraySet, TaskError, task
from tasks.data.catalogue import RealSet
from tasks.data.keypoint_labels import rows_of
from tasks.data.sampling import shows_anything
from tasks.detection import box_target, mask_target
from tasks.keypoints import keypoint_target
from tasks.label_forms import CROWD, NO_BOX, LabelKind
from tests.tasks.data.test_readers import write_coco, write_keypoints

OBJDET, INSSEG, KEYPOINT = task("objdet"), task("insseg"), task("keypoint")


def rows(*given: tuple[float, ...]) -> Tensor:
    return torch.tensor([given], dtype=torch.float32)


def test_boxes_found_in_a_crowd_count_neither_way_and_those_beside_it_are_mistakes() -> None:
    # given one object, and a crowd of its class in the right half
    truth = rows((0, 0, 0, 10, 10), (CROWD, 30, 0, 60, 30))
    right, in_crowd, again = (0, 0.5, 0, 0, 10, 10), (0, 0.9, 30, 0, 40, 10), (0, 0.8, 31, 1, 41, 11)
    half_in, beside, of_other_class = (0, 0.9, 26, 0, 40, 10), (0, 0.9, 0, 40, 10, 50), (1, 0.9, 30, 0, 40, 10)

    assert OBJDET.metric([(rows(in_crowd, again, right), truth)]) == pytest.approx(1)
    assert OBJDET.metric([(rows(beside, right), truth)]) == pytest.approx(0.5)
    # 10 of its 14 columns lie in the crowd: it is a mistake for overlaps above 0.71, half of the ten
    assert OBJDET.metric([(rows(half_in, right), truth)]) == pytest.approx(0.75)
    assert OBJDET.metric([(rows(of_other_class, right), truth)]) == pytest.approx(1), "no object is of that class"


def test_masks_found_in_a_crowd_count_neither_way() -> None:
    truth = torch.zeros(1, 64, 64, 2, dtype=torch.int16)
    truth[0, :10, :10, 0], truth[0, :30, 30:60, 0] = 1, -2
    full = (1.0,) * 28**2

    answer = rows((0, 0.9, 30, 0, 40, 10, *full), (0, 0.8, 40, 10, 50, 20, *full), (0, 0.5, 0, 0, 10, 10, *full))

    assert INSSEG.metric([(answer, truth)]) == pytest.approx(1)
    assert INSSEG.metric([(answer, truth.abs())]) < 0.8


def test_a_crowd_teaches_nothing() -> None:
    assert box_target(rows((CROWD - 2, 0, 0, 9, 9), (2, 1, 1, 5, 5), (NO_BOX,) * 5)[0])["labels"].tolist() == [3]

    instances = torch.tensor([[[-1, 2], [4, 3]], [[0, 0], [4, 3]]], dtype=torch.int16)
    target = mask_target(instances)
    assert (target["labels"].tolist(), target["boxes"].tolist()) == ([4], [[1, 0, 2, 2]])

    box, area, points = np.array([[0, 0, 9, 9.0]]), np.array([81.0]), np.array([[[1, 1, 2.0]]])
    crowd, person = (rows_of(np.array([k]), box, area, points, ("a",)) for k in (CROWD, 0))
    assert len(keypoint_target(torch.from_numpy(np.concatenate([crowd, person])))["boxes"]) == 1


@pytest.mark.parametrize("name", ["objdet", "insseg", "keypoint"])
def test_a_set_of_crowds_alone_has_no_score(name: str) -> None:
    labels = {
        "objdet": rows((CROWD, 0, 0, 9, 9)),
        "insseg": torch.tensor([[[[-1, 0]] * 4] * 4], dtype=torch.int16),
        "keypoint": rows((CROWD, 0, 0, 9, 9, 81, 1, 1, 2, 0.05)),
    }[name]
    width = {"objdet": 6, "insseg": 790, "keypoint": 9}[name]

    with pytest.raises(TaskError, match="no image of the evaluation set shows any object"):
        task(name).metric([(torch.full((1, 1, width), float(NO_BOX)), labels)])


def test_an_image_of_crowds_alone_shows_nothing_and_an_unknown_class_of_one_is_refused() -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    labels = np.array([[[CROWD - 1, 0, 0, 4, 4]], [[1, 0, 0, 4, 4]]], np.float32)
    data = ArraySet(images, labels, ("cat", "cup"), "boxes")

    assert not shows_anything(data, np.array([0]))
    assert shows_anything(data, np.array([0, 1]))
    with pytest.raises(TaskError, match=r"class indices run from 1 to 2, outside 0\.\.1"):
        ArraySet(images, labels - np.array([[[1, 0, 0, 0, 0]], [[0] * 5]], np.float32), ("cat", "cup"), "boxes")


def with_crowd_aside(folder: Path, prefix: str) -> None:
    """The crowd of `write_coco` moved to the left of its photograph."""
    for file in (folder / "annotations").glob(f"{prefix}*.json"):
        content = json.loads(file.read_text())
        objects = [each for each in content["annotations"] if not each["iscrowd"]]
        # 400 pixels in columns of 40 from the corner: 20 of each of the first twenty
        runs = {"size": [40, 80], "counts": [0, *[20] * 39, 2420]}
        crowd = objects[0] | {"id": 99, "iscrowd": 1, "bbox": [0, 0, 20, 20], "segmentation": runs}
        crowd = {key: value for key, value in crowd.items() if "keypoints" not in key}
        file.write_text(json.dumps(content | {"annotations": [*objects, crowd]}))


@pytest.mark.parametrize("kind", ["boxes", "instances", "keypoints"])
def test_crowds_of_a_folder_are_carried_to_the_score(tmp_path: Path, kind: LabelKind) -> None:
    # given an object at x 20 to 30, y 5 to 15 and a crowd in the corner, in a square of 40 px
    write_keypoints(tmp_path / "set") if kind == "keypoints" else write_coco(tmp_path / "set")
    with_crowd_aside(tmp_path / "set", "person_keypoints" if kind == "keypoints" else "instances")
    data = RealSet("coco:set", tmp_path, 40, kind=kind, cache_dir=tmp_path / "cache").load().test
    number = data.class_names.index("person" if kind == "keypoints" else "cup")
    extra: dict[LabelKind, tuple[tuple[float, ...], tuple[float, ...]]] = {
        "boxes": ((), ()),
        "instances": ((1.0,) * 28**2,) * 2,
        "keypoints": ((20.25, 10.25, 1, 0, 0, 1, 29.75, 14.75, 1), (4, 4, 1) * 3),
    }

    right = (number, 0.5, 20, 5, 30, 15, *extra[kind][0])
    in_crowd = (number, 0.9, 0, 0, 8, 8, *extra[kind][1])
    learnt = {"boxes": OBJDET, "instances": INSSEG, "keypoints": KEYPOINT}[kind]

    assert learnt.metric([(rows(in_crowd, right), torch.from_numpy(np.array(data.labels)))]) == pytest.approx(1)


def test_insseg_has_every_object_that_objdet_has_however_small_and_many(tmp_path: Path) -> None:
    # given 300 objects of two pixels each in a photograph of 640 px, read at 64
    folder = write_coco(tmp_path / "set")
    for file in (folder / "annotations").glob("instances_*.json"):
        content = json.loads(file.read_text())
        places = [(7 + 32 * (k % 20), 3 + 32 * (k // 20)) for k in range(300)]
        outlines = [[x, y, x + 2, y, x + 2, y + 1, x, y + 1] for x, y in places]
        content["annotations"] = [
            {"id": k, "image_id": 0, "category_id": 9, "bbox": [x, y, 2, 1], "segmentation": [outline], "iscrowd": 0}
            for k, ((x, y), outline) in enumerate(zip(places, outlines, strict=True), start=1)
        ]
        content["images"] = [{"id": 0, "file_name": "0.png", "width": 640, "height": 640}]
        file.write_text(json.dumps(content))
        Image.new("RGB", (640, 640)).save(folder / file.stem.removeprefix("instances_") / "0.png")

    boxes, masks = (
        RealSet("coco:set", tmp_path, 64, kind=kind, cache_dir=tmp_path / "cache").load().test.labels[0]
        for kind in ("boxes", "instances")
    )

    listed, drawn = box_target(torch.from_numpy(boxes)), mask_target(torch.from_numpy(np.array(masks)))
    assert len(listed["boxes"]) == len(drawn["boxes"]) == 300
    apart = (listed["boxes"].unflatten(1, (2, 2)).mean(1) - drawn["boxes"].unflatten(1, (2, 2)).mean(1)).abs()
    assert apart.max() <= 0.5
