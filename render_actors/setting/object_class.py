"""A class of objects: its mesh, its look and how it rests on the floor."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from render_actors.setting.materials import Material, asset_path

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class ObjectClass:
    """One class: a mesh, its material, its size and the sides it rests on.

    `package` and `mesh` name an OBJ file of an installed package; without a package `mesh` is a path, of the object
    `bop_id` of a BOP data set. `material` None: the mesh file's own. `downs` are unit vectors in the mesh's frame that
    point to the floor in a stable pose (computed once with trimesh's stable poses, upright poses added by hand);
    `size` multiplies the common object radius.
    """

    name: str
    package: str
    mesh: str
    downs: tuple[Vector, ...]
    material: Material | None
    size: float = 1.0
    bop_id: int | None = None

    @property
    def is_textureless(self) -> bool:
        """Whether one material without a pattern covers it, as the objects of T-LESS and ITODD."""
        return self.material is not None and self.material.pattern == "plain"

    def mesh_path(self) -> Path:
        """Path of the mesh file. Raises MissingAssetError when its package is absent."""
        return asset_path(self.package, self.mesh) if self.package else Path(self.mesh)


@cache
def _vertices(path: Path) -> NDArray[np.float64]:
    if path.suffix == ".obj":
        rows = [line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("v ")]
        return np.array(rows, dtype=np.float64)
    import trimesh

    return np.array(trimesh.load(path, process=False, force="mesh").vertices, dtype=np.float64)


def normalisation(entry: ObjectClass) -> tuple[NDArray[np.float64], float]:
    """Centre (3,) and radius of the mesh's bounding sphere about its box centre, in the mesh file's own units."""
    points = _vertices(entry.mesh_path())
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    return centre, float(np.linalg.norm(points - centre, axis=1).max())


@cache
def unit_vertices(entry: ObjectClass) -> NDArray[np.float64]:
    """Vertices (V, 3) of the mesh moved and scaled into the unit sphere, as the scene places it."""
    centre, radius = normalisation(entry)
    points = (_vertices(entry.mesh_path()) - centre) / radius
    points.setflags(write=False)
    return points
