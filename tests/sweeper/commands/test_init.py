"""`sweeper init`: two folders of any layout become a sweep file that is accepted, sized to what is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sweeper.commands.check import check
from sweeper.commands.init import Wishes, ladder_for, square_for, write_sweep
from sweeper.commands.own_folders import Photos, clear_layout, look_at_photographs, look_at_renders
from sweeper.config.load import load_config
from sweeper.errors import BadInput
from tests.sweeper.commands.own_folders import class_folders, coco_photographs, coco_renders, masks


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sweeper.commands.init.gpus_here", lambda: 0)
    monkeypatch.setattr("sweeper.config.devices.gpus_here", lambda: 0)


def folders(root: Path, task: str) -> tuple[Path, Path]:
    """Renders and photographs for a task, 60 and 20 of each split."""
    if task == "sinclass":
        return class_folders(root / "my renders", ["."], 30), class_folders(root / "photos", ["train", "test"], 10)
    if task == "semseg":
        return masks(root / "my renders", 60), masks(root / "photos", 20, splits=("train", "val"))
    return coco_renders(root / "my renders", 60), coco_photographs(root / "photos", 20)


@pytest.mark.parametrize(
    ("task", "kind", "taught"),
    [
        ("sinclass", "imagefolder", "mulclass"),
        ("objdet", "coco", "objdet"),
        ("insseg", "coco", "insseg"),
        ("semseg", "masks", "semseg"),
    ],
)
def test_two_folders_become_a_sweep_that_is_accepted(tmp_path: Path, task: str, kind: str, taught: str) -> None:
    """Given renders and photographs laid out for a task, sizes are those of the folders, and the sweep is accepted."""
    renders, photos = folders(tmp_path, task)

    path, found = write_sweep(Wishes((str(renders),), str(photos), task, tmp_path / "mine.yaml"))
    config, s = check(load_config(path))

    source = config.renderings["my-renders"].source
    assert source is not None
    assert (source.kind, Path(source.path)) == (kind, renders)
    assert config.pretrain.tasks == (taught,)
    assert config.finetune.tasks == (task,)
    assert config.ladder.values() == (13, 27, 54)
    assert config.pretrain.validation_images == 6
    assert s == 20
    assert "few, so that small differences are not told" in path.read_text()
    renders_classes = "; 2 classes: a 30, b 30" if task == "sinclass" else ""
    photos_classes = "; 2 classes: a 10, b 10 to learn from" if task == "sinclass" else ""
    assert found == [
        f"my-renders: 60 labelled renders ({kind}), 6 held out{renders_classes}",
        f"photographs: 20 to learn from, 20 to be tested on{photos_classes}",
        "mind: 13 to 54 renders, less than 16 times as many, may be too short a ladder for alpha and C; more renders"
        " lengthen it",
    ]


def test_what_is_left_out_is_asked_for(tmp_path: Path) -> None:
    renders, photos = folders(tmp_path, "sinclass")
    answers = {"Folder of labelled renders": str(renders), "Folder of labelled photographs": f" {photos} "}

    path, _ = write_sweep(Wishes(out=tmp_path / "mine.yaml"), lambda question: answers.get(question, "sinclass"))

    assert load_config(path).finetune.dataset == f"imagefolder:{photos}"


def test_two_renderings_are_compared_by_their_names(tmp_path: Path) -> None:
    renders, photos = folders(tmp_path, "sinclass")
    wishes = Wishes((f"old={renders}", f"new={renders}"), str(photos), "sinclass", tmp_path / "mine.yaml")
    assert list(load_config(write_sweep(wishes)[0]).renderings) == ["old", "new"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"renders": ("nowhere",)}, "--renders nowhere: is not a folder"),
        ({"photos": "nowhere"}, "--photos nowhere: is not a folder"),
        ({"task": "painting"}, "--task painting: give one of sinclass, mulclass, objdet, insseg, semseg"),
        ({"task": "objdet"}, "--photos"),
        ({"photos": None, "task": None}, "init needs --photos and --task"),
    ],
)
def test_what_is_no_use_is_refused_in_a_line_and_nothing_is_left(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    renders, photos = folders(tmp_path, "sinclass")
    given = {"renders": (str(renders),), "photos": str(photos), "task": "sinclass", "out": tmp_path / "mine.yaml"}

    with pytest.raises(BadInput) as refused:
        write_sweep(Wishes(**given | changes))  # type: ignore[arg-type]

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.glob("*.yaml"))
    assert not list(tmp_path.glob(".*.yaml"))


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    renders, photos = folders(tmp_path, "sinclass")
    (tmp_path / "mine.yaml").write_text("mine")
    with pytest.raises(BadInput, match="is there already"):
        write_sweep(Wishes((str(renders),), str(photos), "sinclass", tmp_path / "mine.yaml"))
    assert (tmp_path / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(("images", "sizes"), [(10_000, [312, 625, 1250, 2500, 5000, 10_000]), (40, [10, 20, 40])])
def test_the_ladder_halves_all_there_is(images: int, sizes: list[int]) -> None:
    assert ladder_for(images) == sizes


def test_too_few_renders_are_refused() -> None:
    with pytest.raises(BadInput, match="31 images to train on are too few for a law; render 32 or more"):
        ladder_for(31)


@pytest.mark.parametrize(
    ("side", "share", "gpu", "px"),
    [
        (28, None, False, 32),
        (500, None, False, 64),
        (500, 0.3, False, 64),
        (500, 0.1, False, 128),
        (900, 0.06, True, 224),
    ],
)
def test_squares_are_as_large_as_objects_need_and_time_allows(
    side: int, share: float | None, gpu: bool, px: int
) -> None:
    assert square_for(Photos("coco:x", 100, 100, side, share), gpu)[0] == px


def test_objects_that_are_hardly_seen_are_told_at_once(tmp_path: Path) -> None:
    side, why = square_for(Photos("coco:x", 100, 100, 2000, 0.02), gpu=False)
    assert (side, "smaller than 4 px" in why) == (128, True)
    assert "smaller than 4 px" not in square_for(Photos("coco:x", 100, 100, 2000, 0.02), gpu=True)[1]


@pytest.mark.parametrize("task", ["sinclass", "objdet", "semseg"])
def test_a_folder_of_a_clear_layout_is_refused_by_its_own_reason_alone(tmp_path: Path, task: str) -> None:
    """Given one picture cut short, the line is on it and no other layout is advised."""
    renders, photos = folders(tmp_path, task)
    for folder, key in ((photos, "--photos"), (renders, "--renders")):
        bad = next(file for file in sorted(folder.rglob("*.png")) if "annotations" not in str(file))
        if task == "objdet":
            bad.unlink()
        else:
            (folder / ("annotations/train/0.png" if folder == photos else "masks/0.png")).unlink(missing_ok=True)
            if task == "sinclass":
                shutil.rmtree(folder / ("test/b" if folder == photos else "b"))
                if folder == renders:
                    continue
        with pytest.raises(BadInput) as refused:
            look_at_photographs(str(photos), task) if folder == photos else look_at_renders(str(renders))
        assert str(refused.value).startswith(key)
        assert "no layout that is known fits" not in str(refused.value)
        for other in {"imagefolder", "coco", "yolo", "masks"} - {clear_layout(folder)}:
            assert f"{other}:" not in str(refused.value)


@pytest.mark.parametrize(
    ("file", "name"), [("2024.yaml", "2024"), ("no.yaml", "no"), ("my sweep #2.yaml", "my-sweep-2")]
)
def test_any_file_name_makes_a_name_of_a_sweep(tmp_path: Path, file: str, name: str) -> None:
    renders, photos = folders(tmp_path, "sinclass")
    path, _ = write_sweep(Wishes((str(renders),), str(photos), "sinclass", tmp_path / file))
    assert load_config(path).name == name


def test_a_folder_may_have_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    renders, photos = folders(tmp_path, "sinclass")
    moved = renders.rename(tmp_path / "set=a")
    path, _ = write_sweep(Wishes((str(moved),), str(photos), "sinclass", tmp_path / "mine.yaml"))
    assert list(load_config(path).renderings) == ["set-a"]


def test_one_folder_is_not_both_sides(tmp_path: Path) -> None:
    renders, _ = folders(tmp_path, "sinclass")

    with pytest.raises(BadInput, match="are one folder"):
        write_sweep(Wishes((str(renders),), str(renders), "sinclass", tmp_path / "mine.yaml"))
