"""`objdet` and `insseg`: Faster R-CNN and Mask R-CNN on a feature pyramid (Ren 2015, Lin 2017, He 2017), COCO mmAP.

The parts are torchvision's; the images come to them as they are, already of one size. Behind a backbone that is
narrower than the pyramid, pyramid and heads are as narrow as it: they would be nearly all of the work.

The mmAP is the mean of AP over IoU 0.50 to 0.95 and over the classes that are there, of boxes or of masks.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.average_precision import coco_precision
from tasks.base import Evidence, Task, TaskError, task_facts
from tasks.label_forms import CROWD, NO_BOX

_PYRAMID_WIDTH = 256
# torchvision's: the side of the map that a box head reads, and numbers of a region for each of the pyramid's maps
_BOX_SIDE, _REPRESENTATION = 7, 4
_MASK_LAYERS = 4
# torchvision's anchors in px, one a level, the side of a region that is pooled from its fourth level, the regions it
# keeps of an image and those that it learns from, for images of this side or more; smaller ones get their share of each
_ANCHORS = (32, 64, 128, 256, 512)
_CANONICAL_PX = 224
_REGIONS = {"training": 2000, "testing": 1000}
_SAMPLED_REGIONS = 512
_MADE_FOR_PX = 512
_MASK_SIDE = 28
# class, score and box of a detection, then what else it carries: its mask in its own frame, its keypoints
BOX_FIELDS = 6
Target = dict[str, Tensor]


def pyramid_width(channels: Sequence[int]) -> int:
    """The width of a feature pyramid on stages of these widths: torchvision's, or that of a narrower backbone."""
    return min(_PYRAMID_WIDTH, channels[-1])


class RegionHead(nn.Module):
    """Pyramid, region proposals and region heads.

    network: torchvision's, called with the pyramid and the anchors. target: of one image's label. extra: under which
    name the network tells what a detection carries besides its box.
    """

    def __init__(
        self,
        channels: Sequence[int],
        network: Callable[..., Any],
        target: Callable[[Tensor], Target],
        extra: str = "",
    ) -> None:
        super().__init__()
        from torchvision.models.detection.anchor_utils import AnchorGenerator
        from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        self.pyramid = FeaturePyramidNetwork(list(channels), pyramid_width(channels), LastLevelMaxPool())
        self.pyramid.out_channels = pyramid_width(channels)
        sizes = tuple((size,) for size in _ANCHORS)
        anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
        whole = network(self.pyramid, rpn_anchor_generator=anchors)
        self.rpn, self.roi_heads = whole.rpn, whole.roi_heads
        # a training puts a choice of its own before it (tasks/models/random_draws.py)
        self.sampler = self.roi_heads.fg_bg_sampler
        self.target, self.extra = target, extra

    def forward(
        self, stages: Sequence[Tensor], size: tuple[int, int], labels: Tensor | None = None
    ) -> dict[str, Tensor] | Tensor:
        """In training the losses by name; else detections (B, D, 6 + width).

        A detection is class, score, x0, y0, x1, y1 in px; images with fewer than D are padded with class -1.
        """
        from torchvision.models.detection.image_list import ImageList

        # proposals are sorted and suppressed by tiny differences: in 32 bits
        with torch.autocast(stages[0].device.type, enabled=False):
            maps = self.pyramid(OrderedDict((str(level), stage.float()) for level, stage in enumerate(stages)))
            count = len(stages[0])
            images = ImageList(stages[0].new_empty((count, 0, *size)), [size] * count)
            targets = None if labels is None else [self.target(label) for label in labels]
            self._fit_to(size)
            proposals, losses = self.rpn(images, maps, targets)
            found, more = self.roi_heads(maps, proposals, images.image_sizes, targets)
        return losses | more if self.training else self._packed(found)

    def _packed(self, found: Sequence[Target]) -> Tensor:
        rows = []
        for image in found:
            kinds, scores = image["labels"].float() - 1, image["scores"]
            parts = [kinds[:, None], scores[:, None], image["boxes"]]
            rows.append(torch.cat(parts + ([image[self.extra].flatten(1)] if self.extra else []), dim=1))
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=NO_BOX)

    def _fit_to(self, size: tuple[int, int]) -> None:
        """In a smaller image smaller anchors, coarser maps for a box and, as there is less room, fewer regions."""
        from torchvision.ops import MultiScaleRoIAlign

        share = min(1.0, max(size) / _MADE_FOR_PX)
        for stage, regions in _REGIONS.items():
            self.rpn._post_nms_top_n[stage] = round(share * regions)
        self.sampler.batch_size_per_image = round(share * _SAMPLED_REGIONS)
        for pool in self.roi_heads.children():
            if isinstance(pool, MultiScaleRoIAlign):
                # it keeps what it made of the first images' size
                pool.canonical_scale, pool.map_levels = share * _CANONICAL_PX, None
        generator = self.rpn.anchor_generator
        generator.cell_anchors = [
            generator.generate_anchors([share * side for side in sizes], ratios)
            for sizes, ratios in zip(generator.sizes, generator.aspect_ratios, strict=True)
        ]


