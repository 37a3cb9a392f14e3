"""Folders of labelled images in place of renders: COCO, masks, class folders."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render_actors.actor import drawing_of, shard_identity
from render_actors.export.coco import export_coco
from render_actors.labels import RenderedImage
from render_actors.setting.source import Source
from render_actors.sources.labelled_folder import FIRST_HELD_OUT_SCENE, folder_classes, folder_size
from tests.render_actors.drawn import drawn_image
from tests.render_actors.sources.test_sources import NOWHERE, setting_of


def write_coco(folder: Path, count: int = 20) -> Source:
    export_coco((drawn_image(k % 10, side=24) for k in range(1)), "abcde", folder)
    content = json.loads((folder / "annotations.json").read_text())
    images = [{"id": k, "file_name": f"{k}.png", "width": 24, "height": 24} for k in range(count)]
    for k in range(count):
        Image.fromarray(drawn_image(k % 10).rgb).save(folder / "images" / f"{k}.png")
    annotations = [content["annotations"][0] | {"id": k, "image_id": k} for k in range(count)]
    (folder / "annotations.json").write_text(json.dumps(content | {"images": images, "annotations": annotations}))
    return Source("coco", str(folder), folder_classes("coco", folder))


def write_masks(folder: Path, count: int = 20) -> Source:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for k in range(count):
        Image.fromarray(drawn_image(k % 10).rgb).save(folder / "images" / f"{k}.png")
        Image.fromarray(drawn_image(0).instances).save(folder / "masks" / f"{k}.png")
    return Source("masks", str(folder), ("square", "dot"))


def write_class_folders(folder: Path, count: int = 20) -> Source:
    for k in range(count):
        (folder / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 40, 3), 100 * (k % 2) + k, np.uint8)).save(folder / "ab"[k % 2] / f"{k}.png")
    return Source("imagefolder", str(folder), folder_classes("imagefolder", folder))


def every_image(source: Source, seed: int, first_scene: int, scenes: int) -> list[RenderedImage]:
    drawing = drawing_of(setting_of(source, poses_per_scene=1), NOWHERE)
    return [image for k in range(scenes) for image in drawing.scene(seed, first_scene + k)]


def test_a_folder_is_taken_in_a_seeded_order_with_a_tenth_held_out(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path)
    assert folder_size(source) == (18, 2)
    training = [int(image.rgb[0, 0, 0]) for image in every_image(source, 0, 0, 18)]
    held_out = [int(image.rgb[0, 0, 0]) for image in every_image(source, 0, FIRST_HELD_OUT_SCENE, 2)]
    # each image once, none in both parts, and another order for another seed
    assert len({*training, *held_out}) == 20
    assert [int(image.rgb[0, 0, 0]) for image in every_image(source, 1, 0, 18)] != training


def test_class_folders_give_the_class_of_an_image(tmp_path: Path) -> None:
    for image in every_image(write_class_folders(tmp_path), 0, 0, 18):
        assert [seen.class_id for seen in image.objects] == [int(image.rgb[0, 0, 0] >= 100)]


def test_class_folders_have_no_boxes(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path)
    with pytest.raises(ValueError, match="unknown label 'boxes' of a source of kind imagefolder; choose from classes"):
        setting_of(source, labels=("classes", "boxes"))


def test_coco_annotations_become_masks_and_boxes(tmp_path: Path) -> None:
    # given what our own export writes, then it comes back as it was
    for image in every_image(write_coco(tmp_path), 0, 0, 18):
        assert [(seen.class_id, seen.box) for seen in image.objects] == [(3, (4, 2, 9, 8))]


def test_a_polygon_and_a_bare_box_are_painted(tmp_path: Path) -> None:
    source = write_coco(tmp_path)
    path = tmp_path / "annotations.json"
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[4, 2, 9, 2, 9, 8, 4, 8]] if annotation["id"] % 2 else None
    path.write_text(json.dumps(content))
    for image in every_image(source, 0, 0, 18):
        assert [(seen.class_id, seen.box) for seen in image.objects] == [(3, (4, 2, 9, 8))]


def change_coco(folder: Path, **more: object) -> Source:
    """A COCO folder whose annotation 7, or whose lists, say something else."""
    source, path = write_coco(folder), folder / "annotations.json"
    content = json.loads(path.read_text())
    lists = {name: value for name, value in more.items() if name in content}
    content["annotations"][7] |= {name: value for name, value in more.items() if name not in content}
    path.write_text(json.dumps(content | lists))
    return source


def test_a_polygon_without_a_box_is_painted_behind_smaller_objects(tmp_path: Path) -> None:
    source = change_coco(tmp_path, bbox=None, segmentation=[[4, 2, 9, 2, 9, 8, 4, 8]])
    for image in every_image(source, 0, 0, 18):
        assert [(seen.class_id, seen.box) for seen in image.objects] == [(3, (4, 2, 9, 8))]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"category_id": 99}, "annotation 7 has category_id 99, which is not listed"),
        ({"image_id": 99}, "annotation 7 has image_id 99, which is not listed"),
        ({"image_id": [1]}, "annotation 7 has image_id [1], which is not listed"),
        ({"bbox": None, "segmentation": None}, "annotation 7 has neither bbox nor segmentation"),
        ({"bbox": [1, 2, "a", 4]}, "annotation 7 has bbox [1, 2, 'a', 4]; give x, y, width, height in px"),
        ({"segmentation": [[1, 2, 3, 4]]}, "annotation 7 is no outline: it has a polygon that is not x, y, x, y, ..."),
        ({"segmentation": {"size": [24, 24], "counts": [3, 4]}}, "it has run lengths that do not add up"),
        ({"segmentation": {"size": [24, 24], "counts": "a1"}}, "it has run lengths that do not add up"),
        ({"segmentation": {"size": [10, 10], "counts": [50, 50]}}, "its run lengths are of 10 x 10 px"),
        ({"iscrowd": "maybe"}, "annotation 7 has iscrowd 'maybe'; give 0 or 1"),
        ({"categories": [{"name": "a"}]}, "category number 1 needs an id (a whole number) and a name"),
        ({"images": [{"id": 0}]}, "image number 1 needs an id (a whole number) and a file_name"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "category id 1 stands there twice"),
        ({"images": {}}, "it needs the lists images, annotations, categories"),
    ],
)
def test_what_coco_annotations_cannot_say_is_told_with_the_file(tmp_path: Path, wrong: dict, message: str) -> None:
    source = change_coco(tmp_path, **wrong)
    with pytest.raises(ValueError, match=rf"annotations\.json.*{re.escape(message)}"):
        folder_size(source)


def test_class_names_must_list_every_category(tmp_path: Path) -> None:
    source = dataclasses.replace(write_coco(tmp_path), class_names=("a", "b"))
    with pytest.raises(ValueError, match=r"has 5 categories, class_names lists 2; list every one"):
        folder_size(source)


@pytest.mark.parametrize("content", [b"no picture", None, b"\x89PNG\r\n\x1a\n and no more"])
@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_broken_image_or_mask_is_named(tmp_path: Path, part: str, content: bytes | None) -> None:
    source, whole = write_masks(tmp_path), tmp_path / part / "0.png"
    cut = whole.read_bytes()[:60]
    for file in (tmp_path / part).iterdir():
        file.write_bytes(cut if content is None else content)
    with pytest.raises(ValueError, match=rf"{part}/\d+\.png cannot be read as an image \(.*\); remove or mend it"):
        every_image(source, 0, 0, 1)


def test_a_mask_of_another_size_than_its_image_is_named(tmp_path: Path) -> None:
    source = write_masks(tmp_path)
    for file in (tmp_path / "masks").iterdir():
        Image.new("L", (12, 24), 1).save(file)
    with pytest.raises(ValueError, match=r"images/\d+\.png is 24 x 24 px, upright, and its labels are for 12 x 24 px"):
        every_image(source, 0, 0, 1)


def test_class_masks_become_a_semantic_map(tmp_path: Path) -> None:
    source = write_masks(tmp_path)
    for image in every_image(source, 0, 0, 18):
        np.testing.assert_array_equal(image.semantic, drawn_image(0).instances)


@pytest.mark.parametrize("kind", ["coco", "masks"])
def test_corrected_labels_are_other_images_though_their_files_have_the_same_size(tmp_path: Path, kind: str) -> None:
    # given a labelled folder, and a copy in which one label is another
    write = {"coco": write_coco, "masks": write_masks}[kind]
    source, corrected = write(tmp_path / "a"), write(tmp_path / "b")
    if kind == "coco":
        file = Path(corrected.where) / "annotations.json"
        content = json.loads(file.read_text())
        label = content["annotations"][0]
        label["category_id"] = next(c["id"] for c in content["categories"] if c["id"] != label["category_id"])
        file.write_text(json.dumps(content))
    else:
        file = sorted((Path(corrected.where) / "masks").iterdir())[0]
        file.write_bytes(file.read_bytes()[:-1] + b"?")

    # then its shards are others, and a folder of the same bytes elsewhere has the same
    numbers = (*range(6), FIRST_HELD_OUT_SCENE)
    shards = [
        [shard_identity(setting_of(each), 0, number, 1) for number in numbers]
        for each in (source, corrected, write(tmp_path / "c"))
    ]
    assert shards[0] == shards[2] != shards[1]


def test_an_image_without_a_mask_is_named(tmp_path: Path) -> None:
    source = write_masks(tmp_path)
    (tmp_path / "masks" / "7.png").unlink()
    with pytest.raises(ValueError, match=r"7\.png has no map; add .*masks/7\.png"):
        folder_size(source)
