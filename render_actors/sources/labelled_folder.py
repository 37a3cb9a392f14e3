"""Images of a labelled folder, in a seeded order, cropped to squares: COCO, one folder a class, or class masks.

A tenth of the folder is held out, as validation images: scenes from FIRST_HELD_OUT_SCENE on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render_actors.labels import MOST_NUMBERS, RenderedImage
from render_actors.setting.source import Kind, Source
from render_actors.sources.coco_folder import coco_names, coco_objects, object_mask
from render_actors.sources.function import Picture, labelled
from tasks.data.readers.images import class_folders, class_numbers, images_in, opened, paired
from tasks.data.readers.squares import label_map, placement, squared

if TYPE_CHECKING:
    from render_actors.setting.setting import RenderSetting

FIRST_HELD_OUT_SCENE = 10_000_000
HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class _Entry:
    """One image file, and what its labels are read from: a class id, a mask file, or COCO objects."""

    image: Path
    labels: Any


def folder_classes(kind: Kind, folder: Path) -> tuple[str, ...]:
    """Class names that a folder itself gives: COCO's categories by id, or the names of the class folders.

    Raises ValueError where it gives none; of class masks they must be told.
    """
    if kind == "coco":
        return coco_names(folder)
    names = class_folders(folder)
    if kind != "imagefolder" or not names:
        raise ValueError(f"{folder}: gives no class names; list them as class_names")
    return names


def folder_size(source: Source) -> tuple[int, int]:
    """How many images there are to train on, and how many are held out. Raises ValueError for fewer than two."""
    count = len(_entries(source))
    if count < 2:
        raise ValueError(f"{source.where}: {count} labelled images of kind {source.kind}; two at least are needed")
    held_out = max(1, round(HELD_OUT_SHARE * count))
    return count - held_out, held_out


def scene_of_folder(setting: RenderSetting, seed: int, scene: int) -> list[RenderedImage]:
    """The images number scene * poses_per_scene and on, in the order that the seed gives.

    Past the end the order begins again: the sweep asks for no size that would need that, a last shard may.
    """
    source = setting.source
    assert source is not None
    training, held_out = folder_size(source)
    order = np.random.default_rng(seed).permutation(training + held_out)
    part = order[training:] if scene >= FIRST_HELD_OUT_SCENE else order[:training]
    images = []
    for index in range(scene * setting.poses_per_scene, (scene + 1) * setting.poses_per_scene):
        entry = _entries(source)[part[index % len(part)]]
        picture = _READERS[source.kind](entry, setting.resolution, source)
        images.append(labelled(index, picture, picture.class_ids, setting))
    return images


@cache
def _entries(source: Source) -> tuple[_Entry, ...]:
    folder = Path(source.where)
    if source.kind == "imagefolder":
        return tuple(
            _Entry(path, class_id)
            for class_id, name in enumerate(source.class_names)
            for path in images_in(folder / name)
        )
    if source.kind == "masks":
        return tuple(_Entry(image, mask) for image, mask in paired(images_in(folder / "images"), folder / "masks"))
    return tuple(_Entry(image, objects) for image, objects in coco_objects(folder, len(source.class_names)))


def _rgb(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """The middle square of an image, resized to `side` px."""
    return squared(image.convert("RGB"), placement(image.size, side, "crop"))


def _labels(values: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The same square of a map (H, W)."""
    return label_map(values, placement((values.shape[1], values.shape[0]), side, "crop"), 0)


def _read_class_folder(entry: _Entry, side: int, source: Source) -> Picture:
    # The whole image is its object: this kind of source gives the label "classes" only.
    return Picture(_rgb(opened(entry.image), side), np.ones((side, side), np.uint8), [entry.labels])


def _read_masks(entry: _Entry, side: int, source: Source) -> Picture:
    image, mask = opened(entry.image), class_numbers(entry.labels)
    if mask.size != image.size:
        raise ValueError(f"{entry.labels} is {mask.size} px, {entry.image} is {image.size}; give a mask of its size")
    classes = _labels(np.asarray(mask), side)
    present = [int(value) for value in np.unique(classes) if value]
    if present and present[-1] > len(source.class_names):
        raise ValueError(f"{entry.labels} holds class {present[-1]}; class_names lists {len(source.class_names)}")
    instances = np.zeros_like(classes)
    for number, value in enumerate(present, start=1):
        instances[classes == value] = number
    return Picture(_rgb(image, side), instances, [value - 1 for value in present])


def _read_coco(entry: _Entry, side: int, source: Source) -> Picture:
    image = opened(entry.image)
    # Small objects are painted last, over large ones; 8 bits number the 255 largest.
    objects = sorted(entry.labels, key=lambda thing: -thing.box[2] * thing.box[3])[:MOST_NUMBERS]
    canvas = np.zeros((image.height, image.width), np.uint8)
    for number, thing in enumerate(objects, start=1):
        canvas[object_mask(thing, image.height, image.width, entry.image)] = number
    return Picture(_rgb(image, side), _labels(canvas, side), [thing.class_id for thing in objects])


_READERS = {"imagefolder": _read_class_folder, "masks": _read_masks, "coco": _read_coco}
