"""The packaged object pool: 173 classes as the paper's, 58 of them texture-less as T-LESS and ITODD are.

Meshes come from packages: pybullet_data (zlib licence) and robosuite's household objects (MIT). Every class has a
material of its own: shape alone is hardly learnt at 64 px. The first 20 classes can be told apart at 32 px: they were
chosen by looking at renders; the others, in random_objects.csv, by the distance of their shapes from each other.
"""

import csv
from functools import cache
from pathlib import Path
from typing import get_args

from render_actors.setting.bop_objects import bop_classes
from render_actors.setting.materials import Colour, Material, Pattern
from render_actors.setting.object_class import ObjectClass, Vector


def _household(name: str, downs: tuple[Vector, ...], material: Material, mesh: str | None = None) -> ObjectClass:
    return ObjectClass(name, "robosuite", f"models/assets/objects/meshes/{mesh or name}.obj", downs, material)


def _random(number: int, name: str, downs: tuple[Vector, ...], material: Material) -> ObjectClass:
    mesh = f"random_urdfs/{number:03d}/{number:03d}.obj"
    return ObjectClass(name, "pybullet_data", mesh, downs, material)


def _plain(r: float, g: float, b: float, roughness: float = 0.5) -> Material:
    return Material("own", colours=((r, g, b), (r, g, b)), roughness=roughness)


def _uv(image: str) -> Material:
    return Material("own", "image", image=image, mapping="uv", roughness=0.5)


_WHITE, _BLACK = (0.9, 0.9, 0.9), (0.02, 0.02, 0.02)
_BACK, _FRONT, _BELOW = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)

_FIRST: tuple[ObjectClass, ...] = (
    _household("bottle", (_BELOW, (0.366, -0.931, 0.0)), _plain(0.02, 0.3, 0.06, 0.15)),
    _household("bread", (_BACK, _FRONT, (-0.998, 0.0, -0.057)), _uv("bread.png")),
    _household("can", (_BELOW, (1.0, 0.0, 0.0)), _uv("soda.png")),
    _household("cereal", (_BELOW, _BACK, _FRONT), _uv("cereal.png")),
    _household("lemon", ((0.415, 0.1, -0.904),), _uv("lemon.png")),
    _household("milk", (_BELOW, (-1.0, 0.0, 0.0)), Material("own", "stripes", (_WHITE, (0.02, 0.12, 0.7)), scale=2.0)),
    _household(
        "pot",
        (_BELOW,),
        Material("own", "image", image="steel-brushed.png", roughness=0.35, metallic=0.6),
        mesh="handles",
    ),
    ObjectClass("mug", "pybullet_data", "objects/mug.obj", (_BELOW, (0.891, 0.455, 0.0)), _plain(0.0, 0.5, 0.55)),
    ObjectClass(
        "brick",
        "pybullet_data",
        "lego/lego.obj",
        (_FRONT, (1.0, 0.0, 0.0)),
        _plain(0.9, 0.25, 0.01, 0.3),
    ),
    ObjectClass(
        "ring",
        "pybullet_data",
        "torus/torus_textured.obj",
        (_BACK, _FRONT),
        Material("own", "checker", ((0.9, 0.7, 0.02), _BLACK), scale=2.5),
    ),
    _random(
        220,
        "boot",
        ((1.0, 0.005, 0.01), (-1.0, 0.017, -0.002)),
        Material("own", "noise", ((0.35, 0.13, 0.03), (0.1, 0.04, 0.01)), scale=3.0),
    ),
    _random(
        156,
        "bird",
        ((-0.839, -0.394, -0.374), (-0.838, -0.381, 0.391), (0.839, -0.336, 0.428)),
        _plain(0.25, 0.04, 0.6),
    ),
    _random(
        360,
        "tripod",
        (_FRONT, (-0.743, 0.574, 0.344), (-0.731, 0.583, -0.355)),
        Material("own", "dots", (_WHITE, (0.9, 0.08, 0.3)), scale=2.5),
    ),
    _random(
        392,
        "cross",
        ((-0.862, 0.442, 0.249), (0.871, -0.43, 0.236), (-0.87, -0.437, 0.229)),
        Material("own", "stripes", ((0.75, 0.02, 0.02), _WHITE), scale=3.5),
    ),
    _random(
        316,
        "hammer",
        ((-0.951, -0.305, -0.052), (-0.012, 0.509, -0.861), (0.944, -0.328, -0.027)),
        Material("own", "noise", ((0.02, 0.08, 0.55), (0.1, 0.3, 0.9)), scale=2.0),
    ),
    _random(954, "spike", ((-1.0, -0.013, -0.001), (1.0, 0.014, -0.008)), _plain(0.015, 0.015, 0.02, 0.2)),
    _random(
        524,
        "arch",
        ((0.999, 0.028, 0.016), (-0.999, -0.021, -0.026), (-0.031, 1.0, -0.001)),
        Material("own", "checker", ((0.02, 0.4, 0.1), _WHITE), scale=3.0),
    ),
    _random(690, "jack", ((0.718, 0.198, 0.667), (-0.932, 0.349, 0.1), (0.512, 0.083, -0.855)), _plain(0.4, 0.8, 0.03)),
    _random(
        698,
        "knob",
        ((0.748, -0.02, 0.663),),
        Material("own", colours=((0.85, 0.55, 0.15), (0.85, 0.55, 0.15)), roughness=0.25, metallic=0.8),
    ),
    _random(
        876,
        "pillar",
        ((-0.957, -0.012, -0.289), (-0.3, 0.004, 0.954), (0.342, 0.004, 0.94)),
        Material("own", "stripes", ((0.7, 0.02, 0.5), (0.02, 0.02, 0.15)), scale=3.0),
    ),
)


def _three(text: str) -> tuple[float, float, float]:
    x, y, z = (float(number) for number in text.split())
    return x, y, z


def _listed(row: dict[str, str]) -> ObjectClass:
    """One line of random_objects.csv: colours are linear RGB, downs are parted by semicolons."""
    pattern: dict[str, Pattern] = {name: name for name in get_args(Pattern)}
    colours: tuple[Colour, Colour] = (_three(row["first"]), _three(row["second"]))
    scale, roughness, metallic = (float(row[name]) for name in ("scale", "roughness", "metallic"))
    image = row["image"] or None
    material = Material("own", pattern[row["pattern"]], colours, image, "box", scale, roughness, metallic)
    downs = tuple(_three(text) for text in row["downs"].split(";"))
    return _random(int(row["number"]), f"random-{int(row['number']):03d}", downs, material)


def _read_list() -> tuple[ObjectClass, ...]:
    with Path(__file__).with_name("random_objects.csv").open(newline="") as lines:
        return tuple(_listed(row) for row in csv.DictReader(lines))


CLASSES: tuple[ObjectClass, ...] = (*_FIRST, *_read_list())


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
