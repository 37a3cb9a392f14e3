"""A small real sweep whose images come from the example of docs/howto/write-a-renderer.md, slowed down: no Blender."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.integration import sweeps

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "write-a-renderer.md"

# Nothing may fail even once: what is lost with its node has not failed.
SWEEP: dict[str, Any] = sweeps.REAL | {
    "name": "losses",
    "renderings": {
        "shapes": {"source": {"kind": "function", "path": "shapes.py:render", "class_names": ["disc", "square"]}}
    },
    "render": {"resolution": 32, "poses_per_scene": 10, "scenes_per_shard": 2, "actors": 2, "retries": 0},
    "pretrain": sweeps.REAL["pretrain"] | {"max_failures": 0},
    "finetune": sweeps.REAL["finetune"] | {"repeats": 1, "max_failures": 0},
    "tune": {"trials": 0},
}


def write(folder: Path, **changes: dict[str, Any]) -> str:
    """The sweep's file, and its renderer, which takes half a second for a scene. `changes`: keys of sections."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    slow = code.replace("import numpy as np", "import time\n\nimport numpy as np", 1)
    slow = slow.replace("    rng = np.random", "    time.sleep(0.5)\n    rng = np.random", 1)
    (folder / "shapes.py").write_text(slow)
    changed = {section: SWEEP[section] | keys for section, keys in changes.items()}
    return str(sweeps.write(SWEEP | changed, folder))
