"""Tasks both ways through the real program, small: learnt from what Blender drew, then from a folder of such labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.test_tasks_sweeps import runs_to_its_report, sweep
from tests.tasks.data.drawn_folders import write_depth, write_instances, write_keypoints

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("task", "dataset", "write"),
    [
        ("keypoint", "coco:drawn", write_keypoints),
        ("insseg", "coco:drawn", write_instances),
        ("depth", "masks:drawn", write_depth),
    ],
)
def test_a_sweep_of_one_task_both_ways_runs_to_its_report(
    tmp_path: Path, task: str, dataset: str, write: Callable[[Path, int, int], Path]
) -> None:
    write(tmp_path / "drawn", 16, 6)
    config = sweep(f"{task}-both-ways", task, task, dataset)
    config["renderings"] = {"drawn": {}}
    config["render"] |= {"samples": 1, "classes": 3, "max_objects": 2}

    runs_to_its_report(tmp_path, config, str(tmp_path))
