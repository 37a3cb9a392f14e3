"""What a store has of the images that runs ask for."""

from __future__ import annotations

from pathlib import Path

from render_actors.actor import shard_identity
from sweeper.stages.image_sets import training_images, validation_images
from sweeper.stages.inventory import Shelf
from sweeper.storage.artifacts import ArtifactStore
from tests.sweeper.examples import real_sweep, sweep_of


def test_what_is_there_and_what_others_bring_is_not_missing(tmp_path: Path) -> None:
    # given shards of 20 images, of which the store has the first
    render = {"poses_per_scene": 10, "scenes_per_shard": 2}
    config = sweep_of(tmp_path, real_sweep(render=render, pretrain={"validation_images": 30}))
    store, shelf = ArtifactStore(str(tmp_path / "store")), Shelf(ArtifactStore(str(tmp_path / "store")), config.render)
    small, large = (training_images(config, "plain", n) for n in (40, 90))
    held_out = validation_images(config, "plain")
    assert shelf.images_a_shard == 20
    assert shelf.missing([small, held_out]) == 2 + 2
    made = tmp_path / "made"
    made.mkdir()
    store.commit(shard_identity(small.setting, small.seed, 0, 2), made)

    # then it is seen once the shelf is told that something has changed
    assert shelf.missing([large]) == 5
    shelf.changed()
    assert shelf.missing([large]) == 4
    assert shelf.there([large, small, held_out]) == 1

    # and what another run renders, or another setting has, is not counted twice or at all
    assert shelf.missing([large], alongside=[small]) == 3
    assert shelf.missing([small], alongside=[large]) == 0
    assert shelf.missing([training_images(config, "fixed", 40)], alongside=[large]) == 2
