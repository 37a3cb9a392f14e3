"""Pictures as cameras and programs write them: turned, of any mode, beside other files, with labels that mislead."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from render_actors.setting.source import Source
from render_actors.sources.labelled_folder import contents, folder_classes, scene_of_folder
from tasks.data.catalogue import RealData, RealSet
from tasks.data.readers.images import opened, upright
from tasks.data.readers.pictures import look_at
from tasks.label_forms import IGNORED
from tests.render_actors.sources.test_sources import setting_of
from tests.tasks.data import own_folders
from tests.tasks.data.own_folders import BOX, IN_SQUARE, SIZE, listing, picture, polygon, save, write
from tests.tasks.data.photographs import opened_files

SIDE = 40


def load(folder: Path, name: str, kind: Any = "boxes", side: int = SIDE) -> RealData:
    return RealSet(f"{name}:{folder}", None, side, kind=kind, cache_dir=folder.parent / "cache").load()


def told(real: RealData) -> str:
    return "\n".join(real.overview(lambda line: None)[0])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))


def _turned_coco(folder: Path, size: tuple[int, int], box: list[int], orientation: int) -> Path:
    def change(content: dict[str, Any]) -> None:
        for image in content["images"]:
            image |= {"width": size[0], "height": size[1]}
        for each in content["annotations"]:
            each |= {"bbox": box, "segmentation": polygon(box)}

    return own_folders.coco(folder, change=change, orientation=orientation)


# the white square of a picture whose stored pixels are turned by 90 degrees to be upright
UPRIGHT_BOX = [SIZE[1] - BOX[1] - BOX[3], BOX[0], BOX[3], BOX[2]]


@pytest.mark.parametrize(
    ("size", "box"), [(SIZE, list(BOX)), (SIZE[::-1], UPRIGHT_BOX)], ids=["labelled as stored", "labelled upright"]
)
def test_a_lists_size_tells_which_view_was_labelled_on_both_sides(
    tmp_path: Path, size: tuple[int, int], box: list[int]
) -> None:
    folder = _turned_coco(tmp_path / "set", size, box, orientation=6)

    real, source = load(folder, "coco"), Source("coco", str(folder), ("c1", "c2"))
    drawn = scene_of_folder(setting_of(source, resolution=SIDE, poses_per_scene=1), 0, 0)[0]

    # what lies in the box is the white square
    for image, corners in ((real.train.images[0], real.train.labels[0, 0, 1:]), (drawn.rgb, drawn.objects[0].box)):
        x0, y0, x1, y1 = (round(float(each)) for each in corners)
        assert image[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].min() == 255
        assert (image[..., 0] > 200).sum() <= 121


@pytest.mark.parametrize(
    ("size", "box", "orientation", "line"),
    [
        (SIZE, list(BOX), 6, "8 pictures are turned by their EXIF, and labelled in the size that they are stored in"),
        (SIZE, list(BOX), 3, "pictures are turned by their EXIF to the same size, so that nothing tells which view"),
    ],
)
def test_what_the_size_cannot_tell_is_said(
    tmp_path: Path, size: tuple[int, int], box: list[int], orientation: int, line: str
) -> None:
    said = told(load(_turned_coco(tmp_path / "set", size, box, orientation), "coco"))
    assert line.removeprefix("8 ") in said


def test_boxes_that_only_fit_the_upright_view_are_refused_where_the_stored_size_is_listed(tmp_path: Path) -> None:
    folder = _turned_coco(tmp_path / "set", SIZE, [10, 50, 20, 25], orientation=6)

    with pytest.raises(ValueError, match="fit it with width and height exchanged: they were drawn on the upright view"):
        load(folder, "coco")


def _with_tiff(file: Path, tiff: bytes) -> None:
    """A JPEG with this for its EXIF."""
    plain, block = BytesIO(), b"Exif\0\0" + tiff
    picture().save(plain, "JPEG")
    content = plain.getvalue()
    file.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + content[2:])


@pytest.mark.parametrize("broken", ["a pointer that is text", "no TIFF at all", "cut off"])
def test_malformed_exif_is_a_line_with_the_file_and_the_picture_is_read(tmp_path: Path, broken: str) -> None:
    folder = own_folders.class_folders(tmp_path / "set")
    entries = [(ORIENT, 3, 1, struct.pack("<HH", 1, 0)), (0xA005, 2, 4, b"zz\0\0")]
    rows = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    whole = b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + b"\0" * 4
    tiff = {"a pointer that is text": whole, "no TIFF at all": b"nothing of it", "cut off": whole[:14]}[broken]
    _with_tiff(folder / "train/cat/0.jpg", tiff)

    real = load(folder, "imagefolder", "class_index")
    said = told(real)

    assert len(real.train) == 9
    assert "Traceback" not in said
    assert "train/cat/0.jpg has malformed EXIF" in said or broken == "cut off"


ORIENT = own_folders.ORIENTATION


def _modes() -> dict[str, Image.Image]:
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    palette = Image.fromarray((grey >> 8).astype(np.uint8)).quantize(16)
    return {
        "16 bits": Image.fromarray(grey),
        "transparent": Image.new("RGBA", (64, 64), (0, 0, 0, 0)),
        "CMYK": Image.new("CMYK", (64, 64), (0, 0, 0, 0)),
        "palette": palette,
        "1 bit": Image.fromarray(grey > 30000),
        "grey and alpha": Image.new("LA", (64, 64), (200, 255)),
    }


@pytest.mark.parametrize(
    ("mode", "means"),
    [
        ("16 bits", (0, 255, 127)),
        ("transparent", (128, 128, 128)),
        ("CMYK", (255, 255, 255)),
        ("palette", (0, 255, 127)),
        ("1 bit", (0, 255, 138)),
        ("grey and alpha", (200, 200, 200)),
    ],
)
def test_a_picture_of_any_mode_is_seen_as_it_is_meant(tmp_path: Path, mode: str, means: tuple[int, int, int]) -> None:
    file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    _modes()[mode].save(file)

    shown = np.asarray(upright(file, opened(file)))

    found = shown.min(), shown.max(), shown.mean()
    assert np.abs(np.array(found, float) - means).max() < 20


def test_a_picture_of_numbers_without_a_scale_is_refused_by_its_mode(tmp_path: Path) -> None:
    folder = own_folders.class_folders(tmp_path / "set")
    Image.fromarray(np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)).save(folder / "train/cat/f.tif")

    with pytest.raises(ValueError, match=r"f\.tif is of mode F, of which nobody knows what is black"):
        told(load(folder, "imagefolder", "class_index"))
    source = Source("imagefolder", str(folder), ("cat", "dog"))
    with pytest.raises(ValueError, match="is of mode F"):
        look_at(folder, list(contents(source).entries), tmp_path / "facts", lambda line: None)


def test_what_other_programs_leave_in_class_folders_counts_nowhere_and_other_files_are_told(tmp_path: Path) -> None:
    folder = own_folders.class_folders(tmp_path / "set")
    for split in ("train", "test"):
        save(picture(), folder / split / ".ipynb_checkpoints" / "0-checkpoint.png")
        save(picture(), folder / split / "__MACOSX" / "0.png")
        (folder / split / "empty").mkdir()
    (folder / "train/cat/._0.png").write_bytes(b"\0\5\x16\7" + bytes(60))
    (folder / "train/cat/notes.txt").write_text("hello")
    save(picture(3), folder / "train/cat/deeper/still/9.png")

    real = load(folder, "imagefolder", "class_index")

    assert real.train.class_names == ("cat", "dog")
    assert np.bincount(real.train.labels).tolist() == [5, 4]
    said = told(real)
    assert "set: 1 files are left out, which are no images by their endings: 1 .txt" in said
    assert "train/empty holds no image; it is no class" in said
    # and the same as renders
    assert folder_classes("imagefolder", folder / "train") == ("cat", "dog")
    assert len(contents(Source("imagefolder", str(folder / "train"), ("cat", "dog"))).entries) == 9


def test_masks_that_leave_one_class_are_refused_with_what_to_write(tmp_path: Path) -> None:
    for number, message in ((255, "255 does not count; write 1 in its place"), (0, "show one class at most")):
        folder = own_folders.maps(tmp_path / f"set{number}", number)
        with pytest.raises(ValueError, match=message):
            told(load(folder, "masks", "semantic"))
    grey = told(load(own_folders.maps(tmp_path / "grey", 128), "masks", "semantic"))
    assert "maps show the numbers 0, 128 alone, which make 129 classes" in grey


def test_files_beside_masks_are_no_masks_and_lossy_or_double_ones_are_named(tmp_path: Path) -> None:
    folder = own_folders.maps(tmp_path / "set")
    for k in range(4):
        (folder / f"annotations/train/{k}.json").write_text("{}")
    real = load(folder, "masks", "semantic")
    assert set(np.unique(real.train.labels)) == {0, 1, IGNORED}

    (folder / "annotations/train/0.png").rename(folder / "annotations/train/0.jpg")
    with pytest.raises(ValueError, match=r"train/0\.jpg is of a lossy format, which changes class numbers"):
        load(folder, "masks", "semantic")
    (folder / "annotations/train/0.jpg").rename(folder / "annotations/train/0.png")
    save(picture(), folder / "images/train/0.jpg")
    with pytest.raises(ValueError, match=r"0\.jpg and train/0\.png have one name and one map"):
        load(folder, "masks", "semantic")


def test_maps_beside_pictures_are_read_as_roboflow_writes_them(tmp_path: Path) -> None:
    shade = 20
    for split in ("train", "valid"):
        for k in range(3):
            shade += 1
            save(picture(shade), tmp_path / "set" / split / f"{k}.jpg")
            save(Image.fromarray(own_folders.class_map(1)), tmp_path / "set" / split / f"{k}_mask.png")

    real = load(tmp_path / "set", "masks", "semantic")

    assert (len(real.train), len(real.test), real.train.class_names) == (3, 3, ("0", "1"))


def _boxes(change: Any) -> Any:
    def changed(content: dict[str, Any]) -> None:
        for each in content["annotations"]:
            change(each)

    return changed


X, Y, WIDE, HIGH = BOX
CORNERS = [X, Y, X + WIDE, Y + HIGH]
OTHER_BOXES = {
    "corners": ({"bbox": CORNERS}, "corners x0, y0, x1, y1"),
    "corners without outlines": ({"bbox": CORNERS, "segmentation": []}, "corners x0, y0, x1, y1"),
    "shares": ({"bbox": [X / 80, Y / 40, WIDE / 80, HIGH / 40]}, "shares of the image x, y, width, height"),
    "middles": ({"bbox": [X + WIDE / 2, Y + HIGH / 2, WIDE, HIGH]}, "the middle x, y and width, height"),
    "rows first": ({"bbox": [Y, X, HIGH, WIDE]}, "y, x, height, width"),
    "far away": ({"bbox": [300, 300, 20, 20], "segmentation": []}, "leave their image"),
}


@pytest.mark.parametrize("kind", OTHER_BOXES)
def test_boxes_of_another_convention_are_refused_on_both_sides_by_its_name(tmp_path: Path, kind: str) -> None:
    own, message = OTHER_BOXES[kind]
    folder = own_folders.coco(tmp_path / "set", change=_boxes(lambda each: each.update(own)))

    with pytest.raises(ValueError, match=message):
        load(folder, "coco")
    with pytest.raises(ValueError, match=message):
        folder_classes("coco", folder)


def test_boxes_without_outline_or_area_are_taken_as_they_are(tmp_path: Path) -> None:
    def bare(each: dict[str, Any]) -> None:
        del each["segmentation"], each["area"]

    real = load(own_folders.coco(tmp_path / "set", change=_boxes(bare)), "coco")
    assert real.train.labels[0, 0, 1:].tolist() == IN_SQUARE


def test_flags_of_crowds_may_be_text_and_are_counted(tmp_path: Path) -> None:
    def flagged(content: dict[str, Any]) -> None:
        for k, each in enumerate(content["annotations"]):
            each["iscrowd"] = "1" if k == 0 else "0"

    folder = own_folders.coco(tmp_path / "set", change=flagged)
    real = load(folder, "coco")

    # a crowd is learnt from nowhere and stays in the evaluation
    assert (len(real.train), len(real.test)) == (3, 4)
    assert "test: 1 of 4 objects are crowds (iscrowd: 1)" in told(real)
    assert contents(Source("coco", str(folder), ("c1", "c2"))).crowds == 2
    all_crowds = own_folders.coco(tmp_path / "all", change=_boxes(lambda each: each.update(iscrowd=1)))
    with pytest.raises(ValueError, match="4 of 4 objects are crowds"):
        load(all_crowds, "coco")


def test_many_objects_and_many_classes_are_all_there(tmp_path: Path) -> None:
    cells = [[20 * (k % 20), 20 * (k // 20), 10, 10] for k in range(300)]
    for split in ("train", "val"):
        content = listing([f"{split}.png"], classes=300)
        content["images"][0] |= {"width": 400, "height": 400}
        content["annotations"] = [
            {"id": k, "image_id": 0, "category_id": k + 1, "bbox": box, "segmentation": polygon(box)}
            for k, box in enumerate(cells)
        ]
        write(tmp_path / f"set/annotations/instances_{split}.json", content)
        save(Image.new("RGB", (400, 400), (len(split), 0, 0)), tmp_path / f"set/images/{split}.png")

    real = load(tmp_path / "set", "coco", "instances", side=400)

    numbers, classes = (np.unique(real.train.labels[..., channel]) for channel in (0, 1))
    assert len(numbers) == 301
    assert classes.max() == 299


def test_pictures_are_looked_at_once_and_again_where_they_changed(tmp_path: Path) -> None:
    folder = own_folders.class_folders(tmp_path / "set")
    files = [f"train/cat/{k}.png" for k in range(4)]
    first = look_at(folder, files, tmp_path / "facts", lambda line: None)
    save(picture(200), folder / files[0])

    with opened_files() as opened:
        second = look_at(folder, files, tmp_path / "facts", lambda line: None)

    assert [file.name for file in opened] == ["0.png"]
    assert first[files[0]].content != second[files[0]].content
    assert {file: first[file] for file in files[1:]} == {file: second[file] for file in files[1:]}
    # and a damaged cache is only a cache
    (tmp_path / "facts/pictures.sqlite").write_bytes(b"no database")
    assert look_at(folder, files, tmp_path / "facts", lambda line: None) == second


def test_a_picture_that_is_cut_off_is_named_with_how_many_are(tmp_path: Path) -> None:
    folder = own_folders.class_folders(tmp_path / "set")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for k in (1, 2):
        Image.fromarray(noise).save(folder / f"test/dog/{k}.png")
        whole = (folder / f"test/dog/{k}.png").read_bytes()
        (folder / f"test/dog/{k}.png").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ValueError, match=r"test/dog/1\.png cannot be read as an image .*; so are 1 more of 8"):
        told(load(folder, "imagefolder", "class_index"))


def test_shared_pictures_and_absent_classes_are_told(tmp_path: Path) -> None:
    folder = own_folders.coco(tmp_path / "set")
    (folder / "images/val1.png").write_bytes((folder / "images/train0.png").read_bytes())
    file = folder / "annotations/instances_val.json"
    content = json.loads(file.read_text())
    for each in content["annotations"]:
        each["category_id"] = 1
    file.write_text(json.dumps(content))

    said = told(load(folder, "coco"))

    assert "1 of the 4 test pictures are training pictures too, byte by byte" in said
    assert "1 of 2 classes are in no test picture: c2" in said
    assert "learnt from annotations/instances_train.json, tested on annotations/instances_val.json" in said
