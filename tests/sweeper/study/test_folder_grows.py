"""A folder of renders that grows stays the same experiment; one whose labels change does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from analysis.policy.runs import Run
from render_actors.sources import labelled_folder
from render_actors.sources.labelled_folder import extended
from sweeper.config.schema import SweepConfig
from sweeper.stages.identity import Identities, studies
from sweeper.stages.image_sets import setting_of, training_images, validation_images
from sweeper.storage.artifacts import ArtifactStore, artifact_key
from sweeper.study import folder_order, results
from tests.sweeper.examples import real_sweep, row, sweep_of
from tests.tasks.data.own_folders import listing, picture, save, write

ARM = "bought/mulclass/small_resnet/sinclass"


def folder_of(folder: Path, count: int) -> None:
    """A list of so many renders; those that were there before stay as they are."""
    names = [f"{k:04d}.png" for k in range(count)]
    for k, name in enumerate(names):
        if not (folder / "images" / name).exists():
            save(picture(k % 200), folder / "images" / name)
    write(folder / "annotations.json", listing(names))


def sweep(folder: Path) -> SweepConfig:
    source = {"source": {"kind": "coco", "path": str(folder / "bought")}}
    content = real_sweep(renderings={"bought": source}, ladder={"sizes": [10, 20, 30]})
    content["pretrain"] = {"validation_images": 3}
    return sweep_of(folder, content, f"store={folder / 'store'}")


def another_process() -> None:
    for kept in (labelled_folder.contents, labelled_folder._parts, labelled_folder._told, folder_order.kept_order):
        kept.cache_clear()


def checkpoints(config: SweepConfig) -> list[str]:
    identities = Identities(config)
    return [artifact_key(identities.checkpoint(Run(ARM, n, 0))) for n in (10, 20, 30)]


def rendered(config: SweepConfig) -> None:
    """What rendering leaves of a folder's order."""
    folder_order.keep_order(setting_of(config, "bought"), config.seed, ArtifactStore(config.store))


def test_more_renders_only_add_sizes(tmp_path: Path) -> None:
    # given a folder that was rendered from, and a run that was measured on it
    folder_of(tmp_path / "bought", 40)
    config = sweep(tmp_path)
    before, shards = checkpoints(config), [validation_images(config, "bought").shard(10_000_000)]
    study = studies(config)
    rendered(config)
    measured = replace(row(), arm=ARM, rendering="bought", n=20, checkpoint=before[1], study=study.current[ARM])
    results.write(tmp_path / "results", measured)

    # when renders are added
    folder_of(tmp_path / "bought", 90)
    another_process()
    config = sweep(tmp_path)

    # then every earlier size is what it was, and what was measured counts
    assert checkpoints(config) == before
    assert studies(config) == study
    assert results.read(tmp_path / "results", studies(config)) == [measured]
    assert results.left_out(tmp_path / "results", studies(config)) is None
    assert training_images(config, "bought", 80).n == 80
    assert shards


def test_another_label_among_the_first_images_is_another_experiment_for_the_sizes_that_have_it(tmp_path: Path) -> None:
    folder_of(tmp_path / "bought", 40)
    config = sweep(tmp_path)
    before = checkpoints(config)
    rendered(config)
    study = studies(config)
    for n, key in zip((10, 30), (before[0], before[2]), strict=True):
        results.write(
            tmp_path / "results",
            replace(row(), arm=ARM, rendering="bought", n=n, checkpoint=key, study=study.current[ARM]),
        )
    # when the label of the 25th training image is corrected
    order = labelled_folder._parts(setting_of(config, "bought").source, config.seed)[0]
    content = json.loads((tmp_path / "bought/annotations.json").read_text())
    content["annotations"][int(Path(order[24]).stem)]["bbox"] = [10, 5, 20, 19]
    write(tmp_path / "bought/annotations.json", content)
    another_process()
    config = sweep(tmp_path)

    after = checkpoints(config)
    assert (after[0], after[1], after[2] == before[2]) == (before[0], before[1], False)
    assert [each.n for each in results.read(tmp_path / "results", studies(config))] == [10]
    said = results.left_out(tmp_path / "results", studies(config))
    assert said == "1 rows of the results table are left out: measured on images that are others now"
    assert studies(config).sweep != study.sweep


def test_an_order_keeps_what_it_had_and_takes_the_rest_by_a_hash() -> None:
    files = [f"{k}.png" for k in range(100)]
    first = extended((), files[:50], seed=0)

    assert sorted(first) == sorted(files[:50])
    assert first != tuple(sorted(first))
    assert extended(first, files, seed=0)[:50] == first
    assert extended((), files[:50], seed=1) != first
    # what is gone keeps its place
    assert extended(first, files[10:], seed=0)[:50] == first


def test_an_image_that_is_gone_changes_the_sizes_that_had_it(tmp_path: Path) -> None:
    folder_of(tmp_path / "bought", 40)
    config = sweep(tmp_path)
    before = checkpoints(config)
    rendered(config)
    # when the 25th training image is taken away
    gone = labelled_folder._parts(setting_of(config, "bought").source, config.seed)[0][24]
    content = json.loads((tmp_path / "bought/annotations.json").read_text())
    number = int(Path(gone).stem)
    content["images"] = [each for each in content["images"] if not each["file_name"].endswith(Path(gone).name)]
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] != number]
    write(tmp_path / "bought/annotations.json", content)
    another_process()

    after = checkpoints(sweep(tmp_path))

    # then smaller sizes stay, those held out too
    assert after[:2] == before[:2]
    assert after[2] != before[2]


def test_a_folder_that_grew_and_was_renamed_is_the_same(tmp_path: Path) -> None:
    folder_of(tmp_path / "bought", 40)
    config = sweep(tmp_path)
    before = checkpoints(config)
    rendered(config)
    folder_of(tmp_path / "bought", 90)
    (tmp_path / "bought").rename(tmp_path / "renders-of-spring")
    another_process()

    renamed = sweep(tmp_path).model_dump(mode="json", exclude_unset=True)
    renamed["renderings"]["bought"]["source"]["path"] = str(tmp_path / "renders-of-spring")

    assert checkpoints(sweep_of(tmp_path, renamed)) == before


def test_a_picture_exchanged_under_its_name_is_seen_where_the_format_does_not_compress(tmp_path: Path) -> None:
    """Given bitmaps, whose size in bytes is the same whatever they show."""
    folder, names = tmp_path / "bought", [f"{k:04d}.bmp" for k in range(40)]
    for k, name in enumerate(names):
        save(picture(k), folder / "images" / name)
    write(folder / "annotations.json", listing(names))
    before = checkpoints(sweep(tmp_path))

    for k, name in enumerate(names):
        save(picture(199 - k), folder / "images" / name)
    another_process()

    assert not set(checkpoints(sweep(tmp_path))) & set(before)
