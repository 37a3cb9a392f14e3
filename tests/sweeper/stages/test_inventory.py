"""What a store has of what runs need; looking makes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.policy.runs import Run
from sweeper.budget.cost_model import Work
from sweeper.stages.identity import Trial
from sweeper.stages.image_sets import training_images
from sweeper.stages.inventory import Inventory
from sweeper.storage.artifacts import MODEL_FILE, ArtifactStore
from sweeper.study.arms import make_plan
from tests.sweeper.examples import ARM, real_sweep, sweep_of

# Shards of 20 images, and 30 validation images: two shards.
SMALL = {"render": {"poses_per_scene": 10, "scenes_per_shard": 2}, "pretrain": {"validation_images": 30}}
FIXED = ARM.replace("plain", "fixed")


def everything(folder: Path) -> dict[str, bytes | None]:
    """All paths below a folder, with what is in them."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_what_is_there_and_what_others_bring_is_not_missing(tmp_path: Path) -> None:
    # given shards of 20 images, of which the store has the first
    config, store = sweep_of(tmp_path, real_sweep(**SMALL)), ArtifactStore(str(tmp_path / "store"))
    inventory = Inventory(config, store)
    small, large, other = Run(ARM, 40, 0), Run(ARM, 90, 0), Run(FIXED, 40, 0)
    assert inventory.work(small).images == 20 * (2 + 2)
    made = tmp_path / "made"
    made.mkdir()
    store.commit(training_images(config, "plain", 40).shard(0), made)

    # then it is seen once the inventory is told that something has changed
    assert inventory.work(large).images == 20 * (5 + 2)
    inventory.changed()
    assert inventory.work(large).images == 20 * (4 + 2)
    assert inventory.images_there([large, small]) == 20

    # and what another run renders, or another setting has, is not counted twice or at all
    assert inventory.work(large, alongside=[small]).images == 20 * 3
    assert inventory.work(small, alongside=[large]).images == 0
    assert inventory.work(other, alongside=[large]).images == 20 * (2 + 2)

    # while a store with nothing in it would need all of them
    assert inventory.whole_work(large, tuning_trials=3) == Work(20 * (5 + 2), True, config.finetune.repeats, 3)


def test_a_run_whose_checkpoint_is_there_needs_fine_tunes_alone(tmp_path: Path) -> None:
    # given the checkpoint of one seed
    config, store = sweep_of(tmp_path, real_sweep(**SMALL)), ArtifactStore(str(tmp_path / "store"))
    inventory, run, repeat = Inventory(config, store), Run(ARM, 40, 0), Run(ARM, 40, 1)
    made = tmp_path / "made"
    made.mkdir()
    (made / MODEL_FILE).write_bytes(b"a model")
    committed = store.commit(inventory.identities.checkpoint(run), made)

    # then that run lacks nothing but its fine-tunes, another seed its pre-training, and a reference has none
    assert inventory.checkpoint(run) == committed
    assert inventory.work(run, tuning_trials=2) == Work(0, False, config.finetune.repeats, 2)
    assert inventory.work(repeat).pretrain
    reference = make_plan(config).references[0]
    assert not inventory.needs_checkpoint(Run(reference.name, 0, 0))
    assert inventory.image_sets(Run(reference.name, 0, 0)) == ()


@pytest.mark.parametrize("damaged", [False, True])
def test_looking_makes_nothing_and_takes_nothing_away(tmp_path: Path, damaged: bool) -> None:
    # given a folder with no store in it, or a store whose one checkpoint is damaged
    config, root = sweep_of(tmp_path, real_sweep(**SMALL)), tmp_path / "disk"
    root.mkdir()
    run, reference = Run(ARM, 40, 0), make_plan(config).references[0].name
    if damaged:
        made = tmp_path / "made"
        made.mkdir()
        (made / MODEL_FILE).write_bytes(b"a model")
        store = ArtifactStore(str(root / "store"))
        store.commit(Inventory(config, store).identities.checkpoint(run), made)
        (model,) = (root / "store").rglob(MODEL_FILE)
        model.write_bytes(b"a muddle")
    before = everything(tmp_path)

    # when everything that an inventory answers is asked of a store that is only looked at
    inventory = Inventory(config, ArtifactStore(str(root / "store"), look_only=True))
    trial = Trial(run, 0, {"lr": 0.1}, "test", None)
    answers = (
        inventory.work(run),
        inventory.work(run, [Run(FIXED, 90, 0)], 3),
        inventory.whole_work(run, 0),
        inventory.images_there([run, Run(reference, 0, 0)]),
        inventory.checkpoint(run),
        inventory.measured(trial),
    )

    # then it has none of it, and the file system is as it was
    everything_is_missing = Work(20 * (2 + 2), True, config.finetune.repeats)
    assert answers[0] == answers[2] == everything_is_missing
    assert answers[3:] == (0, None, None)
    assert everything(tmp_path) == before
