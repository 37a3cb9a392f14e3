"""The meshes of distractors: packaged ones that are no class of the pool."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from render_actors.setting.materials import SURFACES, Material
from render_actors.setting.object_class import ObjectClass, unit_vertices
from render_actors.setting.objects import CLASSES

# Of pybullet_data's thousand procedural objects every so many-th that is no class.
_EVERY = 20


@cache
def distractor_classes() -> tuple[ObjectClass, ...]:
    """A mesh each, under one of the packaged surfaces; they have no label."""
    taken = {entry.mesh for entry in CLASSES}
    meshes = [f"random_urdfs/{number:03d}/{number:03d}.obj" for number in range(1000)]
    chosen = [mesh for mesh in meshes if mesh not in taken][::_EVERY]
    return tuple(
        ObjectClass(f"distractor-{k}", "pybullet_data", mesh, ((0.0, 0.0, -1.0),), _cover(k))
        for k, mesh in enumerate(chosen)
    )


def _cover(number: int) -> Material:
    return SURFACES[number % len(SURFACES)]


def distractor_vertices(number: int) -> NDArray[np.float64]:
    """Vertices (V, 3) of a mesh in the unit sphere."""
    return unit_vertices(distractor_classes()[number])
