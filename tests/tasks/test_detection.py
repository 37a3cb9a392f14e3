"""mmAP by hand and, box for box and mask for mask, against pycocotools; how wide the heads are."""

from __future__ import annotations

import contextlib
import io
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.roi_heads import project_masks_on_boxes
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from tasks.base import TaskError, task
from tasks.data.drawn import CLASS_NAMES, shapes
from tasks.detection import box_target, mask_target, pasted
from tasks.label_forms import NO_BOX
from tasks.models.transfer import build_model

OBJDET, INSSEG = task("objdet"), task("insseg")
# of a narrow backbone: widths, and px of the image to a px of each map
WIDTHS, STEPS = (8,) * 4, (4, 8, 16, 32)


def found(*rows: tuple[float, ...]) -> Tensor:
    """One image's detections: class, score, box."""
    return torch.tensor([rows], dtype=torch.float32)


def objects(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor([rows], dtype=torch.float32)


def test_a_perfect_detection_scores_one_and_a_half_overlapping_one_at_the_lowest_threshold() -> None:
    truth = objects((0, 0, 0, 10, 10), (NO_BOX,) * 5)

    assert OBJDET.metric([(found((0, 0.9, 0, 0, 10, 10)), truth)]) == pytest.approx(1)
    # IoU 54 / 100: right at 0.50 only, one of ten thresholds
    assert OBJDET.metric([(found((0, 0.9, 0, 0, 10, 5.4)), truth)]) == pytest.approx(0.1)
    assert OBJDET.metric([(found((1, 0.9, 0, 0, 10, 10)), truth)]) == pytest.approx(0)


def test_a_better_scored_mistake_halves_the_precision_and_padding_is_nothing() -> None:
    rows = ((0, 0.9, 20, 20, 30, 30), (0, 0.5, 0, 0, 10, 10), (NO_BOX,) * 6)

    assert OBJDET.metric([(found(*rows), objects((0, 0, 0, 10, 10)))]) == pytest.approx(0.5)


def test_a_set_without_objects_has_no_score() -> None:
    with pytest.raises(TaskError, match="no image of the evaluation set shows any object"):
        OBJDET.metric([(found((0, 0.9, 0, 0, 1, 1)), objects((NO_BOX,) * 5))])


@pytest.mark.parametrize(("name", "width"), [("objdet", 6), ("insseg", 790), ("keypoint", 21)])
def test_a_model_that_finds_nothing_at_all_scores_zero(name: str, width: int) -> None:
    learnt = task(name)
    labels = torch.from_numpy(shapes(4, 64, seed=0, kind=learnt.label_kind).labels)

    assert learnt.metric([(torch.empty(4, 0, width), labels)]) == 0
    assert learnt.metric([(torch.full((4, 2, width), float(NO_BOX)), labels)]) == 0


def scattered(boxes: Tensor, rng: np.random.Generator) -> Tensor:
    """Detections near the true boxes, some of another class, some missing, some where nothing is."""
    rows = []
    for image in boxes:
        there = image[image[:, 0] != NO_BOX].numpy()
        near = [(int(row[0]), rng.uniform(), *(row[1:] + rng.normal(0, 2, 4))) for row in there if rng.uniform() < 0.9]
        swapped = [(rng.integers(3), *row[1:]) if rng.uniform() < 0.2 else row for row in near]
        corner = rng.uniform(0, 40, 2)
        rows.append([*swapped, (rng.integers(3), rng.uniform(), *corner, *(corner + rng.uniform(5, 20, 2)))])
    most = max(len(row) for row in rows)
    return torch.tensor([row + [(NO_BOX,) * 6] * (most - len(row)) for row in rows], dtype=torch.float32)


def by_pycocotools(truth: list[dict[str, Any]], results: list[dict[str, Any]], count: int, kind: str) -> float:
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO()
        known.dataset = {
            "info": {},
            "images": [{"id": i, "width": 64, "height": 64} for i in range(count)],
            "annotations": [{"id": k + 1, "iscrowd": 0, **annotation} for k, annotation in enumerate(truth)],
            "categories": [{"id": k} for k in range(len(CLASS_NAMES))],
        }
        known.createIndex()
        scored = evaluation.COCOeval(known, known.loadRes(results), kind)
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return float(scored.stats[0])


def corners_to_size(box: Tensor) -> list[float]:
    x0, y0, x1, y1 = box.tolist()
    return [x0, y0, x1 - x0, y1 - y0]


def test_the_mmap_of_boxes_is_that_of_pycocotools() -> None:
    data = shapes(40, 64, seed=0, kind="boxes")
    labels = torch.from_numpy(data.labels)
    detections = scattered(labels, np.random.default_rng(0))
    truth = []
    for i, image in enumerate(labels):
        for row in image[image[:, 0] != NO_BOX]:
            box = corners_to_size(row[1:])
            truth.append({"image_id": i, "category_id": int(row[0]), "bbox": box, "area": box[2] * box[3]})
    results = [
        {"image_id": i, "category_id": int(row[0]), "score": float(row[1]), "bbox": corners_to_size(row[2:])}
        for i, image in enumerate(detections)
        for row in image
        if row[0] != NO_BOX
    ]

    ours = OBJDET.metric([(detections[:15], labels[:15]), (detections[15:], labels[15:])])

    assert 0.1 < ours < 0.9
    assert ours == pytest.approx(by_pycocotools(truth, results, len(labels), "bbox"), abs=1e-6)


def test_the_mmap_of_masks_is_that_of_pycocotools() -> None:
    run_lengths = pytest.importorskip("pycocotools.mask")
    data, rng = shapes(20, 64, seed=1, kind="instances"), np.random.default_rng(1)
    labels = torch.from_numpy(data.labels)
    boxes = torch.from_numpy(shapes(20, 64, seed=1, kind="boxes").labels)
    near = scattered(boxes, rng)
    # a round mask in each frame
    rows, columns = np.mgrid[:28, :28]
    disc = torch.from_numpy((np.hypot(rows - 13.5, columns - 13.5) < 13).astype(np.float32))
    detections = torch.cat([near, disc.reshape(1, 1, -1).expand(*near.shape[:2], -1)], dim=-1)

    def encoded(mask: Tensor) -> Any:
        return run_lengths.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))

    truth, results = [], []
    for i, label in enumerate(labels):
        target = mask_target(label)
        for mask, kind in zip(target["masks"], target["labels"], strict=True):
            one = {"segmentation": encoded(mask), "bbox": [0, 0, 1, 1], "area": float(mask.sum())}
            truth.append({"image_id": i, "category_id": int(kind) - 1, **one})
        for row in near[i][near[i, :, 0] != NO_BOX]:
            [mask] = pasted(disc[None], row[None, 2:], (64, 64))
            results.append(
                {"image_id": i, "category_id": int(row[0]), "score": float(row[1]), "segmentation": encoded(mask)}
            )

    ours = INSSEG.metric([(detections, labels)])

    assert 0.05 < ours < 0.9
    assert ours == pytest.approx(by_pycocotools(truth, results, len(labels), "segm"), abs=1e-6)


