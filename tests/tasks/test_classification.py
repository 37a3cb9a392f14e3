"""The metrics against cases worked out by hand."""

from __future__ import annotations

import pytest
import torch

from tasks.base import ArraySet, TaskError, task
from tests.tasks.arrays import coloured_squares


def test_map_is_the_mean_of_each_present_classs_average_precision() -> None:
    # class 0 ranks its two images 1st and 3rd: (1/1 + 2/3) / 2; class 1 has its one image 2nd: 1/2; class 2 is absent
    logits = torch.tensor([[4.0, 1.0, 9.0], [3.0, 2.0, 8.0], [2.0, -5.0, 7.0]])
    labels = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=torch.uint8)

    score = task("mulclass").metric([(logits[:1], labels[:1]), (logits[1:], labels[1:])])

    assert score == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2, abs=1e-6)


def test_map_tells_sure_answers_from_surer_ones() -> None:
    logits, labels = torch.tensor([[20.0], [30.0]]), torch.tensor([[0], [1]], dtype=torch.uint8)

    assert task("mulclass").metric([(logits, labels)]) == 1


def test_map_without_any_class_present_is_refused_rather_than_zero() -> None:
    with pytest.raises(TaskError, match="no image of the evaluation set shows any class"):
        task("mulclass").metric([(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.uint8))])


def test_top1_counts_images_whatever_their_class() -> None:
    logits = torch.tensor([[2.0, 1.0], [2.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1, 1])

    assert task("sinclass").metric([(logits, labels)]) == pytest.approx(3 / 4)


def test_an_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError,
        match="unknown task 'detect'; known tasks: depth, insseg, keypoint, mulclass, normal, objdet",
    ):
        task("detect")


def test_labels_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(TaskError, match="mulclass needs class_set labels, the data set has class_index"):
        task("mulclass").check(coloured_squares(4))


def test_a_label_outside_the_class_names_is_refused() -> None:
    data = coloured_squares(8)
    with pytest.raises(TaskError, match=r"outside 0\.\.2"):
        ArraySet(data.images, data.labels, data.class_names[:3])


def test_map_and_top_1_agree_with_torchmetrics_on_random_scores() -> None:
    from torchmetrics.functional.classification import multiclass_accuracy, multilabel_average_precision

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 8, generator=generator)
    class_sets = (torch.rand(200, 8, generator=generator) < 0.2).to(torch.uint8)
    classes = torch.randint(8, (200,), generator=generator)

    their_map = multilabel_average_precision(logits.sigmoid(), class_sets.long(), num_labels=8, average="macro")
    their_top1 = multiclass_accuracy(logits, classes, num_classes=8, average="micro")

    assert task("mulclass").metric([(logits, class_sets)]) == pytest.approx(float(their_map), abs=1e-6)
    assert task("sinclass").metric([(logits, classes)]) == pytest.approx(float(their_top1), abs=1e-6)
