"""What the pre-training tasks learn from the same shards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from render_actors.shards.arrays import load_arrays
from render_actors.shards.format import write_shard
from sweeper.stages.training_labels import arrays_for, labelled_set, labels_for
from tasks.base import task_facts
from tasks.detection import box_target, mask_target
from tests.render_actors.drawn import fully_labelled


def test_insseg_learns_the_objects_that_objdet_learns(tmp_path: Path) -> None:
    # given images of an object and of a speck that is too small to be listed
    images = [fully_labelled(index) for index in range(3)]
    assert all(len(image.objects) == 1 and image.instances.max() == 2 for image in images)
    write_shard(tmp_path / "shard.parquet", images, 5)

    boxes, maps = (
        labelled_set(
            kind, load_arrays([tmp_path / "shard.parquet"], 3, tmp_path, "key", arrays_for(kind)), tuple("abcde")
        )
        for kind in ("boxes", "instances")
    )

    for rows, instances in zip(boxes.labels, maps.labels, strict=True):
        listed, drawn = box_target(torch.from_numpy(rows)), mask_target(torch.from_numpy(instances))
        assert len(listed["boxes"]) == 1
        assert torch.equal(listed["boxes"], drawn["boxes"])
        assert torch.equal(listed["labels"], drawn["labels"])


def test_sinclass_learns_the_class_that_the_camera_aims_at(tmp_path: Path) -> None:
    images = [dataclasses.replace(fully_labelled(index), target=target) for index, target in enumerate((3, 0, 1))]
    write_shard(tmp_path / "shard.parquet", images, 5)

    kind = task_facts("sinclass").label_kind
    assert labels_for(["sinclass"]) == ("target",)
    arrays = load_arrays([tmp_path / "shard.parquet"], 3, tmp_path, "key", arrays_for(kind))
    learnt = labelled_set(kind, arrays, tuple("abcde"))

    assert learnt.labels.tolist() == [3, 0, 1]
    assert (learnt.label_kind, learnt.class_names) == ("class_index", tuple("abcde"))
