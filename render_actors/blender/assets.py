# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made once for a setting: the classes' meshes, the room, and the materials that cover both."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from render_actors.blender.imports import Matrix, bproc, bpy
from render_actors.blender.nodes import AS_IT_IS, Drawn, build_lamp, build_nodes, draw_over
from render_actors.scene import published
from render_actors.scene.spec import ROOM_HALF_M
from render_actors.setting.materials import (
    CARPET,
    FIXED_CC_TEXTURE,
    FIXED_FLOOR,
    FIXED_WALL,
    SURFACES,
    Material,
    lightest,
    texture_pixels,
)
from render_actors.setting.object_class import ObjectClass, normalisation
from render_actors.setting.setting import RenderSetting
from render_actors.silence import silence

TEXTURE_PX = 256
WHITE = (1.0, 1.0, 1.0)


def drawn_for_objects(setting: RenderSetting) -> Drawn:
    """What each object says for itself, in place of its class's material."""
    return Drawn(setting.scenes == "published" or setting.gloss == "random", setting.look == "hue")


def load_mesh(entry: ObjectClass, drawn: Drawn = AS_IT_IS, white: bool = False) -> Any:
    """The class's mesh in the unit sphere, with its one material or, where it has none, those of its file.

    drawn: what its objects say for themselves. white: whether a material without a pattern is white, for the grey that
    published scenes draw.
    """
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
        whitened = white and entry.is_textureless
        material = replace(entry.material, colours=(WHITE, WHITE)) if whitened else entry.material
        mesh.materials.clear()
        mesh.materials.append(_build_material(material, f"class-{entry.name}", drawn))
    elif drawn.gloss or drawn.hue:
        for own in mesh.materials:
            draw_over(own.node_tree, drawn)
    # Without a user of its own a class that no slot shows would be purged.
    mesh.use_fake_user = True
    first.delete()
    return mesh


def _build_material(material: Material, name: str, drawn: Drawn = AS_IT_IS) -> Any:
    built = bproc.material.create(name).blender_obj
    image = _load_texture(material.image) if material.image else None
    build_nodes(built.node_tree, material, image, drawn, lightest(material))
    built.use_fake_user = True
    return built


def _load_texture(name: str) -> Any:
    """A packaged texture, shrunk: Cycles reads every pixel of a texture again at each scene."""
    image = bpy.data.images.new(name, TEXTURE_PX, TEXTURE_PX)
    image.pixels.foreach_set(np.ascontiguousarray(np.flipud(texture_pixels(name, TEXTURE_PX))).ravel())
    image.pack()
    return image


def build_room(setting: RenderSetting) -> dict[str, Any]:
    """Meshes of the room's parts by name; texture coordinates are in metres: the size is in the mesh.

    Floor and walls (with the ceiling); of published scenes one part, without a ceiling, and the lamp above it.
    """
    if setting.scenes == "published":
        side = published.LAMP_SIDE_M / 2
        lamp = _mesh_of(bproc.object.create_primitive("PLANE", scale=[side, side, 1]))
        build_lamp(_lamp_material(lamp).node_tree)
        return {"room": _mesh_of(_five_planes(published.ROOM_HALF_M)), "lamp": lamp}
    floor = bproc.object.create_primitive("PLANE", scale=[ROOM_HALF_M] * 3)
    # A centimetre lower than the floor, so that the two never flicker through each other.
    walls = bproc.object.create_primitive("CUBE", scale=[ROOM_HALF_M] * 3, location=[0, 0, ROOM_HALF_M - 0.01])
    return {"floor": _mesh_of(floor), "walls": _mesh_of(walls)}


def _mesh_of(part: Any) -> Any:
    """The mesh alone, its place and size in it, with room for one material."""
    part.persist_transformation_into_mesh()
    mesh = part.get_mesh()
    mesh.materials.clear()
    mesh.materials.append(None)
    mesh.use_fake_user = True
    part.delete()
    return mesh


def _five_planes(half: float) -> Any:
    """A floor and four walls, all squares, each with the whole of a texture."""
    turned = math.pi / 2
    walls = [
        ([0, -half, half], [-turned, 0, 0]),
        ([0, half, half], [turned, 0, 0]),
        ([half, 0, half], [0, -turned, 0]),
        ([-half, 0, half], [0, turned, 0]),
    ]
    first, *rest = [
        bproc.object.create_primitive("PLANE", scale=[half, half, 1], location=at, rotation=turn)
        for at, turn in [([0, 0, 0], [0, 0, 0]), *walls]
    ]
    for plane in (first, *rest):
        plane.persist_transformation_into_mesh()
    first.join_with_other_objects(rest)
    return first


def _lamp_material(mesh: Any) -> Any:
    built = bproc.material.create("lamp").blender_obj
    built.use_fake_user = True
    mesh.materials[0] = built
    return built


def build_covers(setting: RenderSetting) -> dict[str, Any]:
    """Materials of walls and floor, and of objects where each is covered anew, by name."""
    needed = {material.name: material for material in _packaged_covers(setting)}
    covers = {name: _build_material(material, f"surface-{name}") for name, material in needed.items()}
    if setting.covers_objects and setting.gloss == "random":
        covers |= {
            object_cover(cover, setting): _build_material(cover, object_cover(cover, setting), Drawn(gloss=True))
            for cover in SURFACES
        }
    if setting.textures is not None and (setting.background == "random" or setting.scenes == "published"):
        covers |= _load_cc_materials(setting)
    return covers


def object_cover(cover: Material, setting: RenderSetting) -> str:
    """Name of the material that covers objects with `cover`: one of its own where their gloss is drawn."""
    return f"object-{cover.name}" if setting.gloss == "random" else cover.name


def _packaged_covers(setting: RenderSetting) -> tuple[Material, ...]:
    covers = SURFACES if setting.covers_objects and setting.gloss == "class" else ()
    if setting.background == "fix" and setting.scenes == "framed":
        return (FIXED_FLOOR, FIXED_WALL, *covers)
    if setting.textures is not None:
        return covers
    return (CARPET, *covers) if setting.background == "fix" else SURFACES


def _load_cc_materials(setting: RenderSetting) -> dict[str, Any]:
    """BlenderProc's materials of the folder of CC0 textures; shrunk as the packaged ones but in published scenes."""
    names = [FIXED_CC_TEXTURE] if setting.background == "fix" else None
    with silence(2):
        loaded = bproc.loader.load_ccmaterials(setting.textures, used_assets=names, use_all_materials=True)
    for material in loaded:
        for node in material.get_nodes_with_type("ShaderNodeTexImage"):
            if setting.scenes == "framed" and max(node.image.size) > TEXTURE_PX:
                node.image.scale(TEXTURE_PX, TEXTURE_PX)
        material.blender_obj.use_fake_user = True
    return {material.get_name(): material.blender_obj for material in loaded}
