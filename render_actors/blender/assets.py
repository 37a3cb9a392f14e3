# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made once for a setting: the classes' meshes, the room, and the materials that cover both."""

from typing import Any

import numpy as np

from render_actors.blender.imports import Matrix, bproc, bpy
from render_actors.blender.nodes import build_nodes
from render_actors.scene.sample import ROOM_HALF_M
from render_actors.setting.materials import FIXED_FLOOR, FIXED_WALL, SURFACES, Material, texture_pixels
from render_actors.setting.object_class import ObjectClass, normalisation
from render_actors.setting.setting import RenderSetting
from render_actors.silence import silence

TEXTURE_PX = 256


def load_mesh(entry: ObjectClass) -> Any:
    """The class's mesh in the unit sphere, with its one material or, where it has none, those of its file."""
    # The importer reports each texture it finds, or misses, on stderr.
    with silence(2):
        if entry.bop_id is not None:
            loaded = bproc.loader.load_bop_objs(str(entry.mesh_path().parent.parent), obj_ids=[entry.bop_id])
        else:
            loaded = bproc.loader.load_obj(str(entry.mesh_path()), forward_axis="Y", up_axis="Z")
    first, rest = loaded[0], loaded[1:]
    if rest:
        first.join_with_other_objects(rest)
    first.set_shading_mode("smooth")
    mesh = first.get_mesh()
    mesh.set_sharp_from_angle(angle=0.6)
    centre, radius = normalisation(entry)
    mesh.transform(Matrix.Scale(1 / radius, 4) @ Matrix.Translation([-x for x in centre]))
    if entry.material is not None:
        mesh.materials.clear()
        mesh.materials.append(_build_material(entry.material, f"class-{entry.name}"))
    # Without a user of its own a class that no slot shows would be purged.
    mesh.use_fake_user = True
    first.delete()
    return mesh


def _build_material(material: Material, name: str) -> Any:
    built = bproc.material.create(name).blender_obj
    image = _load_texture(material.image) if material.image else None
    build_nodes(built.node_tree, material, image)
    built.use_fake_user = True
    return built


def _load_texture(name: str) -> Any:
    """A packaged texture, shrunk: Cycles reads every pixel of a texture again at each scene."""
    image = bpy.data.images.new(name, TEXTURE_PX, TEXTURE_PX)
    image.pixels.foreach_set(np.ascontiguousarray(np.flipud(texture_pixels(name, TEXTURE_PX))).ravel())
    image.pack()
    return image


def build_room() -> dict[str, Any]:
    """Meshes of floor and walls (with the ceiling); texture coordinates are in metres: the size is in the mesh."""
    floor = bproc.object.create_primitive("PLANE", scale=[ROOM_HALF_M] * 3)
    # A centimetre lower than the floor, so that the two never flicker through each other.
    walls = bproc.object.create_primitive("CUBE", scale=[ROOM_HALF_M] * 3, location=[0, 0, ROOM_HALF_M - 0.01])
    meshes = {}
    for name, part in {"floor": floor, "walls": walls}.items():
        part.persist_transformation_into_mesh()
        mesh = meshes[name] = part.get_mesh()
        mesh.materials.append(None)
        mesh.use_fake_user = True
        part.delete()
    return meshes


def build_covers(setting: RenderSetting) -> dict[str, Any]:
    """Materials of walls and floor, and of objects where each is covered anew, by name."""
    pool = (FIXED_FLOOR, FIXED_WALL) if setting.background == "fix" else SURFACES if setting.textures is None else ()
    needed = {material.name: material for material in (*pool, *(SURFACES if setting.material == "random" else ()))}
    covers = {name: _build_material(material, f"surface-{name}") for name, material in needed.items()}
    if setting.background == "random" and setting.textures is not None:
        covers |= _load_cc_materials(setting.textures)
    return covers


def _load_cc_materials(folder: str) -> dict[str, Any]:
    """BlenderProc's materials of a folder of CC0 textures, their images shrunk as the packaged ones are."""
    with silence(2):
        loaded = bproc.loader.load_ccmaterials(folder, use_all_materials=True)
    for material in loaded:
        for node in material.get_nodes_with_type("ShaderNodeTexImage"):
            if max(node.image.size) > TEXTURE_PX:
                node.image.scale(TEXTURE_PX, TEXTURE_PX)
        material.blender_obj.use_fake_user = True
    return {material.get_name(): material.blender_obj for material in loaded}
