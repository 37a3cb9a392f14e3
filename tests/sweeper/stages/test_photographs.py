"""The real images of a sweep: looked at when it begins, then found by their hash; what they take is said before."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analysis.policy.runs import Run
from sweeper.commands.check import check
from sweeper.commands.plan import describe
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.stages.finetune import Finetuning, _measured, finetuning_of
from sweeper.stages.identity import Identities, Trial
from sweeper.stages.photographs import photographs
from sweeper.storage.artifacts import ArtifactStore
from sweeper.storage.tested import TEST_IMAGES_FILE
from sweeper.study.arms import Arm
from tests.sweeper.examples import real_sweep, sweep_of
from tests.tasks.data.photographs import class_folders, coco, opened_files, write_photograph

REFERENCE = "none/none/small_resnet/sinclass"
RECIPE = {"iterations": 2, "batch_size": 4, "warmup_images": 0}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def sweep(folder: Path, *overrides: str, **finetune: Any) -> SweepConfig:
    own = {"dataset": "imagefolder:set", "count": 6, "resolution": 16, "recipe": RECIPE} | finetune
    places = f"store={folder / 'store'}", f"output={folder / 'run'}", f"data_root={folder}"
    return sweep_of(folder, real_sweep(finetune=own, tune={"folds": 2}), *places, *overrides)


def job_of(config: SweepConfig) -> Finetuning:
    return finetuning_of(config, ArtifactStore(config.store))


def measured(job: Finetuning, folder: Path, seed: int = 0, split: Any = "test") -> dict[str, Any]:
    return _measured(job, Trial(Run(REFERENCE, 0, seed), 0, {}, split, None), lambda error, percent: None, folder)


def test_a_fine_tune_looks_at_no_file_of_the_set(tmp_path: Path) -> None:
    # given a sweep that began, and photographs that nobody can read any more
    class_folders(tmp_path / "set", train=40, test=4)
    config, s = check(sweep(tmp_path))
    shutil.rmtree(tmp_path / "set")

    # then what was drawn is learnt from, on all of it and on folds
    told = measured(job_of(config), tmp_path), measured(job_of(config), tmp_path, split="validation")
    assert s == 6
    assert 0 <= told[0]["error"] <= 1
    assert len(told[1]["folds"]) == 2


def test_runs_with_draws_of_their_own_decode_what_they_draw_and_no_photograph_twice(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", train=40, test=4)
    config, _ = check(sweep(tmp_path, subset="independent"))

    with opened_files() as opened:
        for seed in (0, 1, 0, 1):
            measured(job_of(config), tmp_path, seed)

    assert 0 < len(opened) == len(set(opened)) <= 12


def test_photographs_that_changed_are_another_set_to_the_next_sweep_and_named_to_this_one(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", train=40, test=4)
    config, _ = check(sweep(tmp_path, subset="independent"))
    before = config.finetune.dataset_sha256
    for file in folder.glob("train/*/*.png"):
        file.write_bytes(file.read_bytes() + b"more")

    with pytest.raises(ValueError, match=r"\.png has changed since its set was listed; run the sweep again"):
        measured(job_of(config), tmp_path, seed=1)
    again, _ = check(sweep(tmp_path, subset="independent"))
    assert again.finetune.dataset_sha256 != before
    with pytest.raises(
        BadInput, match=r"dataset_sha256: the images found .* with this draw of them; correct data_root"
    ):
        check(sweep(tmp_path, subset="independent", dataset_sha256=before))


def test_how_images_become_squares_parts_rows_only_where_it_is_said(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", train=10, test=4)
    arm = Arm.named(REFERENCE)

    plain, cropped, stretched = (
        Identities(sweep(tmp_path, **fit)).study(arm) for fit in ({}, {"fit": "crop"}, {"fit": "stretch"})
    )

    assert len({plain, cropped, stretched}) == 3
    # given squares, every fit shows the same pixels, and the hash says how they were made
    config, _ = check(sweep(tmp_path, fit="letterbox"))
    assert config.finetune.dataset_sha256 != check(sweep(tmp_path))[0].finetune.dataset_sha256
    assert measured(job_of(config), tmp_path)["error"] <= 1


def test_the_plan_says_what_decoded_images_take(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", train=40, test=4)

    said = describe(sweep(tmp_path, subset="independent"))

    assert "real images: 6 drawn and 4 for testing are decoded, 7.76e-06 GB in" in said
    assert "each run draws others, up to 3.41e-05 GB" in said
    # 64,000 and 200 images of 64 px
    assert (
        "rendered images: the largest size is decoded where it is learnt from, 0.789 of the 50 GB of cache_gb" in said
    )


def test_what_does_not_fit_on_a_disk_is_refused_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_folders(tmp_path / "set", train=40, test=4)
    with pytest.raises(BadInput, match=r"^cache_gb: the decoded images of the largest size take 78\.\d+ GB at 640 px,"):
        check(sweep(tmp_path, "render.resolution=640"))
    assert check(sweep(tmp_path, "render.resolution=640", "cache_gb=80"))

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with (
        opened_files() as opened,
        pytest.raises(BadInput, match=r"decoding 3 images takes .* 1e-08 GB free; make room"),
    ):
        check(sweep(tmp_path, count=9))
    assert opened == []


def split_of(config: SweepConfig) -> tuple[set[int], set[int]]:
    """The drawn photographs of every run's kind of draw, and those tested on, by the red that says which they are."""
    own = photographs(config)
    real = own.listed()
    chosen = np.concatenate([own.drawn(real, seed) for seed in (config.seed, 1, 2)])
    drawn, tested = real.training.take(chosen), real.tested(own.rest(real))
    return {int(each) for each in drawn.images[:, 0, 0, 0]}, {int(each) for each in tested.images[:, 0, 0, 0]}


