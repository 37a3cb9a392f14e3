# SPDX-License-Identifier: GPL-3.0-or-later
"""A material's shader graph: fills a Blender node tree it is handed.

The object's own colour (Object Info node) multiplies the pattern and its alpha scales it: tints and pattern sizes vary
by scene without building a shader anew. Where a hue is drawn for each object, that colour multiplies the pattern's
lightness. Where gloss is drawn for each object, its properties "specular" and "roughness" say it.
"""

from dataclasses import dataclass
from typing import Any

from render_actors.setting.materials import Material

MATT_ROUGHNESS = 0.6
# Lightness, linear, of the light parts of textures that are scanned.
SCANNED_LIGHT = 0.4


@dataclass(frozen=True)
class Drawn:
    """What is drawn for each object in place of what its material says."""

    gloss: bool = False
    hue: bool = False


AS_IT_IS = Drawn()


def build_nodes(tree: Any, material: Material, image: Any | None, drawn: Drawn = AS_IT_IS, light: float = 1.0) -> None:
    """Replace the graph of `tree` with `material`'s; `image` is the loaded Blender image of an image material.

    light: lightness of the pattern's lightest parts, which a drawn hue takes for white.
    """
    tree.nodes.clear()
    new, link = tree.nodes.new, tree.links.new
    output = new("ShaderNodeOutputMaterial")
    shader = new("ShaderNodeBsdfPrincipled") if drawn.gloss else _shader(tree, material)
    link(shader.outputs["BSDF"], output.inputs["Surface"])
    if drawn.gloss:
        draw_gloss(tree, shader)

    info, tint = new("ShaderNodeObjectInfo"), _multiplied(tree, shader.inputs[0])
    link(info.outputs["Color"], tint.inputs[7])
    if material.pattern == "plain":
        tint.inputs[6].default_value = (1.0,) * 4 if drawn.hue else (*material.colours[0], 1.0)
        return
    pattern = _pattern(tree, material, image, _placement(tree, material, info))
    link(_lightness(tree, pattern, light) if drawn.hue else pattern, tint.inputs[6])


def draw_over(tree: Any, drawn: Drawn) -> None:
    """Let objects say what is drawn for them of the materials that a mesh file brought along."""
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    if drawn.gloss:
        draw_gloss(tree, shader)
    if drawn.hue:
        came = shader.inputs[0].links[0].from_socket if shader.inputs[0].links else None
        tint = _multiplied(tree, shader.inputs[0])
        tree.links.new(tree.nodes.new("ShaderNodeObjectInfo").outputs["Color"], tint.inputs[7])
        if came is None:
            tint.inputs[6].default_value = (1.0,) * 4
        else:
            tree.links.new(_lightness(tree, came, SCANNED_LIGHT), tint.inputs[6])


def draw_gloss(tree: Any, shader: Any) -> None:
    """Let the object's properties say specular and roughness of the principled `shader`."""
    for name, socket in (("specular", "Specular IOR Level"), ("roughness", "Roughness")):
        said = tree.nodes.new("ShaderNodeAttribute")
        said.attribute_type, said.attribute_name = "OBJECT", name
        tree.links.new(said.outputs["Fac"], shader.inputs[socket])


def _multiplied(tree: Any, socket: Any) -> Any:
    """A node whose inputs 6 and 7, multiplied, go into `socket`."""
    tint = tree.nodes.new("ShaderNodeMix")
    tint.data_type, tint.blend_type = "RGBA", "MULTIPLY"
    tint.inputs[0].default_value = 1.0
    tree.links.new(tint.outputs[2], socket)
    return tint


def _lightness(tree: Any, colour: Any, light: float) -> Any:
    """Socket with a colour's lightness, `light` being 1 and what is lighter 1 too."""
    grey, scaled = tree.nodes.new("ShaderNodeRGBToBW"), tree.nodes.new("ShaderNodeMath")
    scaled.operation, scaled.use_clamp = "MULTIPLY", True
    scaled.inputs[1].default_value = 1 / light
    tree.links.new(colour, grey.inputs[0])
    tree.links.new(grey.outputs[0], scaled.inputs[0])
    return scaled.outputs[0]


