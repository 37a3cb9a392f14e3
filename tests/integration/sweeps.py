"""The sweeps of these tests: a simulated one of known laws, the smallest real one, and a rendering that only draws."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Law:
    """error(n) = D n^-alpha + C, with log-normal noise of standard deviation sigma."""

    alpha: float
    C: float
    D: float
    sigma: float

    def error(self, n: int) -> float:
        """The median error at n > 0."""
        return self.D * n**-self.alpha + self.C


LAWS = {"all-random": Law(0.5, 0.2, 6.0, 0.005), "fixed": Law(0.6, 0.3, 6.0, 0.005)}
TARGET_ERROR = 0.26
REPEATS = 2
TRIALS = 1

SIMULATED: dict[str, Any] = {
    "name": "simulated-two",
    "renderings": {"all-random": {}, "fixed": {"light": "fix", "background": "fix"}},
    "pretrain": {"tasks": ["simulated"], "backbones": ["simulated"]},
    "finetune": {"tasks": ["simulated"], "repeats": REPEATS},
    "tune": {"trials": TRIALS},
    "ladder": {"start": 250, "factor": 2, "rungs": 7},
    "policy": {"reference_seeds": 1},
    "simulated": {name: vars(law) for name, law in LAWS.items()},
    "objective": "law",
    "target": {"error": TARGET_ERROR},
    "stop": {"alpha_sd": 0.03, "c_sd": 0.006},
    "budget": {"minutes": 10},
}

SIZES = (80, 160, 240)
IMAGES_PER_SHARD = 20
# The largest size and the validation images: what the first run renders.
FIRST_IMAGES = SIZES[-1] + 60
BATCH, CHECKPOINT_EVERY = 64, 20

# A fixed grid decides the same every time.
REAL: dict[str, Any] = {
    "name": "tiny",
    "renderings": {"all-random": {}},
    "render": {"resolution": 32, "samples": 2, "max_objects": 3, "poses_per_scene": 10, "scenes_per_shard": 2},
    "pretrain": {
        "validation_images": 60,
        "checkpoint_every": CHECKPOINT_EVERY,
        "recipe": {"iterations": 80, "batch_size": BATCH, "warmup_images": 64, "eval_every": 40},
    },
    "finetune": {
        "dataset": "fashion-mnist",
        "fraction": 0.01,
        "repeats": REPEATS,
        "recipe": {"iterations": 40, "warmup_images": 64},
    },
    "tune": {"trials": TRIALS},
    "ladder": {"sizes": list(SIZES)},
    "policy": {"name": "grid", "reference_seeds": 1, "max_seeds": 1},
    "budget": {"minutes": 60},
}


def write(sweep: dict[str, Any], folder: Path) -> Path:
    """The sweep's file in a folder."""
    path = folder / f"{sweep['name']}.yaml"
    path.write_text(yaml.safe_dump(sweep, sort_keys=False))
    return path


_PAGE = Path(__file__).parents[2] / "docs" / "howto" / "write-a-renderer.md"
# The page's own example: drawn, not rendered.
SHAPES: dict[str, Any] = {"source": {"kind": "function", "path": "shapes.py:render", "class_names": ["disc", "square"]}}


def write_shapes(folder: Path) -> None:
    """Write the code that draws the images of the rendering SHAPES."""
    (folder / "shapes.py").write_text(re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)[0])
