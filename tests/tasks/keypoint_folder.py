"""Drawn images with keypoints as a COCO folder, for tests that fine-tune on one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from tasks.base import NO_BOX
from tasks.shapes import CLASS_NAMES, KEYPOINTS, shapes


def write_drawn(folder: Path, train: int, test: int, side: int = 64) -> Path:
    """`train` and `test` images with every object and its five keypoints in person_keypoints_{train,val}2017.json."""
    (folder / "annotations").mkdir(parents=True)
    for split, count, seed in (("train2017", train, 0), ("val2017", test, 1)):
        drawn = shapes(count, side, seed, "keypoints")
        (folder / split).mkdir()
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index, (pixels, rows) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
            Image.fromarray(pixels).save(folder / split / f"{index}.png")
            images.append({"id": index, "file_name": f"{index}.png", "width": side, "height": side})
            for row in rows[rows[:, 0] != NO_BOX].tolist():
                annotations.append({"id": len(annotations) + 1, "image_id": index, **_annotation(row)})
        categories = [{"id": k, "name": name, "keypoints": list(KEYPOINTS)} for k, name in enumerate(CLASS_NAMES)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return folder


def _annotation(row: list[float]) -> dict[str, Any]:
    number, x0, y0, x1, y1, area, *rest = row
    points: list[float] = []
    for x, y, visibility in zip(rest[0::4], rest[1::4], rest[2::4], strict=True):
        # COCO numbers pixels
        points += [x - 0.5, y - 0.5, int(visibility)] if visibility else [0, 0, 0]
    box = [x0, y0, x1 - x0, y1 - y0]
    return {"category_id": int(number), "bbox": box, "area": area, "iscrowd": 0, "keypoints": points}
