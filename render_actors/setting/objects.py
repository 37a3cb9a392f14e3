"""The packaged object pool: 173 classes as the paper's, 58 of them texture-less as T-LESS and ITODD are.

Meshes come from packages: pybullet_data (zlib licence) and robosuite's household objects (MIT). Every class has a
material of its own: shape alone is hardly learnt at 64 px. All stand in objects.csv. The first 20 can be told apart at
32 px: they were chosen by looking at renders; the others by the distance of their shapes from each other.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Any

from render_actors.setting.bop_objects import bop_classes
from render_actors.setting.materials import Material
from render_actors.setting.object_class import ObjectClass, Vector


def _three(text: str) -> Vector:
    x, y, z = (float(number) for number in text.split())
    return x, y, z


def _listed(row: dict[str, Any]) -> ObjectClass:
    """One line of objects.csv: colours are linear RGB, downs are parted by semicolons."""
    colours = _three(row["first"]), _three(row["second"])
    scale, roughness, metallic = (float(row[name]) for name in ("scale", "roughness", "metallic"))
    material = Material(
        "own", row["pattern"], colours, row["image"] or None, row["mapping"], scale, roughness, metallic
    )
    downs = tuple(_three(text) for text in row["downs"].split(";"))
    return ObjectClass(row["name"], row["package"], row["mesh"], downs, material)


def _read_list() -> tuple[ObjectClass, ...]:
    with Path(__file__).with_name("objects.csv").open(newline="") as lines:
        return tuple(_listed(row) for row in csv.DictReader(lines))


CLASSES = _read_list()


def pool_size(folder: str | None) -> int:
    """Number of classes of the pool: the packaged one, or that of a folder of BOP data sets."""
    return len(_pool(folder))


def pool_classes(folder: str | None, most: int, texture: str) -> tuple[ObjectClass, ...]:
    """The first `most` classes of the pool; with `texture` "without" those of them that have none."""
    classes = _pool(folder)[:most]
    return classes if texture == "with" else tuple(entry for entry in classes if entry.is_textureless)


@cache
def _pool(folder: str | None) -> tuple[ObjectClass, ...]:
    return CLASSES if folder is None else bop_classes(Path(folder))
