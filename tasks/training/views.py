"""What is in the windows of images: zoomed, cropped, mirrored and resampled, and the labels with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.label_forms import FORMS, KEYPOINT_COLUMNS, NO_BOX, OBJECT_COLUMNS, LabelKind

# an object of which less than this share of its box is left is no object any more
_LEAST_LEFT = 0.25
# less is nothing to learn from
LEAST_SIDE_PX = 1.0
_GREY = 128
# keeps a row without weights from being divided by 0
_NEXT_TO_NOTHING = 1e-6


def placed(array: np.ndarray, device: torch.device) -> Tensor:
    """The array as a tensor on `device`; from pinned memory to a GPU, so that no step waits for a copy."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


@dataclass(frozen=True, eq=False)
class Views:
    """Windows into B stored images, each resampled to `size` (height, width) px; None = the size of the images.

    In units of the image's (height, width) a window begins at `origin` and is `extent` large, both float64 (B, 2).
    mirrored: bool (B, 1). photograph: what of each image is not padding, from its top left corner, (B, 2) in the same
    units; None = all of it. What a window shows beyond is grey. distance: by what depths are multiplied, (B, 1).
    """

    origin: np.ndarray
    extent: np.ndarray
    mirrored: np.ndarray
    size: tuple[int, int] | None = None
    photograph: np.ndarray | None = None
    distance: np.ndarray | None = None

    def part(self, which: slice) -> Views:
        """Some of them, in order."""
        photograph, distance = (None if each is None else each[which] for each in (self.photograph, self.distance))
        return Views(self.origin[which], self.extent[which], self.mirrored[which], self.size, photograph, distance)

    def are_whole(self, stored: tuple[int, int]) -> bool:
        """Whether each shows its image of this size pixel for pixel, mirrored or not."""
        return self.size in (None, stored) and bool((self.extent == 1).all() and (self.origin == 0).all())

    def of_images(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Windows (B, h, w, 3) into images[chosen], uint8 as they are, or float32 where any is resampled.

        Bilinear; a window that shrinks is antialiased: each pixel is a mean of all that it covers, with the weights of
        a triangle, as Pillow has it. The middles of the pixels are where `of_labels` has them.
        """
        height, width = images.shape[1:3]
        if self.are_whole((height, width)):
            return self._gather(images, chosen, _GREY)
        rows, columns = (self._weights(axis, (height, width), images.device) for axis in (0, 1))
        # a zoom is a product of matrices, one an axis; with the channels between the axes none of them needs a copy
        pixels = images[chosen].permute(0, 1, 3, 2).to(torch.float32, memory_format=torch.contiguous_format)
        tall = torch.bmm(rows, pixels.sub_(_GREY).view(-1, height, 3 * width))
        high = tall.shape[1]
        cut = torch.bmm(tall.view(-1, 3 * high, width), columns.transpose(1, 2)).add_(_GREY)
        return cut.view(len(cut), high, 3, -1).permute(0, 1, 3, 2).contiguous()

    def of_labels(
        self,
        labels: Tensor,
        chosen: Tensor,
        kind: LabelKind,
        stored: tuple[int, int],
        mirror: list[int] | None = None,
        *,
        least_side: float = LEAST_SIDE_PX,
    ) -> Tensor:
        """The labels of these windows, for images stored at (height, width) px, in the form that `kind` has.

        mirror: which keypoint takes the place of each in a mirrored image. least_side: in px of what is left of a box;
        with less it is no object any more. Raises ValueError for a mirrored window on keypoints without `mirror`.
        """
        form = FORMS[kind]
        if form.outside is not None:
            cut = self._gather(labels, chosen, form.outside)
            if form.distances and self.distance is not None:
                cut = cut * placed(self.distance.astype(np.float32), cut.device)[:, None]
            return self._with_mirrored_x(cut) if form.directions else cut
        if form.keypoints:
            return self._keypoints(labels[chosen], stored, mirror, least_side)
        return self._boxes(labels[chosen], stored, least_side) if form.is_rows else labels[chosen]

    def _gather(self, maps: Tensor, chosen: Tensor, outside: int) -> Tensor:
        """Each pixel is the nearest one of maps (N, H, W, ...), `outside` where its middle is beyond the image."""
        stored = (maps.shape[1], maps.shape[2])
        places = [np.floor(self._places(axis, stored)).astype(np.int64) for axis in (0, 1)]
        inside = [(at >= 0) & (at < side) for at, side in zip(places, stored, strict=True)]
        y, x = (placed(at.clip(0, side - 1), maps.device) for at, side in zip(places, stored, strict=True))
        cut = maps[chosen[:, None, None], y[:, :, None], x[:, None, :]]
        # a window inside its image, the usual one, needs no second look
        if not (inside[0].all() and inside[1].all()):
            rows, columns = (placed(seen, maps.device) for seen in inside)
            cut[~(rows[:, :, None] & columns[:, None, :])] = outside
        return cut

    def _weights(self, axis: int, stored: tuple[int, int], device: torch.device) -> Tensor:
        """What each pixel of an image's axis counts in each of the window's, float32 (B, in the window, in the image).

        Rows sum to 1, and to 0 where the middle of the window's pixel is beyond the photograph.
        """
        places, side = self._places(axis, stored), stored[axis]
        ends = np.full((len(places), 1), float(side))
        if self.photograph is not None:
            ends = self.photograph[:, axis : axis + 1] * side
        inside = ((places >= 0) & (places < ends)).astype(np.float32)[..., None]
        # a pixel reaches as far as the next one's middle, in whichever of image and window pixels are larger
        step = self.extent[:, axis : axis + 1] * side / self._out(stored)[axis]
        reach = np.maximum(step, 1).astype(np.float32)[..., None]
        middles = torch.arange(side, device=device) + 0.5
        away = (placed(places.astype(np.float32), device)[..., None] - middles).abs_()
        weights = (1 - away.div_(placed(reach, device))).clamp_(min=0).mul_(placed(inside, device))
        if (ends < side).any():
            weights.mul_(middles < placed(ends.astype(np.float32), device)[..., None])
        return weights.div_(weights.sum(dim=-1, keepdim=True).clamp_(min=_NEXT_TO_NOTHING))

    def _out(self, stored: tuple[int, int]) -> tuple[int, int]:
        return self.size or stored

    def _places(self, axis: int, stored: tuple[int, int]) -> np.ndarray:
        """Where the middles of the windows' pixels are, in px: rows (B, h) or columns (B, w); some outside."""
        count = self._out(stored)[axis]
        unit = (np.arange(count) + 0.5) / count
        places = self.origin[:, axis : axis + 1] + self.extent[:, axis : axis + 1] * unit
        turned = np.where(self.mirrored, places[:, ::-1], places) if axis == 1 else places
        return np.asarray(turned * stored[axis])

    def _with_mirrored_x(self, normals: Tensor) -> Tensor:
        sign = torch.ones(len(normals), 1, 1, 3, dtype=normals.dtype, device=normals.device)
        sign[torch.from_numpy(self.mirrored[:, 0]).to(normals.device), ..., 0] = -1
        return normals * sign

    def _boxes(self, boxes: Tensor, stored: tuple[int, int], least_side: float) -> Tensor:
        """Boxes (B, M, 5) seen in the windows; those that hardly are become padding."""
        height, width = self._out(stored)
        x, y = self._moved(boxes[..., [1, 3]], boxes[..., [2, 4]], stored)
        # the left edge of a mirrored box is its right one
        x = x.sort(dim=-1).values
        seen_x, seen_y = x.clamp(0, width), y.clamp(0, height)
        wide, tall, seen_wide, seen_tall = (ends.diff(dim=-1)[..., 0] for ends in (x, y, seen_x, seen_y))
        kept = (seen_wide >= least_side) & (seen_tall >= least_side) & (boxes[..., 0] != NO_BOX)
        kept &= seen_wide * seen_tall >= _LEAST_LEFT * wide * tall
        moved = torch.stack([boxes[..., 0], seen_x[..., 0], seen_y[..., 0], seen_x[..., 1], seen_y[..., 1]], dim=-1)
        return torch.where(kept[..., None], moved, float(NO_BOX)).to(boxes.dtype)

    def _magnified(self, stored: tuple[int, int]) -> np.ndarray:
        """How many px a px of the image becomes, (B, 2)."""
        return np.array(self._out(stored)) / (self.extent * stored)

    def _moved(self, x: Tensor, y: Tensor, stored: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Where points (B, M, P) of the images, in px, are in the windows."""
        start, times = self.origin * stored, self._magnified(stored)
        top, left, tall, wide, mirrored = (
            torch.from_numpy(part).to(x.device)[:, None, None]
            for part in (start[:, 0], start[:, 1], times[:, 0], times[:, 1], self.mirrored[:, 0])
        )
        x, y = (x - left) * wide, (y - top) * tall
        return torch.where(mirrored, self._out(stored)[1] - x, x), y

    def _keypoints(self, rows: Tensor, stored: tuple[int, int], mirror: list[int] | None, least_side: float) -> Tensor:
        """Objects with keypoints (B, M, 6 + 4 K) seen in the windows; a keypoint outside is not labelled."""
        if mirror is None and self.mirrored.any():
            raise ValueError("keypoints that have no mirror image cannot be mirrored")
        boxes, (height, width) = self._boxes(rows[..., :5], stored, least_side), self._out(stored)
        points = rows[..., OBJECT_COLUMNS:].unflatten(-1, (-1, KEYPOINT_COLUMNS))
        x, y = self._moved(points[..., 0], points[..., 1], stored)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        points = torch.stack([x, y, points[..., 2] * inside, points[..., 3]], dim=-1).to(rows.dtype)
        if mirror is not None:
            turned = torch.from_numpy(self.mirrored).to(rows.device)[..., None, None]
            points = torch.where(turned, points[:, :, mirror], points)
        larger = torch.from_numpy(self._magnified(stored).prod(axis=1, keepdims=True)).to(rows.device)
        area = (rows[..., 5] * larger).to(rows.dtype)
        moved = torch.cat([boxes, area[..., None], points.flatten(2)], dim=-1)
        return torch.where(boxes[..., :1] == NO_BOX, float(NO_BOX), moved).to(rows.dtype)
