"""COCO's AP beside pycocotools: crowds, run lengths and polygons, overlapping masks, 300 objects, 300 categories."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any, Literal

import numpy as np
import pytest

from tasks.average_precision import coco_precision
from tasks.data.keypoint_labels import PERSON, sigmas_of

Kind = Literal["bbox", "segm", "keypoints"]
Annotations = list[dict[str, Any]]
SIDE = 96
CROWDS = 0.15


def by_pycocotools(kind: Kind, objects: Annotations, detections: Annotations, images: int) -> float:
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO()
        known.dataset = {
            "info": {},
            "images": [{"id": image, "height": SIDE, "width": SIDE} for image in range(images)],
            "annotations": [{"id": number, **each} for number, each in enumerate(copy.deepcopy(objects), start=1)],
            "categories": [{"id": kind} for kind in sorted({each["category_id"] for each in objects})],
        }
        known.createIndex()
        scored = evaluation.COCOeval(known, known.loadRes(copy.deepcopy(detections)), kind)
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return float(scored.stats[0])


def box(rng: np.random.Generator, least: float, most: float) -> list[float]:
    return [*rng.uniform(0, SIDE - most, 2).tolist(), *rng.uniform(least, most, 2).tolist()]


def near(rng: np.random.Generator, shape: list[float]) -> list[float]:
    """A box that overlaps another well, or hardly."""
    x, y, width, height = shape
    slips = rng.normal(0, rng.uniform(0.01, 0.3), 4)
    return [x + slips[0] * width, y + slips[1] * height, width * (1 + slips[2] / 2), height * (1 + slips[3] / 2)]


def scene(rng: np.random.Generator, images: int, objects: int, categories: int) -> tuple[Annotations, Annotations]:
    """Boxes of objects and crowds, and of detections: of objects, in crowds, and where nothing is."""
    truth: Annotations = []
    found: Annotations = []
    for image in range(images):
        for _ in range(objects):
            shared = {"image_id": image, "category_id": int(rng.integers(categories))}
            is_crowd = int(rng.uniform() < CROWDS)
            shape = box(rng, 20, 60) if is_crowd else box(rng, 4, 30)
            truth.append(shared | {"bbox": shape, "area": shape[2] * shape[3], "iscrowd": is_crowd})
            guesses = [near(rng, shape)]
            if is_crowd:
                x, y, width, height = shape
                # twice within the crowd, where one of them would be a mistake beside an object
                guesses = [[x + shift, y + shift, width / 3, height / 3] for shift in (0.0, 2.0)]
            guesses += [box(rng, 4, 30)] * (rng.uniform() < 0.2)
            # scores with ties
            found += [shared | {"bbox": guess, "score": round(rng.uniform(), 2)} for guess in guesses]
    return truth, found


def agree(kind: Kind, truth: Annotations, found: Annotations, images: int, **options: Any) -> float:
    """AP, the same for us and for pycocotools."""
    theirs = by_pycocotools(kind, truth, found, images)
    [ours] = coco_precision(kind, truth, found, np.ones((1, images)), **options)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert 0.02 < theirs < 0.98, "a set that is too easy or too hard tells nothing"
    return float(ours)


@pytest.mark.parametrize(
    ("images", "objects", "categories"),
    [(8, 12, 3), (2, 300, 1), (8, 60, 300)],
    ids=["a few of three kinds", "300 objects of one kind in an image", "300 categories"],
)
def test_boxes_with_crowds_have_the_ap_of_pycocotools(images: int, objects: int, categories: int) -> None:
    truth, found = scene(np.random.default_rng(0), images, objects, categories)

    ours = agree("bbox", truth, found, images)

    # crowds do matter: taken for objects, or left out, they would give another figure
    for changed in ([each | {"iscrowd": 0} for each in truth], [each for each in truth if not each["iscrowd"]]):
        [other] = coco_precision("bbox", changed, found, np.ones((1, images)))
        assert abs(other - ours) > 1e-3


def ellipse(shape: list[float]) -> np.ndarray:
    x, y, width, height = shape
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    inside = ((columns - x - width / 2) / (width / 2)) ** 2 + ((rows - y - height / 2) / (height / 2)) ** 2 <= 1
    return np.asfortranarray(inside.astype(np.uint8))


@pytest.mark.parametrize(
    ("images", "objects", "categories"),
    [(6, 15, 3), (2, 300, 1), (8, 40, 300)],
    ids=["few", "300 objects", "300 kinds"],
)
def test_overlapping_masks_with_crowds_have_the_ap_of_pycocotools(images: int, objects: int, categories: int) -> None:
    run_lengths = pytest.importorskip("pycocotools.mask")
    truth, found = scene(np.random.default_rng(1), images, objects, categories)
    for number, each in enumerate(truth):
        x, y, width, height = each["bbox"]
        corners = [[x, y, x + width, y, x + width, y + height, x + width / 4, y + height]]
        # crowds as run lengths, as COCO has them; every other object as a polygon
        is_polygon = number % 2 and not each["iscrowd"]
        each["segmentation"] = corners if is_polygon else run_lengths.encode(ellipse(each["bbox"]))
    found = [
        {key: each[key] for key in ("image_id", "category_id", "score")}
        | {"segmentation": run_lengths.encode(ellipse(each["bbox"]))}
        for each in found
    ]

    agree("segm", truth, found, images, size=(SIDE, SIDE))


def points(rng: np.random.Generator, shape: list[float], labelled: bool) -> np.ndarray:
    """(17, 3) in a box, some of them not labelled, or none."""
    x, y, width, height = shape
    visible = rng.integers(0, 3, 17) * labelled
    at = np.array([x, y]) + np.array([width, height]) * rng.uniform(size=(17, 2))
    return np.column_stack([np.where(visible[:, None] > 0, at, 0), visible])


def test_keypoints_with_crowds_and_persons_without_a_keypoint_have_the_ap_of_pycocotools() -> None:
    # given persons of whom a third has no labelled keypoint and some are crowds, which have none
    rng, images = np.random.default_rng(2), 20
    truth, boxes = scene(rng, images, 12, 2)
    found: Annotations = []
    for each in truth:
        placed = points(rng, each["bbox"], labelled=not each["iscrowd"] and rng.uniform() < 0.67)
        each |= {"keypoints": placed.ravel().tolist(), "num_keypoints": int((placed[:, 2] > 0).sum())}
        guess = placed[:, :2] + rng.normal(0, rng.uniform(0.3, 3), (17, 2))
        if not each["num_keypoints"]:
            guess = points(rng, each["bbox"], labelled=True)[:, :2]
        found.append(_person(each, guess, rng))
        if each["iscrowd"]:
            found.append(_person(each, guess + 1, rng))
    found += [_person(each, points(rng, each["bbox"], labelled=True)[:, :2], rng) for each in boxes[::4]]

    ours = agree("keypoints", truth, found, images, sigmas=sigmas_of(tuple(PERSON)).astype(float))

    labelled = [each for each in truth if each["num_keypoints"]]
    [without] = coco_precision(
        "keypoints", labelled, found, np.ones((1, images)), sigmas=sigmas_of(tuple(PERSON)).astype(float)
    )
    assert without < ours - 1e-3, "detections on persons without a keypoint would count as mistakes"


def _person(each: dict[str, Any], guess: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    shared = {key: each[key] for key in ("image_id", "category_id")}
    return shared | {"score": rng.uniform(), "keypoints": np.insert(guess, 2, 1, axis=1).ravel().tolist()}


def test_images_with_crowds_that_count_twice_count_as_two_images() -> None:
    # given scores without ties, whose order a copy of an image would change
    truth, found = scene(np.random.default_rng(3), 4, 12, 3)
    found = [each | {"score": each["score"] + number * 1e-6} for number, each in enumerate(found)]
    weights = np.array([2, 0, 1, 3])

    [weighted] = coco_precision("bbox", truth, found, weights[None].astype(float))

    copies = [image for image, count in enumerate(weights) for _ in range(count)]
    objects, detections = (
        [
            each | {"image_id": place}
            for place, image in enumerate(copies)
            for each in given
            if each["image_id"] == image
        ]
        for given in (truth, found)
    )
    [once_each] = coco_precision("bbox", objects, detections, np.ones((1, len(copies))))
    assert weighted == pytest.approx(once_each, abs=1e-9)
