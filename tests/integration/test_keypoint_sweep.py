"""Keypoints through the real program, small: corners of boxes that Blender drew, then a COCO folder of keypoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.test_tasks_sweeps import runs_to_its_report, sweep
from tests.tasks.keypoint_folder import write_drawn

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(900)]


def test_a_sweep_of_keypoints_runs_to_its_report(tmp_path: Path) -> None:
    write_drawn(tmp_path / "points", train=16, test=6)
    config = sweep("keypoints", "keypoint", "keypoint", "coco:points")
    config["renderings"] = {"drawn": {}}
    config["render"] |= {"samples": 1, "classes": 3, "max_objects": 2}

    runs_to_its_report(tmp_path, config, str(tmp_path))
