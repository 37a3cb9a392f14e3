"""The score of images that count with weights: once each, as often as a bootstrap draws them, or not at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.base import Evidence, task
from tasks.data.drawn import CLASS_NAMES, shapes
from tasks.label_forms import CROWD, NO_BOX
from tasks.models.transfer import seeded_model
from tasks.training.evaluation import RESAMPLES, evaluate, on_test_images, resamples
from tests.tasks.arrays import coloured_squares
from tests.tasks.test_detection import scattered
from tests.tasks.test_keypoints import people
from tests.tasks.test_keypoints import scattered as scattered_people

IMAGES = 12


def answers(name: str) -> tuple[Tensor, Tensor]:
    """Labels of IMAGES images and predictions that are right here and wrong there."""
    learnt, rng = task(name), np.random.default_rng(0)
    noise = torch.Generator().manual_seed(0)
    if name == "keypoint":
        labels = people(IMAGES, rng)
        found = scattered_people(labels, rng)
        labels[::3, 0, 0] = CROWD - labels[::3, 0, 0]
        return found, labels
    if name in ("mulclass", "sinclass"):
        sets = (torch.rand(IMAGES, 3, generator=noise) < 0.4).to(torch.uint8)
        # of equal logits, too, average precision makes one step
        logits = (2 * sets + torch.randn(IMAGES, 3, generator=noise)).round(decimals=1)
        return logits, sets if name == "mulclass" else sets.argmax(dim=1)
    labels = torch.from_numpy(shapes(IMAGES, 64, seed=0, kind=learnt.label_kind).labels)
    if name in ("objdet", "insseg"):
        near = scattered(torch.from_numpy(shapes(IMAGES, 64, seed=0, kind="boxes").labels), rng)
        # every third image has a crowd
        if name == "objdet":
            labels[::3, 0, 0] = CROWD - labels[::3, 0, 0]
        else:
            labels = labels.short()
            labels[::3, ..., 0][labels[::3, ..., 0] == 1] = -1
        full = torch.ones(*near.shape[:2], 28**2 if name == "insseg" else 0)
        return torch.cat([near, full], dim=-1), labels
    outputs = {"semseg": len(CLASS_NAMES) + 1, "normal": 3, "depth": 1}[name]
    predictions = torch.randn(IMAGES, outputs, 64, 64, generator=noise)
    if name == "semseg":
        predictions += 2 * torch.nn.functional.one_hot(labels.long(), outputs).permute(0, 3, 1, 2)
    return predictions, labels


def evidence(name: str, drawn: np.ndarray, batch: int = 5) -> list[Evidence]:
    """What the score needs of these images, which may stand there several times."""
    predictions, labels = answers(name)
    parts = torch.from_numpy(drawn).split(batch)
    return [task(name).evidence(predictions[part], labels[part]) for part in parts]


TASKS = ("sinclass", "mulclass", "semseg", "normal", "depth", "objdet", "insseg", "keypoint")


@pytest.mark.parametrize("name", TASKS)
def test_an_image_of_weight_two_counts_as_two_images_and_one_of_weight_zero_not_at_all(name: str) -> None:
    weights = np.random.default_rng(1).multinomial(IMAGES, [1 / IMAGES] * IMAGES, 4).astype(float)
    whole = evidence(name, np.arange(IMAGES))

    once, *resampled = task(name).weighted(whole, np.concatenate([np.ones((1, IMAGES)), weights]))

    assert once == pytest.approx(task(name).metric(evidence(name, np.arange(IMAGES), batch=IMAGES)), abs=1e-9)
    repeated = [np.repeat(np.arange(IMAGES), row.astype(int)) for row in weights]
    assert resampled == pytest.approx([task(name).metric(evidence(name, each)) for each in repeated], abs=1e-9)
    assert 0 < once < 1
    assert len(set(resampled)) > 1


@pytest.mark.parametrize("name", ["mulclass", "semseg", "objdet"])
def test_a_class_that_no_drawn_image_shows_is_left_out(name: str) -> None:
    # given images with boxes; the weights leave one of them and then none at all
    whole = evidence(name, np.arange(IMAGES))
    alone, none = np.eye(IMAGES)[:1], np.zeros((1, IMAGES))

    one, nothing = task(name).weighted(whole, np.concatenate([alone, none]))

    assert one == pytest.approx(task(name).metric(evidence(name, np.arange(1))), abs=1e-9)
    assert math.isnan(nothing)


def test_average_precision_is_that_of_scikit_learn_under_any_weights() -> None:
    from sklearn.metrics import average_precision_score

    logits, sets = answers("mulclass")
    weights = np.random.default_rng(2).uniform(0.1, 3, (3, IMAGES))

    ours = task("mulclass").weighted([(logits, sets)], weights)

    theirs = [average_precision_score(sets.numpy(), logits.numpy(), sample_weight=row) for row in weights]
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_a_logit_that_is_not_finite_has_no_rank() -> None:
    logits, sets = answers("mulclass")
    logits[0, 0] = torch.nan

    with pytest.raises(FloatingPointError, match="a logit is not finite"):
        task("mulclass").metric([(logits, sets)])


def test_the_spread_over_resamples_of_an_accuracy_is_the_binomial_one() -> None:
    size, error = 2000, 0.1
    labels = torch.zeros(size, dtype=torch.int64)
    wrong = torch.arange(size) < error * size
    logits = torch.stack([(~wrong).float(), wrong.float()], dim=1)

    errors = 1 - task("sinclass").weighted([(logits, labels)], resamples(size))

    assert errors.mean() == pytest.approx(error, abs=0.002)
    assert errors.std(ddof=1) == pytest.approx(math.sqrt(error * (1 - error) / size), rel=0.15)


def test_resamples_are_the_same_for_all_who_test_on_as_many_images() -> None:
    assert np.array_equal(resamples(30), resamples(30))
    assert resamples(30).shape == (RESAMPLES, 30)
    assert (resamples(30).sum(axis=1) == 30).all()
    assert len(np.unique(resamples(30), axis=0)) == RESAMPLES


def test_a_model_keeps_what_it_gets_right_and_equal_models_err_alike_on_every_resample() -> None:
    data, sinclass = coloured_squares(40), task("sinclass")
    model, same, other = (seeded_model("small_resnet", sinclass, 4, seed) for seed in (0, 0, 1))

    first, second, third = (on_test_images(each, sinclass, data) for each in (model, same, other))

    assert first.scores is not None
    assert first.metric == first.scores.mean() == evaluate(model, sinclass, data)
    assert (first.scores.dtype, first.size) == (np.bool_, 40)
    assert np.array_equal(first.resampled, second.resampled)
    assert first.resampled == pytest.approx(1 - resamples(40) @ first.scores / 40)
    assert not np.array_equal(first.resampled, third.resampled)


def test_a_metric_that_is_no_mean_over_images_keeps_no_score_an_image() -> None:
    data, semseg = shapes(6, 32, seed=0, kind="semantic"), task("semseg")
    model = seeded_model("small_resnet", semseg, len(data.class_names), 0)

    tested = on_test_images(model, semseg, data)

    assert tested.scores is None
    assert tested.metric == pytest.approx(evaluate(model, semseg, data), abs=1e-12)
    assert np.isfinite(tested.resampled).all()


def test_detections_where_no_object_is_add_nothing_but_mistakes() -> None:
    # given one image with an object that is found and one with none, where something is found all the same
    truth = torch.tensor([[[0, 0, 0, 10, 10.0]], [[float(NO_BOX)] * 5]])
    found = torch.tensor([[[0, 0.5, 0, 0, 10, 10.0]], [[0, 0.9, 0, 0, 10, 10]]])

    with_mistake, without = task("objdet").weighted([(found, truth)], np.array([[1.0, 1], [1, 0]]))

    assert (with_mistake, without) == (pytest.approx(0.5), pytest.approx(1))