def box_target(label: Tensor) -> Target:
    """Boxes (M, 4) and classes from 1 (M,) of padded rows (M', 5), without crowds."""
    rows = label[label[:, 0] >= 0].float()
    return {"boxes": rows[:, 1:], "labels": rows[:, 0].long() + 1}


def mask_target(label: Tensor) -> Target:
    """Boxes, classes from 1 and masks uint8 (M, H, W) of an instance map (H, W, 2), without crowds."""
    from torchvision.ops import masks_to_boxes

    numbers, classes = label[..., 0], label[..., 1]
    # at its first pixel an object says its class
    present = torch.unique(numbers)
    present = present[present > 0]
    masks = numbers[None] == present[:, None, None]
    kinds = torch.stack([classes[mask][0] for mask in masks]) if len(present) else classes.new_empty(0)
    boxes = masks_to_boxes(masks)
    boxes[:, 2:] += 1
    return {"boxes": boxes, "labels": kinds.long() + 1, "masks": masks.to(torch.uint8)}


def crowds_as_objects(label: Tensor) -> Tensor:
    """Rows (M, W) or a map (H, W, 2) in which crowds and objects have changed places."""
    is_map = label.ndim == 3
    first = -label[..., :1].short() if is_map else CROWD - label[..., :1]
    return torch.cat([first, label[..., 1:].to(first.dtype)], dim=-1)


def sum_of_losses(losses: dict[str, Tensor], labels: Tensor) -> Tensor:
    """What torchvision's region heads minimise."""
    return torch.stack(list(losses.values())).sum()


def _sides(boxes: Tensor) -> list[dict[str, Any]]:
    """Boxes (M, 4) as COCO has them: corner, width and height."""
    rows = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
    return [{"bbox": row, "area": row[2] * row[3]} for row in rows]


def _encoded(masks: Tensor) -> list[dict[str, Any]]:
    """Masks (M, H, W) as COCO has them: run lengths."""
    from faster_coco_eval import mask as run_lengths

    codes = [run_lengths.encode(np.asfortranarray(mask)) for mask in masks.numpy().astype(np.uint8)]
    return [{"segmentation": code, "area": float(run_lengths.area(code))} for code in codes]