def test_masks_of_images_of_several_sizes_are_each_pasted_into_their_own() -> None:
    # given a square found perfectly in an image of 64 x 64 px, and one in a wider image, where the first has ended
    evidence = []
    for width, left in ((64, 10), (96, 70)):
        label = torch.zeros(1, 64, width, 2, dtype=torch.int16)
        label[0, 20:40, left : left + 20, 0] = 1
        found = torch.tensor([0, 0.9, left, 20, left + 20, 40])
        evidence.append((torch.cat([found, torch.ones(28 * 28)]).view(1, 1, -1), label))

    assert INSSEG.metric(evidence) == pytest.approx(1)


@pytest.mark.parametrize("radius", [2, 4, 8, 16])
def test_the_mask_that_a_head_learns_of_an_object_is_pasted_onto_the_object(radius: int) -> None:
    # given ellipses and rectangles, what torchvision's loss asks of the head in their boxes, and in boxes that are half
    # a pixel off
    rng, (rows, columns) = np.random.default_rng(radius), np.mgrid[:64, :64] + 0.5
    overlaps = []
    for power in (2, 2, 20, 20) * 10:
        x, y, wide, tall = *rng.uniform(20, 44, 2), *rng.uniform(radius, 1.3 * radius, 2)
        mask = torch.from_numpy(((columns - x) / wide) ** power + ((rows - y) / tall) ** power <= 1)
        box = mask_target(torch.stack([mask, mask * 0], dim=-1).short())["boxes"]
        for near in (box, box + torch.from_numpy(rng.uniform(-0.5, 0.5, (1, 4)).astype(np.float32))):
            learnt = project_masks_on_boxes(mask[None].float(), near, torch.zeros(1), 28)
            [found] = pasted(learnt, near, (64, 64))
            overlaps.append(float((found & mask).sum() / (found | mask).sum()))

    assert np.mean(overlaps[::2]) > 0.99
    assert np.mean(overlaps[1::2]) > 0.98


