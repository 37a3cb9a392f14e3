# SPDX-License-Identifier: GPL-3.0-or-later
"""What the compositor writes beside the image: fills a node tree it is handed."""

import os
from typing import Any


def write_pass(tree: Any, socket: str, prefix: str) -> None:
    """Write the pass `socket` of the compositor `tree` as 32-bit floats to files that begin with `prefix`.

    BlenderProc's normals output adds keyframes for every scene, which never go.
    """
    output = tree.nodes.new("CompositorNodeOutputFile")
    output.base_path, output.file_slots[0].path = os.path.split(prefix)
    output.format.file_format, output.format.color_depth = "OPEN_EXR", "32"
    source = tree.nodes["Render Layers"].outputs[socket]
    # A pass that is no colour makes a file that readers refuse or cut to one channel: write it as one.
    colour = tree.nodes.new("CompositorNodeCombineColor")
    if socket == "Normal":
        axes = tree.nodes.new("CompositorNodeSeparateXYZ")
        tree.links.new(source, axes.inputs[0])
    for channel in range(3):
        tree.links.new(axes.outputs[channel] if socket == "Normal" else source, colour.inputs[channel])
    tree.links.new(colour.outputs["Image"], output.inputs[0])