def three_folders(folder: Path) -> None:
    """Photographs 0 to 39 for training, 100 to 103 for testing and 200 to 205 in val."""
    class_folders(folder, train=40, test=0)
    for split, first, count in (("test", 100, 4), ("val", 200, 6)):
        for number in range(first, first + count):
            write_photograph(folder / split / f"class{number % 2}" / f"{number:03d}.png", number)


@pytest.mark.parametrize("subset", ["shared", "independent"])
def test_all_photographs_outside_the_pool_are_tested_on_whatever_their_folder_and_none_of_it(
    tmp_path: Path, subset: str
) -> None:
    three_folders(tmp_path / "set")
    small, large = (sweep(tmp_path, test="rest", pool=20, count=count, subset=subset) for count in (6, 16))

    (drawn, tested), (more, again) = split_of(small), split_of(large)

    assert len(tested) == 20 + 4 + 6
    assert tested == again, "one test set for all s up to the pool"
    assert not (drawn | more) & tested
    assert drawn | more | tested <= {*range(40), *range(100, 104), *range(200, 206)}
    if subset == "shared":
        assert drawn < more
    else:
        assert len(drawn) > 6, "each run draws its own from the pool"


def test_a_fine_tune_is_tested_on_the_rest_and_says_on_how_many(tmp_path: Path) -> None:
    three_folders(tmp_path / "set")
    said = describe(sweep(tmp_path, test="rest", pool=20))
    config, s = check(sweep(tmp_path, test="rest", pool=20))
    shutil.rmtree(tmp_path / "set")

    measured(job_of(config), tmp_path)

    with np.load(tmp_path / TEST_IMAGES_FILE) as told:
        assert int(told["size"]) == 30
    assert s == 6
    assert "s = 6 real training images, error on the 30 photographs outside of a pool of 20" in said


def test_the_test_set_parts_rows_and_a_sweep_without_the_key_keeps_its_rows(tmp_path: Path) -> None:
    three_folders(tmp_path / "set")
    arm = Arm.named(REFERENCE)
    kinds: list[dict[str, Any]] = [{}, {"test": "split"}, {"test": "rest"}, {"test": "rest", "pool": 20}]

    own, said, rest, pool = (Identities(sweep(tmp_path, **kind)).study(arm) for kind in kinds)

    assert own == said
    assert len({own, rest, pool}) == 3
    assert Identities(sweep(tmp_path, test="rest", pool=6)).study(arm) == rest, "the pool is s by default"
    # the hash of the photographs is the same for every s that has the same pool
    shas = {check(sweep(tmp_path, test="rest", pool=20, count=s))[0].finetune.dataset_sha256 for s in (6, 20)}
    assert len(shas) == 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pool": 20}, "pool: what is outside of it is tested on with test: rest"),
        ({"test": "rest", "pool": 5}, "pool: 5 are fewer than the 6 photographs of count"),
        ({"test": "rest", "pool": 41}, r"pool: 41 is not between s, 6, and the 40 training images; correct finetune"),
        ({"test": "rest", "subset": "independent"}, "subset: independent draws s photographs of the pool"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    three_folders(tmp_path / "set")

    with pytest.raises(BadInput, match=message):
        check(sweep(tmp_path, **keys))


def test_a_set_of_which_nothing_would_be_left_is_refused(tmp_path: Path) -> None:
    coco(tmp_path / "set", train=40, test=0)
    keys: dict[str, Any] = {"dataset": "coco:set", "tasks": ["mulclass"], "test": "rest", "count": 40}

    with pytest.raises(BadInput, match="test: rest leaves nothing of 40 photographs outside the pool"):
        check(sweep(tmp_path, **keys))


def test_boxes_of_both_splits_are_tested_on_together(tmp_path: Path) -> None:
    coco(tmp_path / "set", train=40, test=4)
    config = sweep(tmp_path, dataset="coco:set", tasks=["objdet"], test="rest", count=30)
    own = photographs(config)
    real = own.listed()

    tested = real.tested(own.rest(real))

    assert tested.labels.shape == (14, 1, 5)
    assert (tested.labels[..., 0] >= 0).all()
