"""Keypoint AP against cases worked out by hand and, detection for detection, against pycocotools."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.base import TaskError, task
from tasks.data.catalogue import RealSet
from tasks.data.drawn import KEYPOINTS, shapes
from tasks.data.keypoint_labels import OTHER_SIGMA, PERSON, check_flip, mirrored_order, padding, rows_of, sigmas_of
from tasks.keypoints import keypoint_target
from tasks.label_forms import NO_BOX
from tasks.models.transfer import build_model, seeded_model
from tasks.recipes.registry import recipe
from tasks.training.loop import train
from tests.tasks.data.drawn_folders import write_keypoints

KEYPOINT = task("keypoint")
NAMES = ("a", "b")
BOX = (10.0, 10.0, 30.0, 30.0)


def label(*points: tuple[float, float, float], area: float = 400.0, kind: int = 0) -> Tensor:
    """One image with one object of two keypoints."""
    rows = rows_of(np.array([kind]), np.array([BOX]), np.array([area]), np.array([points]), NAMES)
    return torch.from_numpy(rows)[None]


def found(*points: tuple[float, float], score: float = 0.9, kind: int = 0) -> Tensor:
    return torch.tensor([[[kind, score, *BOX, *(number for point in points for number in (*point, 1.0))]]])


def test_keypoints_at_their_places_score_one_and_those_far_off_nothing() -> None:
    truth = label((12, 12, 2), (28, 28, 2))

    assert KEYPOINT.metric([(found((12, 12), (28, 28)), truth)]) == pytest.approx(1)
    assert KEYPOINT.metric([(found((28, 12), (12, 28)), truth)]) == pytest.approx(0)
    assert KEYPOINT.metric([(found((12, 12), (28, 28), kind=1), truth)]) == pytest.approx(0)


def test_a_keypoint_shifted_by_a_known_distance_has_the_similarity_of_the_formula() -> None:
    # given one of two keypoints right and one off so far that its own similarity is 0.3: OKS (1 + 0.3) / 2 = 0.65
    distance = math.sqrt(-math.log(0.3) * 2 * 400 * (2 * OTHER_SIGMA) ** 2)
    nearer, farther = (found((12 + share * distance, 12), (28, 28)) for share in (0.99, 1.01))

    # then a little nearer it is right at 0.50, 0.55, 0.60 and 0.65, and a little farther not at the last
    assert KEYPOINT.metric([(nearer, label((12, 12, 2), (28, 28, 1)))]) == pytest.approx(0.4)
    assert KEYPOINT.metric([(farther, label((12, 12, 2), (28, 28, 1)))]) == pytest.approx(0.3)
    # a keypoint that is not labelled does not count
    assert KEYPOINT.metric([(farther, label((0, 0, 0), (28, 28, 2)))]) == pytest.approx(1)


def test_an_object_without_a_labelled_keypoint_counts_neither_way() -> None:
    rows = torch.cat([label((12, 12, 2), (28, 28, 2)), label((0, 0, 0), (0, 0, 0))], dim=1)

    assert KEYPOINT.metric([(found((12, 12), (28, 28)), rows)]) == pytest.approx(1)
    with pytest.raises(TaskError, match="shows any object with a keypoint"):
        KEYPOINT.metric([(found((12, 12), (28, 28)), label((0, 0, 0), (0, 0, 0)))])
    with pytest.raises(TaskError, match="shows any object with a keypoint"):
        KEYPOINT.metric([(found((12, 12), (28, 28)), torch.from_numpy(padding(1, 1, 2)))])


def test_no_detection_at_all_is_an_error_of_one() -> None:
    nothing = torch.full((1, 1, 12), float(NO_BOX))

    assert KEYPOINT.metric([(nothing, label((12, 12, 2), (28, 28, 2)))]) == 0


def people(count: int, rng: np.random.Generator) -> Tensor:
    """Labels (count, 3, 6 + 4 * 17) of one or two persons and a chair each, keypoints scattered in their boxes."""
    labels = padding(count, 3, len(PERSON))
    for places in labels:
        for place in places[: rng.integers(2, 4)]:
            low, size = rng.uniform(0, 40, 2), rng.uniform(15, 60, 2)
            points = np.concatenate([low + size * rng.uniform(size=(17, 2)), rng.integers(0, 3, (17, 1))], axis=1)
            points[points[:, 2] == 0] = 0
            box, area = np.array([[*low, *(low + size)]]), np.array([rng.uniform(0.4, 0.8) * size.prod()])
            place[:] = rows_of(rng.integers(0, 2, 1), box, area, points[None], tuple(PERSON))[0]
    return torch.from_numpy(labels)


def scattered(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Detections near the true objects, some missing, some of another class, some where nothing is."""
    images = []
    for image in labels:
        rows = []
        for row in image[image[:, 0] != NO_BOX].numpy():
            points = row[6:].reshape(-1, 4)[:, :2] + rng.normal(0, rng.uniform(0.5, 4), (17, 2))
            kind = int(row[0]) if rng.uniform() < 0.9 else 1 - int(row[0])
            if rng.uniform() < 0.9:
                rows.append([kind, rng.uniform(), *row[1:5], *np.insert(points, 2, 1, axis=1).ravel()])
        elsewhere = np.insert(rng.uniform(0, 90, (17, 2)), 2, 1, axis=1)
        rows.append([int(rng.integers(2)), rng.uniform(), 0, 0, 9, 9, *elsewhere.ravel()])
        images.append(rows)
    most = max(len(rows) for rows in images)
    return torch.tensor([rows + [[float(NO_BOX)] * 57] * (most - len(rows)) for rows in images], dtype=torch.float32)


