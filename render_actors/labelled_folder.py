"""Images of a labelled folder, in a seeded order, cropped to squares: COCO, one folder a class, or class masks.

A tenth of the folder is held out, as validation images: scenes from FIRST_HELD_OUT_SCENE on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from render_actors.labels import MOST_NUMBERS, RenderedImage
from render_actors.sources import Kind, Picture, Source, labelled

if TYPE_CHECKING:
    from render_actors.setting import RenderSetting

FIRST_HELD_OUT_SCENE = 10_000_000
HELD_OUT_SHARE = 0.1
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True)
class _Entry:
    """One image file, and what its labels are read from: a class id, a mask file, or COCO annotations."""

    image: Path
    labels: Any


def folder_classes(kind: Kind, folder: Path) -> tuple[str, ...]:
    """Class names that a folder itself gives: COCO's categories by id, or the names of the class folders.

    Raises ValueError where it gives none; of class masks they must be told.
    """
    if kind == "coco":
        categories = _coco(folder)["categories"]
        return tuple(str(c["name"]) for c in sorted(categories, key=lambda c: int(c["id"])))
    names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
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
            for path in _images_in(folder / name)
        )
    if source.kind == "masks":
        masks = {path.stem: path for path in _images_in(folder / "masks")}
        images = _images_in(folder / "images")
        bare = [path for path in images if path.stem not in masks]
        if bare:
            raise ValueError(f"{folder}: images/{bare[0].name} has no mask; add masks/{bare[0].stem}.png")
        return tuple(_Entry(path, masks[path.stem]) for path in images)
    return _coco_entries(folder)


def _images_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; the images are looked for in it")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _coco(folder: Path) -> dict[str, Any]:
    path = folder / "annotations.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return {key: found[key] for key in ("images", "annotations", "categories")}
    except FileNotFoundError:
        raise ValueError(f"{path} is not there; a COCO folder holds annotations.json and images/") from None
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not COCO: {type(error).__name__} {error}") from None


def _coco_entries(folder: Path) -> tuple[_Entry, ...]:
    content = _coco(folder)
    ids = {int(c["id"]): k for k, c in enumerate(sorted(content["categories"], key=lambda c: int(c["id"])))}
    by_image: dict[int, list[dict[str, Any]]] = {int(image["id"]): [] for image in content["images"]}
    for annotation in content["annotations"]:
        if not annotation.get("iscrowd"):
            by_image[int(annotation["image_id"])].append(
                {"class": ids[int(annotation["category_id"])]}
                | {key: annotation[key] for key in ("bbox", "segmentation") if annotation.get(key)}
            )
    images = sorted(content["images"], key=lambda image: int(image["id"]))
    return tuple(_Entry(folder / "images" / image["file_name"], by_image[int(image["id"])]) for image in images)


def _square(image: Image.Image, side: int, resampling: Image.Resampling) -> NDArray[np.uint8]:
    """The middle square of an image, resized to `side` px."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    cropped = image.crop((left, top, left + short, top + short))
    return np.array(cropped.resize((side, side), resampling), dtype=np.uint8)


def _rgb(path: Path, side: int) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return _square(image.convert("RGB"), side, Image.Resampling.BILINEAR)
    except OSError as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); remove or mend it") from None


def _read_class_folder(entry: _Entry, side: int, source: Source) -> Picture:
    # The whole image is its object: this kind of source gives the label "classes" only.
    return Picture(_rgb(entry.image, side), np.ones((side, side), np.uint8), [entry.labels])


def _read_masks(entry: _Entry, side: int, source: Source) -> Picture:
    with Image.open(entry.labels) as mask:
        if mask.mode not in ("L", "P"):
            raise ValueError(f"{entry.labels} is a mask of mode {mask.mode}; give one 8-bit channel of class numbers")
        classes = _square(mask, side, Image.Resampling.NEAREST)
    present = [int(value) for value in np.unique(classes) if value]
    if present and present[-1] > len(source.class_names):
        raise ValueError(f"{entry.labels} holds class {present[-1]}; class_names lists {len(source.class_names)}")
    instances = np.zeros_like(classes)
    for number, value in enumerate(present, start=1):
        instances[classes == value] = number
    return Picture(_rgb(entry.image, side), instances, [value - 1 for value in present])


def _read_coco(entry: _Entry, side: int, source: Source) -> Picture:
    with Image.open(entry.image) as image:
        size = image.size
    # Small objects are painted last, over large ones; 8 bits number the 255 largest.
    annotations = sorted(entry.labels, key=lambda a: -a["bbox"][2] * a["bbox"][3])[:MOST_NUMBERS]
    canvas = Image.new("L", size)
    for number, annotation in enumerate(annotations, start=1):
        _paint(canvas, annotation, number, entry.image)
    instances = _square(canvas, side, Image.Resampling.NEAREST)
    return Picture(_rgb(entry.image, side), instances, [annotation["class"] for annotation in annotations])


def _paint(canvas: Image.Image, annotation: dict[str, Any], number: int, image: Path) -> None:
    outline, draw = annotation.get("segmentation"), ImageDraw.Draw(canvas)
    if outline is None:
        x, y, width, height = annotation["bbox"]
        draw.rectangle((x, y, x + width - 1, y + height - 1), fill=number)
    elif isinstance(outline, list):
        for polygon in outline:
            draw.polygon([float(value) for value in polygon], fill=number)
    elif isinstance(outline["counts"], list):
        runs = np.asarray(outline["counts"])
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        mask = flat.reshape(canvas.width, canvas.height).T
        canvas.paste(number, mask=Image.fromarray(mask))
    else:
        raise ValueError(f"{image}: its mask is a compressed run length; write polygons or uncompressed counts")


_READERS = {"imagefolder": _read_class_folder, "masks": _read_masks, "coco": _read_coco}
