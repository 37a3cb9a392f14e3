"""Rendered images as a COCO data set: images/ and annotations.json, masks as uncompressed run lengths, keypoints."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render_actors.labels import RenderedImage
from render_actors.shards.keypoints import NAMES, image_keypoints


def export_coco(
    images: Iterable[RenderedImage],
    class_names: Sequence[str],
    folder: Path,
    points: NDArray[np.float64] | None = None,
) -> Path:
    """Write every image and its visible objects; returns the path of annotations.json. Category id = class_id + 1.

    points: of each class (`class_keypoints`), for images with poses: then objects have their keypoints too. Raises
    FileExistsError where the folder holds something already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"COCO export: {folder} is not empty; remove it or name another")
    (folder / "images").mkdir()
    entries: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image in images:
        height, width = image.instances.shape
        name = f"{image.index:08d}.png"
        Image.fromarray(image.rgb).save(folder / "images" / name)
        entries.append({"id": image.index, "file_name": name, "width": width, "height": height})
        keypoints = [{}] * len(image.objects) if points is None else _keypoints(image, points)
        for seen, more in zip(image.objects, keypoints, strict=True):
            x0, y0, x1, y1 = seen.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image.index,
                    "category_id": seen.class_id + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": seen.visible_px,
                    "iscrowd": 0,
                    "segmentation": {
                        "size": [height, width],
                        "counts": run_lengths(image.instances == seen.instance_id),
                    },
                    **more,
                }
            )
    shared = {} if points is None else {"keypoints": NAMES}
    categories = [{"id": k, "name": name, **shared} for k, name in enumerate(class_names, start=1)]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": entries, "annotations": annotations, "categories": categories}))
    return path


def _keypoints(image: RenderedImage, points: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Of each visible object its keypoints as COCO has them: pixels counted from 0."""
    found = image_keypoints(image, points)
    found[..., :2] = np.where(found[..., 2:] > 0, found[..., :2] - 0.5, 0)
    return [
        {
            "keypoints": [value for x, y, visibility in each.tolist() for value in (x, y, int(visibility))],
            "num_keypoints": int((each[:, 2] > 0).sum()),
        }
        for each in found
    ]


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's uncompressed counts of a mask (H, W): runs of 0 and 1 in turn, column by column, 0 first."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(run) for run in np.diff(np.concatenate([[0], changes, [mask.size]]))]
