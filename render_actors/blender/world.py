# SPDX-License-Identifier: GPL-3.0-or-later
"""Light from all around: the environments that the bpy wheel brings along, one at a time behind the room."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from render_actors.blender.imports import bpy, cv2
from render_actors.scene.spec import World
from render_actors.setting.materials import LUMINANCE

# What an environment is shrunk to, pixels averaged: matt things show no more of it, and lamps in it that are a pixel
# small would be found by few rays only, which makes bright specks. Cycles reads it again at each scene.
WIDTH_PX, HEIGHT_PX = 128, 64
# Where rays are sent is chosen on a grid of this width.
SAMPLED_PX = 256


class Environments:
    """The world's light of one scene after the other; each file is read when a scene first has it."""

    def __init__(self) -> None:
        world = bpy.context.scene.world
        world.use_nodes = True
        new, link = world.node_tree.nodes.new, world.node_tree.links.new
        world.node_tree.nodes.clear()
        self._texture, self._background = new("ShaderNodeTexEnvironment"), new("ShaderNodeBackground")
        self._mapping = new("ShaderNodeMapping")
        link(new("ShaderNodeTexCoord").outputs["Generated"], self._mapping.inputs["Vector"])
        link(self._mapping.outputs["Vector"], self._texture.inputs["Vector"])
        link(self._texture.outputs["Color"], self._background.inputs["Color"])
        link(self._background.outputs["Background"], new("ShaderNodeOutputWorld").inputs["Surface"])
        world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", SAMPLED_PX
        self._loaded: dict[str, tuple[Any, float]] = {}

    def show(self, spec: World) -> None:
        """Let this environment shine, as bright on the mean as it says."""
        if spec.name not in self._loaded:
            self._loaded[spec.name] = _load(spec.name)
        self._texture.image, mean = self._loaded[spec.name]
        self._mapping.inputs["Rotation"].default_value = (0.0, 0.0, spec.turn)
        self._background.inputs["Strength"].default_value = spec.strength / mean


def _load(name: str) -> tuple[Any, float]:
    """An environment's image and its mean radiance over the whole sphere."""
    folder = Path(bpy.utils.system_resource("DATAFILES"), "studiolights", "world")
    whole = bpy.data.images.load(str(folder / f"{name}.exr"))
    width, height = whole.size
    pixels = np.empty(width * height * 4, np.float32)
    whole.pixels.foreach_get(pixels)
    bpy.data.images.remove(whole)
    small = cv2.resize(pixels.reshape(height, width, 4), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    image = bpy.data.images.new(f"world-{name}", WIDTH_PX, HEIGHT_PX, float_buffer=True)
    image.pixels.foreach_set(np.ascontiguousarray(small).ravel())
    image.pack()
    image.use_fake_user = True
    # rows near the poles stand for less of the sphere
    weights = np.sin((np.arange(HEIGHT_PX) + 0.5) / HEIGHT_PX * math.pi)
    rows = (small[:, :, :3].astype(np.float64) @ LUMINANCE).mean(axis=1)
    return image, float(rows @ weights / weights.sum())
