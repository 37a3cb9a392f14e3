"""Where dropped objects come to rest: rigid bodies by Bullet, in the units and axes of `spec.py`.

Each object is the convex hull of its mesh, as BlenderProc's own simulation has it by default.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pybullet
from scipy.spatial.transform import Rotation
from trimesh import Trimesh
from trimesh.convex import convex_hull

from render_actors.scene.spec import ROOM_HALF_M, ObjectPlacement, SceneSpec
from render_actors.setting.classes import classes_of
from render_actors.setting.object_class import unit_vertices
from render_actors.setting.setting import RenderSetting

STEPS_A_SECOND = 240
LONGEST_S = 20
# At rest: no faster than this in m/s and rad/s, over a whole quarter of a second.
AT_REST = 0.02
FRICTION = 0.7


def fall(setting: RenderSetting, scene: SceneSpec) -> tuple[ObjectPlacement, ...]:
    """The scene's objects after they fell from where they are, in their order; masses go with volume.

    The same machine gives the same poses; another processor or version of Bullet may give others.
    """
    world = pybullet.connect(pybullet.DIRECT)
    try:
        pybullet.setGravity(0, 0, -9.81, physicsClientId=world)
        pybullet.setTimeStep(1 / STEPS_A_SECOND, physicsClientId=world)
        _build_room(world)
        hulls = [_hull(setting, placed.class_id) for placed in scene.objects]
        bodies = [_drop(world, hull, placed) for hull, placed in zip(hulls, scene.objects, strict=True)]
        _run_until_still(world, bodies)
        return tuple(
            _at_rest(world, body, hull, placed) for body, hull, placed in zip(bodies, hulls, scene.objects, strict=True)
        )
    finally:
        pybullet.disconnect(world)


@cache
def _hull(setting: RenderSetting, class_id: int) -> Trimesh:
    """Convex hull of a class's mesh in the unit sphere."""
    return convex_hull(unit_vertices(classes_of(setting)[class_id]))


def _build_room(world: int) -> None:
    """Floor and walls as half-spaces."""
    walls = [((x, y, 0), ROOM_HALF_M) for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    for normal, distance in [((0, 0, 1), 0.0), *walls]:
        shape = pybullet.createCollisionShape(pybullet.GEOM_PLANE, planeNormal=normal, physicsClientId=world)
        at = [-distance * axis for axis in normal]
        part = pybullet.createMultiBody(0, shape, basePosition=at, physicsClientId=world)
        pybullet.changeDynamics(part, -1, lateralFriction=FRICTION, physicsClientId=world)


def _drop(world: int, hull: Trimesh, placed: ObjectPlacement) -> int:
    """Add an object where it is placed; Bullet's frame of it has its centre of mass at the origin."""
    middle = np.asarray(hull.center_mass) * placed.radius
    vertices = np.asarray(hull.vertices) * placed.radius - middle
    shape = pybullet.createCollisionShape(pybullet.GEOM_MESH, vertices=vertices.tolist(), physicsClientId=world)
    body = pybullet.createMultiBody(
        float(hull.volume) * placed.radius**3,
        shape,
        basePosition=(np.array(placed.position) + np.array(placed.rotation) @ middle).tolist(),
        baseOrientation=Rotation.from_matrix(placed.rotation).as_quat().tolist(),
        physicsClientId=world,
    )
    pybullet.changeDynamics(
        body, -1, lateralFriction=FRICTION, rollingFriction=0.02, spinningFriction=0.02, physicsClientId=world
    )
    # What rolls comes to rest as on a carpet, not on glass.
    pybullet.changeDynamics(body, -1, linearDamping=0.1, angularDamping=0.4, physicsClientId=world)
    return int(body)


def _run_until_still(world: int, bodies: list[int]) -> None:
    still = 0
    for _ in range(LONGEST_S * STEPS_A_SECOND):
        pybullet.stepSimulation(physicsClientId=world)
        speeds = [pybullet.getBaseVelocity(body, physicsClientId=world) for body in bodies]
        still = still + 1 if np.abs(speeds).max() < AT_REST else 0
        if still >= STEPS_A_SECOND // 4:
            return


def _at_rest(world: int, body: int, hull: Trimesh, placed: ObjectPlacement) -> ObjectPlacement:
    centre, quaternion = pybullet.getBasePositionAndOrientation(body, physicsClientId=world)
    rotation = Rotation.from_quat(quaternion).as_matrix()
    x, y, z = (float(v) for v in np.array(centre) - rotation @ (np.asarray(hull.center_mass) * placed.radius))
    return replace(placed, position=(x, y, z), rotation=tuple(tuple(float(v) for v in row) for row in rotation))
