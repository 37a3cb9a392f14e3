"""Exporters' folders as they come, read alike as photographs and as renders."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from render_actors.setting.source import Kind, Source
from render_actors.sources.labelled_folder import contents, folder_classes, folder_size, scene_of_folder
from tasks.base import ArraySet
from tasks.data.catalogue import RealData, RealSet
from tests.render_actors.sources.test_sources import setting_of
from tests.tasks.data import own_folders
from tests.tasks.data.own_folders import IN_SQUARE, listing, picture, save, write

SIDE = 40
COCO = [own_folders.cvat, own_folders.roboflow, own_folders.label_studio, own_folders.blenderproc]
LAYOUTS: list[tuple[Kind, Callable[[Path], None]]] = [
    *(("coco", each) for each in (*COCO, own_folders.another_machine)),
    ("yolo", own_folders.yolo),
    ("yolo", own_folders.yolo_in_splits),
]


def photographs(folder: Path, kind: str, cache: Path) -> RealData:
    return RealSet(f"{kind}:{folder}", None, SIDE, kind="boxes", cache_dir=cache).load()


def renders(folder: Path, kind: Kind) -> Source:
    return Source(kind, str(folder), folder_classes(kind, folder))


def boxes(data: ArraySet) -> set[tuple[float, ...]]:
    return {tuple(row[1:].tolist()) for image in data.labels for row in image if row[0] >= 0}


@pytest.mark.parametrize(("kind", "layout"), LAYOUTS, ids=lambda each: getattr(each, "__name__", each))
def test_both_sides_read_an_exporters_folder_as_it_comes(tmp_path: Path, kind: Kind, layout: Callable) -> None:
    folder = tmp_path / "set"
    layout(folder)

    real, source = photographs(folder, kind, tmp_path / "cache"), renders(folder, kind)
    setting = setting_of(source, resolution=SIDE, poses_per_scene=1, labels=("classes", "boxes", "masks"))
    drawn = scene_of_folder(setting, 0, 0)[0]

    assert len(real.train.class_names) == len(source.class_names) == 2
    assert len(real.test) >= 2
    assert {tuple(map(round, box)) for box in boxes(real.train) | boxes(real.test)} == {tuple(map(round, IN_SQUARE))}
    [seen] = drawn.objects
    assert np.abs(np.array(seen.box) - IN_SQUARE).max() <= 0.5
    # the square is where its box is, on both sides alike
    assert min(real.train.images[0, 4:12, 6:14].min(), drawn.rgb[4:12, 6:14].min()) > 235
    assert drawn.content == (40, 20)


def test_the_line_says_by_what_a_set_was_parted(tmp_path: Path) -> None:
    own_folders.cvat(tmp_path / "several")
    own_folders.cvat(tmp_path / "one")
    for file in (tmp_path / "one").rglob("*.jpg"):
        save(picture(), file)

    several, one = (photographs(tmp_path / name, "coco", tmp_path / "cache") for name in ("several", "one"))

    assert several.listing is not None
    assert one.listing is not None
    assert "by their content and seed 0" in " ".join(several.listing.lines)
    assert "by their places, as all are one picture byte by byte, and seed 0" in " ".join(one.listing.lines)


def test_one_list_is_parted_by_what_its_pictures_are(tmp_path: Path) -> None:
    # given 20 pictures of which each has a copy under another name
    names = [f"{k}{copy}.png" for k in range(10) for copy in "ab"]
    for name in names:
        save(picture(40 + int(name[0])), tmp_path / "set/images" / name)
    write(tmp_path / "set/annotations.json", listing(names))

    def shades(seed: int) -> tuple[list[int], list[int]]:
        real = RealSet("coco:set", tmp_path, SIDE, kind="boxes", cache_dir=tmp_path / "cache", seed=seed).load()
        return tuple(sorted(part.images[:, 0, 0, 0].tolist()) for part in (real.train, real.test))  # type: ignore

    # then a picture and its copy are on one side, a fifth is tested on, and the seed says which
    train, test = shades(0)
    assert (len(train), len(test)) == (16, 4)
    assert not set(train) & set(test)
    assert shades(0) == (train, test)
    assert any(shades(seed)[1] != test for seed in (1, 2, 3))


def test_a_fraction_parts_a_set_that_has_training_images_alone(tmp_path: Path) -> None:
    own_folders.class_folders(tmp_path / "set", splits=("train",), count=10)

    with pytest.raises(FileNotFoundError, match="has no test/ or val/ folder"):
        RealSet("imagefolder:set", tmp_path, 16, cache_dir=tmp_path / "cache").load()
    real = RealSet("imagefolder:set", tmp_path, 16, cache_dir=tmp_path / "cache", test_fraction=0.3).load()

    # a part of each class
    assert np.bincount(real.test.labels).tolist() == [3, 3]
    assert np.bincount(real.train.labels).tolist() == [7, 7]


def test_class_folders_without_a_split_are_parted_and_splits_of_renders_are_one(tmp_path: Path) -> None:
    own_folders.class_folders(tmp_path / "flat", splits=(".",), count=5)
    own_folders.class_folders(tmp_path / "split", splits=("train", "valid", "test"), count=5)

    real = RealSet("imagefolder:flat", tmp_path, 16, cache_dir=tmp_path / "cache").load()

    assert (len(real.train), len(real.test)) == (8, 2)
    assert sum(folder_size(renders(tmp_path / "split", "imagefolder"))) == 30
    assert renders(tmp_path / "split", "imagefolder").class_names == ("cat", "dog")


def _two_lists(folder: Path) -> None:
    for name in ("first", "second"):
        write(folder / f"{name}.json", listing(["a.png"]))
    save(picture(), folder / "images/a.png")


def _some_missing(folder: Path) -> None:
    own_folders.cvat(folder)
    for k in (2, 3, 4):
        (folder / f"images/default/{k}.jpg").unlink()


def _either_of_two(folder: Path) -> None:
    write(folder / "annotations.json", listing(["a.png", "b.png"]))
    for name in ("x/a.png", "y/a.png", "x/b.png"):
        save(picture(), folder / "images" / name)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_two_lists, "has several lists of no split, first.json, second.json; keep one, or name them"),
        (_some_missing, r"images/default/2\.jpg is not there, as 3 of the 10 that .*instances_default\.json lists"),
        (_either_of_two, r"lists a\.png, which may be images/x/a\.png or images/y/a\.png; list it with its folder"),
        (lambda folder: save(picture(), folder / "a.png"), "nor another list of COCO's; found none"),
    ],
)
def test_what_cannot_be_found_is_told_alike_on_both_sides(tmp_path: Path, harm: Callable, message: str) -> None:
    harm(tmp_path / "set")

    with pytest.raises((ValueError, FileNotFoundError), match=message):
        photographs(tmp_path / "set", "coco", tmp_path / "cache")
    with pytest.raises(ValueError, match=message):
        renders(tmp_path / "set", "coco")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", r"3\.txt, line 1: it has class 2, and 2 are named"),
        ("0 40 20 20 20", "it has numbers that are no shares of the image, 0 to 1"),
        ("0 0.5 0.5", "it has 2 shares"),
        ("cat 0.5 0.5 0.1 0.1", "it is no class number and shares of the image"),
    ],
)
def test_a_text_that_is_no_yolo_is_named_by_its_line(tmp_path: Path, line: str, message: str) -> None:
    own_folders.yolo(tmp_path / "set")
    write(tmp_path / "set/labels/3.txt", line)

    with pytest.raises(ValueError, match=message):
        photographs(tmp_path / "set", "yolo", tmp_path / "cache")
    with pytest.raises(ValueError, match=message):
        renders(tmp_path / "set", "yolo")


def test_an_outline_of_yolos_is_one_on_both_sides(tmp_path: Path) -> None:
    own_folders.yolo(tmp_path / "set")
    for k in range(10):
        write(tmp_path / f"set/labels/{k}.txt", f"{k % 2} 0.125 0.125 0.375 0.125 0.375 0.625 0.125 0.625\n")

    real = RealSet("yolo:set", tmp_path, SIDE, kind="instances", cache_dir=tmp_path / "cache").load()
    entry = next(iter(contents(renders(tmp_path / "set", "yolo")).entries.values()))

    assert int((real.train.labels[0, ..., 0] > 0).sum()) == 100
    assert json.loads(json.dumps(entry.labels))[0][1]["bbox"] == [10.0, 5.0, 20.0, 20.0]


def _sized(folder: Path, boxes_of: list[tuple[float, float, float, float]], segmentations: Sequence[object]) -> Path:
    names = [f"{k}.png" for k in range(len(boxes_of))]
    content = listing(names)
    for annotation, box, outline in zip(content["annotations"], boxes_of, segmentations, strict=True):
        annotation |= {"bbox": list(box), "segmentation": outline, "area": box[2] * box[3]}
    for k, name in enumerate(names):
        save(picture(20 + k), folder / "images" / name)
    write(folder / "annotations.json", content)
    return folder


def test_objects_outside_of_their_picture_are_left_out_on_both_sides_with_a_count(tmp_path: Path) -> None:
    """Given 12 pictures of 80 x 40 px, one object of which lies right of its picture, no label of it is kept."""
    inside = (10.0, 5.0, 20.0, 20.0)
    boxes_told = [inside] * 11 + [(210.0, 5.0, 20.0, 20.0)]
    folder = _sized(tmp_path / "set", boxes_told, [own_folders.polygon(box) for box in boxes_told])

    source = renders(folder, "coco")
    real = photographs(folder, "coco", tmp_path / "cache")

    found = contents(source)
    assert sum(len(entry.labels) for entry in found.entries.values()) == 11
    assert "1 objects have no extent in their image and are left out" in "\n".join(found.lines)
    assert sum(len(boxes(part)) > 0 for part in (real.train, real.test)) == 2
    assert "have no extent in their image" in "\n".join(real.overview(print)[0])


def test_run_lengths_that_lie_elsewhere_than_their_boxes_are_refused(tmp_path: Path) -> None:
    """Given masks written along rows, as no COCO tool does, their pixels are not in their boxes."""
    mask = np.zeros((40, 80), int)
    mask[5:25, 50:70] = 1
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[-1], mask.ravel(), [-1]])))).tolist()
    outline = {"size": [40, 80], "counts": [int(each) for each in runs]}
    folder = _sized(tmp_path / "set", [(50.0, 5.0, 20.0, 20.0)] * 12, [outline] * 12)

    with pytest.raises(ValueError, match=r"outlines \(segmentation\) leave their boxes|not where their outlines"):
        contents(renders(folder, "coco"))


def test_objects_that_are_listed_twice_are_told_with_a_count(tmp_path: Path) -> None:
    folder = _sized(tmp_path / "set", [(10.0, 5.0, 20.0, 20.0)] * 12, [own_folders.polygon()] * 12)
    content = json.loads((folder / "annotations.json").read_text())
    content["annotations"] += [each | {"id": 100 + each["id"]} for each in content["annotations"][:3]]
    write(folder / "annotations.json", content)

    assert "3 of 15 objects have the class and box of another of their picture" in "\n".join(
        contents(renders(folder, "coco")).lines
    )