def pasted(small: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks bool (D, H, W) in images of `size`, from what a head says of them in their boxes, (D, 28, 28) and (D, 4).

    A pixel whose centre lies in the box is read where torchvision's RoIAlign put it when the head learnt: at its index.
    torchvision itself pastes into whole pixels and one more, so that of an object of 8 to 16 px the very mask that was
    learnt overlaps the object by 0.87.
    """

    def read(low: Tensor, high: Tensor, pixels: int) -> Tensor:
        """Weights (D, pixels, 28) of a head's cells in the pixels of a row or column."""
        low, high = low[:, None], high[:, None]
        cells, at = (torch.arange(count, dtype=small.dtype) for count in (small.shape[-1], pixels))
        cell = ((at - low) / (high - low) * len(cells) - 0.5).clamp(0, len(cells) - 1)
        inside = (at + 0.5 >= low) & (at + 0.5 < high)
        return (1 - (cell[..., None] - cells).abs()).clamp(min=0) * inside[..., None]

    rows, columns = read(boxes[:, 1], boxes[:, 3], size[0]), read(boxes[:, 0], boxes[:, 2], size[1])
    return torch.bmm(torch.bmm(rows, small), columns.transpose(1, 2)) > 0.5


def images_of(batches: Sequence[Evidence]) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Number, detections (D, 6 + width) without padding, and label of every image."""
    pairs = (pair for batch in batches for pair in zip(*batch, strict=True))
    for image, (rows, label) in enumerate(pairs):
        yield image, rows[rows[:, 0] != NO_BOX], label


def _precision(batches: Sequence[Evidence], weights: np.ndarray, masks: bool) -> np.ndarray:
    objects: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image, rows, label in images_of(batches):
        for is_crowd, of_kind in enumerate((label, crowds_as_objects(label))):
            target = mask_target(of_kind) if masks else box_target(of_kind)
            shapes = _encoded(target["masks"]) if masks else _sides(target["boxes"])
            for k, shape in zip((target["labels"] - 1).tolist(), shapes, strict=True):
                objects.append({"image_id": image, "category_id": k, "iscrowd": is_crowd} | shape)
        boxes = rows[:, 2:BOX_FIELDS]
        small = rows[:, BOX_FIELDS:].unflatten(1, (_MASK_SIDE, -1)) if masks else boxes
        shapes = _encoded(pasted(small, boxes, (label.shape[0], label.shape[1]))) if masks else _sides(boxes)
        named = [{"image_id": image, "category_id": int(k), "score": score} for k, score in rows[:, :2].tolist()]
        detections += [one | shape for one, shape in zip(named, shapes, strict=True)]
    if all(each["iscrowd"] for each in objects):
        raise TaskError("no image of the evaluation set shows any object, so mmAP is undefined")
    return coco_precision("segm" if masks else "bbox", objects, detections, weights)


def box_precision(batches: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """COCO mmAP of boxes in [0, 1]; detections (B, D, 6) and boxes (B, M, 5); see `Task.weighted`.

    Detections on crowds count neither way. TaskError where there is no object.
    """
    return _precision(batches, weights, masks=False)


def mask_precision(batches: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """COCO mmAP of masks in [0, 1]; detections (B, D, 790) and instance maps (B, H, W, 2); the rest as above."""
    return _precision(batches, weights, masks=True)


def box_heads(channels: Sequence[int], outputs: int) -> dict[str, Any]:
    """What torchvision's detectors are told of their box head: the classes alone, or a narrow one in proportion."""
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

    width = pyramid_width(channels)
    if width == _PYRAMID_WIDTH:
        return {"num_classes": outputs + 1}
    representation = _REPRESENTATION * width
    return {
        "box_head": TwoMLPHead(width * _BOX_SIDE**2, representation),
        "box_predictor": FastRCNNPredictor(representation, outputs + 1),
    }


def _mask_heads(channels: Sequence[int], outputs: int) -> dict[str, Any]:
    from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

    width = pyramid_width(channels)
    if width == _PYRAMID_WIDTH:
        return {}
    return {
        "mask_head": MaskRCNNHeads(width, (width,) * _MASK_LAYERS, dilation=1),
        "mask_predictor": MaskRCNNPredictor(width, width, outputs + 1),
    }


def _faster_rcnn(channels: Sequence[int], outputs: int) -> nn.Module:
    from torchvision.models.detection import FasterRCNN

    return RegionHead(channels, partial(FasterRCNN, **box_heads(channels, outputs)), box_target)


def _mask_rcnn(channels: Sequence[int], outputs: int) -> nn.Module:
    from torchvision.models.detection import MaskRCNN

    network = partial(MaskRCNN, **box_heads(channels, outputs), **_mask_heads(channels, outputs))
    return RegionHead(channels, network, mask_target, "masks")


TASKS = {
    "objdet": Task(task_facts("objdet"), "mmAP", _faster_rcnn, sum_of_losses, box_precision),
    "insseg": Task(task_facts("insseg"), "mask mmAP", _mask_rcnn, sum_of_losses, mask_precision),
}
