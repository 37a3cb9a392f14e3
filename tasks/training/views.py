"""What of each image a training step sees: zoomed, cropped and mirrored, and the labels with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.label_forms import FORMS, KEYPOINT_COLUMNS, NO_BOX, OBJECT_COLUMNS, LabelKind
from tasks.recipes.recipe import Recipe

# smallest side of a random crop as a share of the image
_SMALLEST_CROP = 0.75
# an object of which less than this share of its box is left is no object any more
_LEAST_LEFT = 0.25
_LEAST_SIDE_PX = 1.0
_GREY = 128
# keeps a row without weights from being divided by 0
_NEXT_TO_NOTHING = 1e-6


def placed(array: np.ndarray, device: torch.device) -> Tensor:
    """The array as a tensor on `device`; from pinned memory to a GPU, so that no step waits for a copy."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


@dataclass(frozen=True, eq=False)
class Views:
    """Windows into B images: in units of the image's side a window begins at (top, left) and is `side` large.

    All arrays are float64 (B, 1), mirrored bool. A window larger than its image shows grey around it.
    """

    top: np.ndarray
    left: np.ndarray
    side: np.ndarray
    mirrored: np.ndarray

    @classmethod
    def drawn(cls, rng: np.random.Generator, recipe: Recipe, count: int) -> Views:
        """`count` random windows as the recipe's `augment` and `scale_jitter` say; of crop and jitter each zooms."""
        crop, zoom, top, left, coin = rng.uniform(size=(5, count, 1))
        side = np.ones_like(crop)
        if "crop" in recipe.augment:
            side *= _SMALLEST_CROP + (1 - _SMALLEST_CROP) * crop
        least, most = recipe.scale_jitter
        if (least, most) != (1.0, 1.0):
            side /= least + (most - least) * zoom
        mirrored = (coin < 0.5) if "flip" in recipe.augment else np.zeros_like(coin, dtype=bool)
        return cls(top * (1 - side), left * (1 - side), side, mirrored)

    def part(self, which: slice) -> Views:
        """Some of them, in order."""
        return Views(self.top[which], self.left[which], self.side[which], self.mirrored[which])

    def of_images(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Windows (B, H, W, 3) into images[chosen], uint8 as they are, or float32 where any is zoomed.

        A zoom is bilinear; a window that shrinks is antialiased: each pixel is a mean of all that it covers, with the
        weights of a triangle, as Pillow has it. The middles of the pixels are where `of_labels` has them.
        """
        if (self.side == 1).all():
            return self._gather(images, chosen, _GREY)
        height, width = images.shape[1:3]
        rows, columns = (self._weights(places, images.device) for places in self._places(height, width))
        # a zoom is a product of matrices, one an axis; with the channels between the axes none of them needs a copy
        pixels = images[chosen].permute(0, 1, 3, 2).to(torch.float32, memory_format=torch.contiguous_format)
        tall = torch.bmm(rows, pixels.sub_(_GREY).view(-1, height, 3 * width))
        cut = torch.bmm(tall.view(-1, 3 * height, width), columns.transpose(1, 2)).add_(_GREY)
        return cut.view(-1, height, 3, width).permute(0, 1, 3, 2).contiguous()

    def of_labels(
        self, labels: Tensor, chosen: Tensor, kind: LabelKind, size: tuple[int, int], mirror: list[int] | None = None
    ) -> Tensor:
        """The labels of these windows, for images of `size` (height, width) px, in the form that `kind` has.

        mirror: which keypoint takes the place of each in a mirrored image. Raises ValueError for a mirrored window on
        keypoints without it.
        """
        form = FORMS[kind]
        if form.outside is not None:
            cut = self._gather(labels, chosen, form.outside)
            if form.distances:
                # the same camera sees a thing z times as large where it is z times as near, and nothing in a window
                # that is magnified z = 1 / side times tells that another camera took it
                cut = cut * placed(self.side.astype(np.float32), cut.device)[:, None]
            return self._with_mirrored_x(cut) if form.directions else cut
        if form.keypoints:
            return self._keypoints(labels[chosen], size, mirror)
        return self._boxes(labels[chosen], size) if form.is_rows else labels[chosen]

    def _gather(self, maps: Tensor, chosen: Tensor, outside: int) -> Tensor:
        """Each pixel is the nearest one of maps (N, H, W, ...), `outside` where its middle is beyond the image."""
        height, width = maps.shape[1:3]
        y, x = (placed(np.floor(at).astype(np.int64), maps.device) for at in self._places(height, width))
        # a window inside its image, the usual one, needs no second look
        if self.side.max() <= 1:
            return maps[chosen[:, None, None], y[:, :, None], x[:, None, :]]
        inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
        y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
        cut = maps[chosen[:, None, None], y[:, :, None], x[:, None, :]]
        cut[~inside] = outside
        return cut

    def _weights(self, places: np.ndarray, device: torch.device) -> Tensor:
        """What each pixel of an image's axis counts in each of the window's, float32 (B, size, size).

        places: of `_places`. Rows sum to 1, and to 0 where the middle of the window's pixel is beyond the image.
        """
        size = places.shape[1]
        inside = ((places >= 0) & (places < size)).astype(np.float32)[..., None]
        # a pixel reaches as far as the next one's middle, in whichever of image and window pixels are larger
        reach = np.maximum(self.side, 1).astype(np.float32)[..., None]
        middles = torch.arange(size, device=device) + 0.5
        away = (placed(places.astype(np.float32), device)[..., None] - middles).abs_()
        weights = (1 - away.div_(placed(reach, device))).clamp_(min=0).mul_(placed(inside, device))
        return weights.div_(weights.sum(dim=-1, keepdim=True).clamp_(min=_NEXT_TO_NOTHING))

    def _places(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the middles of the windows' pixels are, in px: rows (B, height), columns (B, width); some outside."""
        unit_y, unit_x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
        y, x = self.top + self.side * unit_y, self.left + self.side * unit_x
        return y * height, np.where(self.mirrored, x[:, ::-1], x) * width

    def _with_mirrored_x(self, normals: Tensor) -> Tensor:
        sign = torch.ones(len(normals), 1, 1, 3, dtype=normals.dtype, device=normals.device)
        sign[torch.from_numpy(self.mirrored[:, 0]).to(normals.device), ..., 0] = -1
        return normals * sign

    def _boxes(self, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Boxes (B, M, 5) seen in the windows; those that hardly are become padding."""
        height, width = size
        x, y = self._moved(boxes[..., [1, 3]], boxes[..., [2, 4]], size)
        # the left edge of a mirrored box is its right one
        x = x.sort(dim=-1).values
        seen_x, seen_y = x.clamp(0, width), y.clamp(0, height)
        wide, tall, seen_wide, seen_tall = (ends.diff(dim=-1)[..., 0] for ends in (x, y, seen_x, seen_y))
        kept = (seen_wide >= _LEAST_SIDE_PX) & (seen_tall >= _LEAST_SIDE_PX) & (boxes[..., 0] != NO_BOX)
        kept &= seen_wide * seen_tall >= _LEAST_LEFT * wide * tall
        moved = torch.stack([boxes[..., 0], seen_x[..., 0], seen_y[..., 0], seen_x[..., 1], seen_y[..., 1]], dim=-1)
        return torch.where(kept[..., None], moved, float(NO_BOX)).to(boxes.dtype)

    def _moved(self, x: Tensor, y: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Where points (B, M, P) of the images, in px, are in the windows."""
        height, width = size
        top, left, side, mirrored = (
            torch.from_numpy(part).to(x.device)[..., None] for part in (self.top, self.left, self.side, self.mirrored)
        )
        x, y = (x - left * width) / side, (y - top * height) / side
        return torch.where(mirrored, width - x, x), y

    def _keypoints(self, rows: Tensor, size: tuple[int, int], mirror: list[int] | None) -> Tensor:
        """Objects with keypoints (B, M, 6 + 4 K) seen in the windows; a keypoint outside is not labelled."""
        if mirror is None and self.mirrored.any():
            raise ValueError("keypoints that have no mirror image cannot be mirrored")
        boxes = self._boxes(rows[..., :5], size)
        points = rows[..., OBJECT_COLUMNS:].unflatten(-1, (-1, KEYPOINT_COLUMNS))
        x, y = self._moved(points[..., 0], points[..., 1], size)
        inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
        points = torch.stack([x, y, points[..., 2] * inside, points[..., 3]], dim=-1).to(rows.dtype)
        if mirror is not None:
            turned = torch.from_numpy(self.mirrored).to(rows.device)[..., None, None]
            points = torch.where(turned, points[:, :, mirror], points)
        side = torch.from_numpy(self.side).to(rows.device)
        area = (rows[..., 5] / side**2).to(rows.dtype)
        moved = torch.cat([boxes, area[..., None], points.flatten(2)], dim=-1)
        return torch.where(boxes[..., :1] == NO_BOX, float(NO_BOX), moved).to(rows.dtype)
