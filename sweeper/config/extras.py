"""What a command needs beyond the light part of the package, and one line for what of it is not installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.errors import BadInput

if TYPE_CHECKING:
    from sweeper.config.schema import SweepConfig

# Modules of the optional dependencies in pyproject.toml.
EXTRAS = {
    "train": ("torch", "torchvision", "torchmetrics", "faster_coco_eval", "optuna", "safetensors"),
    "render": ("bpy", "blenderproc", "mathutils", "bmesh", "cv2", "trimesh", "skimage", "imageio", "pybullet_data"),
    "cluster": ("ray",),
    "trackers": ("mlflow", "tensorboardX", "wandb"),
}
# Our packages at the top of the import path, whose names others may have taken.
OURS = ("analysis", "render_actors", "sweeper", "tasks")


def require(command: str, *extras: str) -> None:
    """Raises BadInput, in one line, where the first module of an extra that a command needs is not installed."""
    missing = [extra for extra in extras if find_spec(EXTRAS[extra][0]) is None]
    if missing:
        modules = " and ".join(EXTRAS[extra][0] for extra in missing)
        raise BadInput(f"{command} needs {modules}, not installed here; {install(*missing)}")


def require_for(command: str, config: SweepConfig) -> None:
    """The same for a command that runs a sweep: what its stages need here. Workers of a cluster have their own."""
    own = all(rendering.source is not None for rendering in config.renderings.values())
    away = config.is_simulated or own or "RAY_ADDRESS" in os.environ
    # The tuner is asked where errors are simulated too.
    require(command, "cluster", "train", *([] if away else ["render"]))


def install(*extras: str) -> str:
    """How to get extras."""
    return f"pip install 'syn2real-sweeper[{','.join(extras)}]', or make setup in a checkout"


def explained(missing: str) -> str | None:
    """One line for a module that could not be imported; None where it is neither ours nor of an extra."""
    top = missing.partition(".")[0]
    for extra, modules in EXTRAS.items():
        if top in modules:
            return f"this needs {top}, not installed here; {install(extra)}"
    if top in OURS:
        found = [f"package {name!r} is taken from {where}" for name, where in shadowed()]
        return f"{missing} is not found: {'; '.join(found) or 'the installation is not whole'}; see `sweeper doctor`"
    return None


def shadowed() -> Iterator[tuple[str, str]]:
    """Each of our packages that Python finds elsewhere than beside this one, with where it is."""
    home = Path(__file__).resolve().parents[2]
    for name in OURS:
        spec = find_spec(name)
        places = [] if spec is None else [Path(p).resolve() for p in spec.submodule_search_locations or ()]
        if spec is not None and home / name not in places[:1]:
            yield name, str(places[0] if places else spec.origin)