def test_boxes_of_masks_are_the_boxes_of_what_is_visible() -> None:
    boxes, maps = (torch.from_numpy(shapes(30, 64, seed=2, kind=kind).labels) for kind in ("boxes", "instances"))
    for rows, instances in zip(boxes, maps, strict=True):
        listed, derived = box_target(rows), mask_target(instances)
        assert torch.equal(listed["boxes"], derived["boxes"])
        assert torch.equal(listed["labels"], derived["labels"])


@pytest.mark.parametrize(("name", "network"), [("objdet", FasterRCNN), ("insseg", MaskRCNN)])
def test_behind_a_resnet_the_heads_are_torchvisions_weight_by_weight(name: str, network: Callable[..., Any]) -> None:
    channels = (64, 128, 256, 512)
    torch.manual_seed(3)
    pyramid = FeaturePyramidNetwork(list(channels), 256, LastLevelMaxPool())
    pyramid.out_channels = 256
    sizes = tuple((size,) for size in (32, 64, 128, 256, 512))
    theirs = network(pyramid, 4, rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 5)).state_dict()

    torch.manual_seed(3)
    ours = task(name).head(channels, 3).state_dict()

    assert {key.replace("backbone.", "pyramid.") for key in theirs} == set(ours)
    assert all(torch.equal(value, ours[key.replace("backbone.", "pyramid.")]) for key, value in theirs.items())


@pytest.mark.parametrize(
    ("side", "largest_of_each_level"), [(64, [13, 27, 55, 64]), (256, [55, 111, 223, 256]), (640, [111, 223, 447, 640])]
)
def test_boxes_of_different_sizes_are_pooled_from_different_levels(side: int, largest_of_each_level: list[int]) -> None:
    # given a head that has seen images of another size before, and maps that hold their level's number
    head = task("insseg").head(WIDTHS, 3).eval()
    for seen in (96, side):
        with torch.inference_mode():
            head([torch.zeros(1, WIDTHS[0], seen // step, seen // step) for step in STEPS], (seen, seen))
    maps = OrderedDict(
        (str(level), torch.full((1, 1, side // step, side // step), 1.0 * level)) for level, step in enumerate(STEPS)
    )
    boxes = torch.tensor([[0.0, 0, size, size] for size in largest_of_each_level])
    larger = boxes[:3] + torch.tensor([0, 0, 2, 2])

    for pool in (head.get_submodule(f"roi_heads.{name}_roi_pool") for name in ("box", "mask")):
        of_level, of_next = (pool(maps, [rows], [(side, side)]).mean(dim=(1, 2, 3)) for rows in (boxes, larger))
        assert of_level.tolist() == [0, 1, 2, 3]
        assert of_next.tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["objdet", "insseg", "keypoint"])
def test_behind_a_narrow_backbone_no_map_of_the_heads_is_wider_than_it(name: str) -> None:
    model = build_model("small_resnet", task(name), 3, keypoints=5 * (name == "keypoint"))

    maps = [part for part in model.head.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    assert max(part.out_channels for part in maps) == model.backbone.channels[-1] == 128
    assert model.state_dict()["head.roi_heads.box_head.fc7.weight"].shape == (512, 512)
