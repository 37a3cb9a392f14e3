"""Draws of images and photographs: shared by all runs, or each run's own where the sweep file says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.commands.plan import describe, look_ahead
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.stages import render as render_stage
from sweeper.stages.identity import Identities, Split, Trial
from sweeper.stages.inventory import Inventory
from sweeper.stages.render import ensure_rendered
from sweeper.storage.artifacts import ArtifactStore, Manifest, artifact_key
from tasks.data.fashion_mnist import PACKAGE_FOLDER
from tests.sweeper.examples import ARM, real_sweep, sweep_of

# Shards of 20 images, and 30 validation images: two shards.
SMALL = {"render": {"poses_per_scene": 10, "scenes_per_shard": 2}, "pretrain": {"validation_images": 30}}
OTHER_TASK, REFERENCE = ARM.replace("sinclass", "mulclass"), "none/none/small_resnet/sinclass"
OWN_IMAGES, OWN_PHOTOGRAPHS = "pretrain.subset=independent", "finetune={count: 100, subset: independent}"


def sweep(folder: Path, *overrides: str) -> SweepConfig:
    return sweep_of(folder, real_sweep(**SMALL), *overrides)


def photographs(config: SweepConfig, run: Run, repeat: int = 0, split: Split = "test") -> int:
    """The seed by which a fine-tune's photographs are chosen."""
    seed: int = Identities(config).finetune(Trial(run, repeat, {}, split, None))["subset_seed"]
    return seed


def test_all_runs_learn_from_one_choice_of_photographs_by_default(tmp_path: Path) -> None:
    config = sweep(tmp_path, "finetune={count: 100}")

    assert {photographs(config, Run(ARM, n, seed)) for n in (1000, 2000) for seed in (0, 1)} == {config.seed}
    assert photographs(config, Run(REFERENCE, 0, 1)) == config.seed


def test_each_run_has_a_choice_of_photographs_of_its_own_where_asked_for(tmp_path: Path) -> None:
    config = sweep(tmp_path, OWN_PHOTOGRAPHS)
    runs = [Run(ARM, n, seed) for n in (1000, 2000) for seed in (0, 1)] + [Run(REFERENCE, 0, seed) for seed in (0, 1)]

    # given runs that differ in size and seed, then each has its own, and its repeats share it
    assert len({photographs(config, run) for run in runs}) == len(runs)
    assert all(photographs(config, run) == photographs(config, run, repeat=1) for run in runs)

    # and recipe values are tuned on the shared one
    assert {photographs(config, run, split="validation") for run in runs} == {config.seed}


def test_another_choice_of_photographs_or_images_is_another_study_and_the_default_the_same(tmp_path: Path) -> None:
    def keys(*overrides: str) -> tuple[str, str]:
        identities = Identities(sweep(tmp_path, *overrides))
        return identities.checkpoint(Run(ARM, 40, 0)).get("subset", "first"), identities.study(arm)

    arm = Trial(Run(ARM, 40, 0), 0, {}, "test", None).arm
    plain = keys("finetune.count=100")

    assert keys("finetune={count: 100, subset: shared}", "pretrain.subset=first") == plain
    assert keys(OWN_PHOTOGRAPHS)[0] == "first"
    assert keys("finetune.count=100", OWN_IMAGES)[0] == "independent"
    assert len({plain[1], keys(OWN_PHOTOGRAPHS)[1], keys("finetune.count=100", OWN_IMAGES)[1]}) == 3


def test_the_first_images_are_shared_and_independent_ones_by_arms_of_a_size_and_seed_alone(tmp_path: Path) -> None:
    runs = {
        "small": Run(ARM, 40, 0),
        "large": Run(ARM, 90, 0),
        "again": Run(ARM, 40, 1),
        "task": Run(OTHER_TASK, 40, 0),
    }

    def seeds(*overrides: str) -> dict[str, int]:
        inventory = Inventory(sweep(tmp_path, *overrides), ArtifactStore(str(tmp_path / "store")))
        return {name: inventory.image_sets(run)[0].seed for name, run in runs.items()}

    # given the first images, then all read them; given independent draws, then only arms of the same size and seed do
    assert set(seeds().values()) == {0}
    own = seeds(OWN_IMAGES)
    assert own["task"] == own["small"]
    assert len(set(own.values())) == 3
    assert own == seeds(OWN_IMAGES)


