"""Photographs of one red disc before a dark wall, with every kind of label, in the layouts that are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.label_forms import LabelKind

NAMES = ["left_hand", "middle", "right_hand"]
DISC_M, WALL_M = 2.0, 5.0


@dataclass(frozen=True)
class Disc:
    """A photograph of `width` x `height` px; x, y and radius of its disc in px, from the photograph's corner."""

    width: int
    height: int
    x: float
    y: float
    radius: float

    def away(self) -> NDArray[np.float64]:
        """How far the middle of each pixel (height, width) is beyond the disc's edge, in px."""
        y, x = np.arange(self.height) + 0.5, np.arange(self.width) + 0.5
        return np.asarray(np.hypot(x - self.x, y[:, None] - self.y) - self.radius)

    def pixels(self) -> NDArray[np.uint8]:
        """uint8 (height, width, 3): red on black, with an edge as smooth as a photograph's."""
        return np.rint((0.5 - self.away()).clip(0, 1)[..., None] * [255, 0, 0]).astype(np.uint8)

    def annotation(self, number: int) -> dict:
        """Its box, outline and middle as COCO has them."""
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        outline = np.stack([self.x + self.radius * np.cos(angles), self.y + self.radius * np.sin(angles)], axis=-1)
        # COCO numbers pixels
        middle = [self.x - 0.5, self.y - 0.5, 2]
        return {
            "id": number + 1,
            "image_id": number,
            "category_id": 1,
            "bbox": [self.x - self.radius, self.y - self.radius, 2 * self.radius, 2 * self.radius],
            "area": np.pi * self.radius**2,
            "segmentation": [outline.ravel().tolist()],
            "keypoints": [*middle, *middle, *middle],
        }


def discs(width: int, height: int, count: int = 16) -> list[Disc]:
    """`count` discs at places of their own, as large as a third of the shorter side and wholly in the photograph."""
    rng, radius = np.random.default_rng(0), 0.34 * min(width, height)
    margin = 1.1 * radius
    places = rng.uniform((margin, margin), (width - margin, height - margin), (count, 2))
    return [Disc(width, height, x, y, radius) for x, y in places.tolist()]


def write(folder: Path, photographs: list[Disc], kind: LabelKind) -> str:
    """The photographs in the layout for labels of `kind`, the first for testing too; the name of the data set."""
    splits = {"train": photographs, "val": photographs[:1]}
    if kind in ("boxes", "instances", "keypoints"):
        _write_coco(folder, splits, "person_keypoints" if kind == "keypoints" else "instances")
        return f"coco:{folder.name}"
    name, values = _MAPS[kind]
    for split, shown in splits.items():
        for place in ("images", name):
            (folder / place / split).mkdir(parents=True)
        for number, disc in enumerate(shown):
            Image.fromarray(disc.pixels()).save(folder / "images" / split / f"{number}.png")
            Image.fromarray(values(disc.away() < 0)).save(folder / name / split / f"{number}.png")
    return f"masks:{folder.name}"


# kind -> the folder of its maps, and a map from what is of the disc
_MAPS: dict[LabelKind, tuple[str, Callable[[NDArray[np.bool_]], NDArray]]] = {
    "semantic": ("annotations", lambda disc: disc.astype(np.uint8)),
    "normals": ("normals", lambda disc: np.where(disc[..., None], (255, 128, 128), (128, 128, 255)).astype(np.uint8)),
    "depth": ("depth", lambda disc: (1000 * np.where(disc, DISC_M, WALL_M)).astype(np.uint16)),
}


def _write_coco(folder: Path, splits: dict[str, list[Disc]], prefix: str) -> None:
    (folder / "annotations").mkdir(parents=True)
    for split, photographs in splits.items():
        (folder / split).mkdir()
        images = []
        for number, disc in enumerate(photographs):
            Image.fromarray(disc.pixels()).save(folder / split / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "width": disc.width, "height": disc.height})
        content = {
            "images": images,
            "annotations": [disc.annotation(number) for number, disc in enumerate(photographs)],
            "categories": [{"id": 1, "name": "disc", "keypoints": NAMES}],
        }
        (folder / "annotations" / f"{prefix}_{split}.json").write_text(json.dumps(content))


def middle_of_image(pixels: NDArray) -> NDArray[np.float64]:
    """x, y of the disc that an image (H, W, 3) shows, in px; grey and black weigh nothing."""
    return _middle(pixels[..., 0].astype(float) - pixels[..., 1])


def middle_of_label(label: NDArray, kind: LabelKind) -> NDArray[np.float64]:
    """x, y of the disc by the label of one image."""
    if kind == "boxes":
        return np.asarray(label[0, 1:].reshape(2, 2).mean(axis=0))
    if kind == "keypoints":
        assert np.allclose(label[0, 1:5].reshape(2, 2).mean(axis=0), label[0, 10:12], atol=0.01), "box and keypoint"
        return np.asarray(label[0, 10:12])
    shows = {
        "instances": lambda: label[..., 0] == 1,
        "semantic": lambda: label == 1,
        "normals": lambda: abs(label[..., 0]) > 0.5,
        "depth": lambda: (label > 0) & (label < label.max()),
    }
    return _middle(shows[kind]().astype(float))


def _middle(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
