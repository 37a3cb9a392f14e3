"""Photographs that are added to the set of a sweep: what was measured stays, and more of them are another s."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sweeper.commands.check import check
from sweeper.commands.look_over import Found
from sweeper.config.schema import SweepConfig
from sweeper.stages.identity import studies
from sweeper.stages.photographs import keep, photographs
from sweeper.storage.artifacts import ArtifactStore
from tasks.data.cache.split import Split
from tests.sweeper.stages.test_photographs import REFERENCE, job_of, measured, own_cache, sweep
from tests.tasks.data.photographs import class_folders, coco, write_photograph

__all__ = ["own_cache"]


def begun(config: SweepConfig) -> tuple[SweepConfig, int, list[str]]:
    """A sweep as `run` begins it, its s, and what it told."""
    found = Found()
    config, s = check(config, found)
    keep(config, photographs(config).pinned(), ArtifactStore(config.store))
    return config, s, [line for line in found.minds if "added" in line]


def added(folder: Path) -> None:
    for number in range(40, 60):
        # among the others by name
        write_photograph(folder / "train" / f"class{number % 2}" / f"{number - 40:03d}-new.png", number)


def test_photographs_that_are_added_leave_what_was_measured_as_it_was(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", train=40, test=4)
    before, _, _ = begun(sweep(tmp_path))
    error = measured(job_of(before), tmp_path / "set")["error"]

    added(folder)
    after, s, lines = begun(sweep(tmp_path))

    assert s == 6
    assert studies(after) == studies(before)
    assert [line.partition(";")[0] for line in lines] == ["finetune.dataset: 20 photographs were added"]
    # on a machine that has not seen the set, too
    shutil.rmtree(tmp_path / "cache")
    assert measured(job_of(after), tmp_path / "set")["error"] == error


def test_a_larger_s_is_of_all_photographs_and_tested_on_the_same(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", train=40, test=4)
    before, _, _ = begun(sweep(tmp_path))

    added(folder)
    write_photograph(folder / "test" / "class0" / "009.png", 90)
    after, s, lines = begun(sweep(tmp_path, count=50))
    again, _, _ = begun(sweep(tmp_path, count=50))
    back, _, _ = begun(sweep(tmp_path))

    assert s == 50
    assert "21 photographs were added and are learnt from" in lines[0]
    assert len(photographs(after).pinned().testing) == 4
    assert studies(again) == studies(after) != studies(before)
    assert studies(after).current[REFERENCE] != studies(before).current[REFERENCE]
    assert studies(back) == studies(before)


def test_a_list_without_a_split_keeps_its_test_photographs(tmp_path: Path) -> None:
    # given one list that the program parts
    def listed(count: int) -> None:
        coco(tmp_path / "all", train=count)
        (tmp_path / "set" / "annotations").mkdir(parents=True, exist_ok=True)
        content = json.loads((tmp_path / "all/annotations/instances_train2017.json").read_text())
        # of the last image there are two objects more
        content["annotations"] += [content["annotations"][-1] | {"id": 1000 + k} for k in range(2)]
        (tmp_path / "set/annotations/instances_default.json").write_text(json.dumps(content))
        shutil.copytree(tmp_path / "all/train2017", tmp_path / "set/images", dirs_exist_ok=True)

    listed(20)
    sweep_of_it = sweep(tmp_path, dataset="coco:set", tasks=["objdet"])
    before, _, _ = begun(sweep_of_it)
    tested = pictures_tested(before)

    content = json.loads((tmp_path / "set/annotations/instances_default.json").read_text())
    listed(30)
    grown = json.loads((tmp_path / "set/annotations/instances_default.json").read_text())
    new = [each for each in grown["annotations"] if each["image_id"] >= 20]
    content |= {"images": grown["images"], "annotations": content["annotations"] + new}
    (tmp_path / "set/annotations/instances_default.json").write_text(json.dumps(content))

    after, _, lines = begun(sweep(tmp_path, dataset="coco:set", tasks=["objdet"]))
    assert (studies(after), len(lines)) == (studies(before), 1)
    whole, s, _ = begun(sweep(tmp_path, dataset="coco:set", tasks=["objdet"], count=26))
    assert s == 26
    assert pictures_tested(whole) == tested


def pictures_tested(config: SweepConfig) -> set[str]:
    """The pictures that a sweep is tested on."""
    testing = photographs(config).pinned().testing
    assert isinstance(testing, Split)
    return {testing.files(k)[0] for k in range(len(testing))}


def test_a_label_that_changed_is_another_study(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", train=40, test=4)
    before, _, _ = begun(sweep(tmp_path))
    added(folder)
    (folder / "train/class0/000.png").rename(folder / "train/class1/000.png")

    after, _, lines = begun(sweep(tmp_path))
    assert lines == []
    assert studies(after) != studies(before)


@pytest.mark.parametrize("count", [6, 50])
def test_another_sweep_begins_with_all_that_is_there(tmp_path: Path, count: int) -> None:
    folder = class_folders(tmp_path / "set", train=40, test=4)
    begun(sweep(tmp_path))
    added(folder)

    config, _, lines = begun(sweep(tmp_path, "name=another", count=count))
    assert lines == []
    assert len(photographs(config).pinned().training) == 60
    assert np.unique(photographs(config).pinned().training.labels).tolist() == [0, 1]