def test_independent_draws_are_priced_one_by_one_and_their_validation_images_once(tmp_path: Path) -> None:
    config = sweep(tmp_path, OWN_IMAGES)
    small, large, again, task = Run(ARM, 40, 0), Run(ARM, 90, 0), Run(ARM, 40, 1), Run(OTHER_TASK, 40, 0)
    inventory, pricing = look_ahead(config, tmp_path, [])

    # then nothing of a larger run or another seed serves a smaller one, and everything another arm
    assert inventory.work(small).images == 20 * (2 + 2)
    assert inventory.work(small, alongside=[large]).images == inventory.work(again, alongside=[small]).images == 20 * 2
    assert inventory.work(task, alongside=[small]).images == 0
    assert pricing.of(small, [large]) > pricing.of(task, [small])

    # while the first images are shared
    shared, _ = look_ahead(sweep(tmp_path), tmp_path, [])
    assert shared.work(small, alongside=[large]).images == 0


@pytest.mark.skipif(not PACKAGE_FOLDER.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist")
def test_the_plan_says_that_images_are_not_shared_and_asks_more_for_them(tmp_path: Path) -> None:
    def rendering(*overrides: str) -> tuple[bool, float]:
        said = describe(sweep(tmp_path, f"store={tmp_path / 'store'}", f"output={tmp_path / 'run'}", *overrides))
        _, _, grid = said.partition("the whole ladder once")
        minutes = next(line for line in grid.splitlines() if line.split()[0] == "render").split(" / ")[1]
        return "each size and seed renders its own" in said, float(minutes)

    (silent, first), (told, own) = rendering(), rendering(OWN_IMAGES)

    assert (silent, told) == (False, True)
    # seven sizes, each twice the one before: all of them together are nearly twice the largest
    assert own == pytest.approx(first * 127 / 64, rel=0.02)


def test_images_of_two_seeds_are_rendered_under_each_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given the training images of an independent draw, and the validation images that all draws share
    config, store = sweep(tmp_path, OWN_IMAGES), ArtifactStore(str(tmp_path / "store"))
    training, validation = Inventory(config, store).image_sets(Run(ARM, 40, 0))
    empty = tmp_path / "empty"
    empty.mkdir()
    asked: list[tuple[int, list[int]]] = []

    def render(job: Any, shards: list[int]) -> None:
        asked.append((job.seed, list(shards)))
        for index in shards:
            store.commit(next(s for s in (training, validation) if s.seed == job.seed).shard(index), empty)

    monkeypatch.setattr(render_stage, "render_shards", render)

    # when they are rendered
    made: list[list[Manifest]] = ensure_rendered([training, validation], config.render, store, lambda n, s: None)

    # then each set is made of its own shards
    assert asked == [(training.seed, list(training.shards)), (0, list(validation.shards))]
    wanted = [[artifact_key(images.shard(i)) for i in images.shards] for images in (training, validation)]
    assert [[manifest.key for manifest in each] for each in made] == wanted


def test_a_folder_of_images_has_no_independent_draws(tmp_path: Path) -> None:
    source = {"source": {"kind": "imagefolder", "path": str(tmp_path), "class_names": ["a", "b"]}}

    with pytest.raises(BadInput, match=r"pretrain\.subset: independent needs renders; photos is a folder"):
        sweep_of(tmp_path, real_sweep(renderings={"photos": source}, pretrain={"subset": "independent"}))


@pytest.mark.parametrize("said", ["subset=independent", "fraction=1.0"])
def test_all_photographs_cannot_be_drawn_independently(tmp_path: Path, said: str) -> None:
    with pytest.raises(BadInput, match="subset: independent draws a part of the photographs"):
        sweep(tmp_path, "finetune.subset=independent", f"finetune.{said}")
