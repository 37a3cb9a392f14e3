"""What looking ahead needs of the tasks is imported without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIGHT = (
    "tasks.base",
    "tasks.label_forms",
    "tasks.recipes",
    "tasks.data.catalogue",
    "tasks.data.sampling",
    "tasks.data.keypoint_labels",
    "tasks.models.backbone_facts",
    "tasks.training.shard",
    "render_actors.actor",
    "render_actors.shards.arrays",
    "sweeper.stages.image_sets",
)


@pytest.mark.parametrize("heavy", ["torch", "ray", "bpy"])
def test_looking_ahead_loads_no_heavy_library(heavy: str) -> None:
    code = f"import sys, {', '.join(LIGHT)}; sys.exit({heavy!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0