def by_pycocotools(detections: Tensor, labels: Tensor) -> float:
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for i, (rows, image) in enumerate(zip(detections, labels, strict=True)):
        for row in image[image[:, 0] != NO_BOX]:
            x0, y0, x1, y1 = row[1:5].tolist()
            points = row[6:].reshape(-1, 4)[:, :3]
            shared = {"image_id": i, "category_id": int(row[0]), "id": len(truth) + 1, "iscrowd": 0}
            numbers = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": float(row[5])}
            many = int((points[:, 2] > 0).sum())
            truth.append(shared | numbers | {"keypoints": points.flatten().tolist(), "num_keypoints": many})
        for row in rows[rows[:, 0] != NO_BOX]:
            one = {"image_id": i, "category_id": int(row[0]), "score": float(row[1]), "keypoints": row[6:].tolist()}
            results.append(one)
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO()
        images = [{"id": i} for i in range(len(labels))]
        known.dataset = {"info": {}, "images": images, "annotations": truth, "categories": [{"id": 0}, {"id": 1}]}
        known.createIndex()
        scored = evaluation.COCOeval(known, known.loadRes(results), "keypoints")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return float(scored.stats[0])


def test_the_ap_of_persons_keypoints_is_that_of_pycocotools_with_cocos_own_sigmas() -> None:
    rng = np.random.default_rng(0)
    labels = people(40, rng)
    detections = scattered(labels, rng)

    ours = KEYPOINT.metric([(detections[:15], labels[:15]), (detections[15:], labels[15:])])

    assert 0.1 < ours < 0.9
    assert ours == pytest.approx(by_pycocotools(detections, labels), abs=1e-6)


def test_persons_have_cocos_sigmas_and_other_sets_one_constant() -> None:
    assert len(PERSON) == 17
    assert sigmas_of(tuple(PERSON))[0] == pytest.approx(0.026)
    assert set(sigmas_of(tuple(f"p{k}" for k in range(17))).tolist()) == {np.float32(OTHER_SIGMA)}


def test_left_and_right_change_places_in_a_mirror_and_names_without_sides_tell_nothing() -> None:
    assert mirrored_order(("nose", "left_eye", "right_eye")) == [0, 2, 1]
    assert mirrored_order(("nose", "left_eye")) is None
    assert mirrored_order(("rim", "handle")) is None
    with pytest.raises(TaskError, match="augment has flip, and nothing says which of the keypoints rim, handle"):
        check_flip(recipe("finetune-keypoint-quick"), ("rim", "handle"))


def test_the_training_loop_trains_and_scores_it_and_refuses_to_mirror_what_has_no_mirror_image() -> None:
    data = shapes(2, 32, seed=0, kind="keypoints")
    short = replace(recipe("finetune-keypoint-quick"), iterations=1, batch_size=2, warmup_images=0)
    model = seeded_model("small_resnet", KEYPOINT, 3, 0, len(KEYPOINTS))

    result = train(model, KEYPOINT, data, short, seed=0, validation=data)

    assert result.metric is not None
    assert 0 <= result.metric <= 1
    with pytest.raises(TaskError, match="recipe: augment has flip"):
        train(model, KEYPOINT, replace(data, keypoint_names=("a", "b", "c", "d", "e")), short, seed=0)


def test_a_model_is_asked_for_with_its_number_of_keypoints() -> None:
    with pytest.raises(TaskError, match="keypoint: a model of 0 keypoints cannot be"):
        build_model("small_resnet", KEYPOINT, 3)
    with pytest.raises(TaskError, match="objdet: a model of 9 keypoints cannot be"):
        build_model("small_resnet", task("objdet"), 3, keypoints=9)


def test_the_drawn_keypoints_lie_in_their_boxes_and_visible_ones_show_their_object() -> None:
    data, masks = shapes(30, 64, seed=0, kind="keypoints"), shapes(30, 64, seed=0, kind="instances")
    centres = 0
    for image, rows in enumerate(torch.from_numpy(data.labels)):
        target = keypoint_target(rows)
        for box, points, kind in zip(*(target[name] for name in ("boxes", "keypoints", "labels")), strict=True):
            labelled = points[points[:, 2] > 0]
            assert (labelled[:, :2] >= box[:2] - 1e-3).all()
            assert (labelled[:, :2] <= box[2:] + 1e-3).all()
            x, y, visibility = points[list(KEYPOINTS).index("centre")].tolist()
            number, shown = masks.labels[image, int(y), int(x)]
            assert number > 0
            if visibility == 2:
                assert shown == kind - 1
                centres += 1
    assert centres > 30


def test_a_folder_of_keypoints_is_read_as_it_was_drawn_and_a_perfect_answer_to_it_scores_one(tmp_path: Path) -> None:
    write_keypoints(tmp_path / "points", train=4, test=4)
    drawn = shapes(4, 64, seed=1, kind="keypoints")

    test = RealSet("coco:points", tmp_path, 64, kind="keypoints", cache_dir=tmp_path / "cache").load().test

    assert np.array_equal(test.images, drawn.images)
    assert test.keypoint_names == tuple(KEYPOINTS)
    labels = torch.from_numpy(test.labels)
    points = labels[..., 6:].unflatten(-1, (-1, 4))[..., :3]
    scores = torch.where(labels[..., :1] == NO_BOX, float(NO_BOX), 0.9)
    answer = torch.cat([labels[..., :1], scores, labels[..., 1:5], points.flatten(2)], dim=-1)
    assert KEYPOINT.metric([(answer, labels)]) == pytest.approx(1)
    assert KEYPOINT.metric([(answer, torch.from_numpy(drawn.labels))]) == pytest.approx(1)