def build_lamp(tree: Any) -> None:
    """Replace the graph of `tree` with a surface that shines in the object's colour, its alpha the strength."""
    tree.nodes.clear()
    new, link = tree.nodes.new, tree.links.new
    info, shader = new("ShaderNodeObjectInfo"), new("ShaderNodeEmission")
    link(info.outputs["Color"], shader.inputs["Color"])
    link(info.outputs["Alpha"], shader.inputs["Strength"])
    link(shader.outputs[0], new("ShaderNodeOutputMaterial").inputs["Surface"])


def _shader(tree: Any, material: Material) -> Any:
    """Diffuse for matt surfaces: the principled shader costs a third more render time and shows no difference there."""
    if material.roughness >= MATT_ROUGHNESS and material.metallic == 0:
        return tree.nodes.new("ShaderNodeBsdfDiffuse")
    shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
    shader.inputs["Roughness"].default_value = material.roughness
    shader.inputs["Metallic"].default_value = material.metallic
    return shader


def _placement(tree: Any, material: Material, info: Any) -> Any:
    """Socket with the texture coordinate: the mesh's UV, or object space times the pattern's and the object's scale."""
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    if material.mapping == "uv":
        return coordinates.outputs["UV"]
    size, place = tree.nodes.new("ShaderNodeMath"), tree.nodes.new("ShaderNodeVectorMath")
    size.operation, place.operation = "MULTIPLY", "SCALE"
    size.inputs[1].default_value = material.scale
    tree.links.new(info.outputs["Alpha"], size.inputs[0])
    tree.links.new(coordinates.outputs["Object"], place.inputs[0])
    tree.links.new(size.outputs[0], place.inputs["Scale"])
    return place.outputs[0]


def _pattern(tree: Any, material: Material, image: Any | None, place: Any) -> Any:
    """Socket with the pattern's colour."""
    new, link = tree.nodes.new, tree.links.new
    if material.pattern == "image":
        texture = new("ShaderNodeTexImage")
        texture.image = image
        texture.projection = "FLAT" if material.mapping == "uv" else "BOX"
        link(place, texture.inputs["Vector"])
        return texture.outputs["Color"]
    first, second = ((*colour, 1.0) for colour in material.colours)
    if material.pattern in ("checker", "bricks"):
        texture = new("ShaderNodeTexChecker" if material.pattern == "checker" else "ShaderNodeTexBrick")
        texture.inputs["Color1"].default_value = first
        texture.inputs["Color2"].default_value = first if material.pattern == "bricks" else second
        if material.pattern == "bricks":
            texture.inputs["Mortar"].default_value = second
        texture.inputs["Scale"].default_value = 1.0
        link(place, texture.inputs["Vector"])
        return texture.outputs["Color"]
    return _two_colours(tree, _field(tree, material, place), first, second)


def _field(tree: Any, material: Material, place: Any) -> Any:
    """Socket with a value that `_two_colours` splits at 0.5."""
    kinds = {"stripes": "ShaderNodeTexWave", "dots": "ShaderNodeTexVoronoi", "noise": "ShaderNodeTexNoise"}
    texture = tree.nodes.new(kinds[material.pattern])
    texture.inputs["Scale"].default_value = 1.0
    if material.pattern == "stripes":
        texture.bands_direction = "DIAGONAL"
    tree.links.new(place, texture.inputs["Vector"])
    return texture.outputs[0]


def _two_colours(tree: Any, value: Any, first: tuple[float, ...], second: tuple[float, ...]) -> Any:
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    low, high = ramp.color_ramp.elements
    low.position, high.position = 0.42, 0.52
    low.color, high.color = first, second
    tree.links.new(value, ramp.inputs["Fac"])
    return ramp.outputs["Color"]
