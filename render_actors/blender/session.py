# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender made ready for one setting: device, quality, passes, and a folder for what it writes."""

import os
import shutil
import tempfile
from pathlib import Path

from render_actors.blender.imports import BopLoader, GlobalStorage, Utility, bproc, bpy, clean_up, render_init
from render_actors.blender.passes import write_pass
from render_actors.setting.setting import MissingDeviceError, RenderSetting

# Past the room's diagonal.
FARTHEST_M = 100.0


def scratch_folder() -> str:
    """A folder in memory for what Blender writes; those that killed processes left behind are removed."""
    memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    for left in memory.glob("sweeper-render-*-*"):
        owner = left.name.split("-")[2]
        if not Path("/proc", owner).exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"sweeper-render-{os.getpid()}-", dir=memory)


def start_blender(setting: RenderSetting, folder: str) -> None:
    """What bproc.init() does, less what fails under the bpy wheel (it sets a locale the wheel lacks)."""
    clean_up(clean_up_camera=True)
    # Its loader would hand out the objects of the renderer before, which are gone.
    BopLoader.CACHED_OBJECTS.clear()
    GlobalStorage.set("output", [])
    Utility.temp_dir = folder
    scene = bpy.context.scene
    scene.use_nodes = True
    scene.node_tree.nodes.clear()
    scene.node_tree.nodes.new("CompositorNodeComposite")
    layers = scene.node_tree.nodes.new("CompositorNodeRLayers")
    scene.node_tree.links.new(layers.outputs["Image"], scene.node_tree.nodes["Composite"].inputs["Image"])
    _choose_device(setting.device)
    render_init()
    bproc.renderer.set_cpu_threads(1)
    bproc.renderer.set_noise_threshold(0)
    bproc.renderer.set_max_amount_of_samples(setting.samples)
    _choose_quality(setting)
    bproc.renderer.toggle_light_tree(False)
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    # The file is read at once and thrown away: speed over size.
    scene.render.image_settings.compression = 0
    scene.render.dither_intensity = 0
    # The camera before may have had other pixels.
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1
    # A pattern of its own for each pose: the seed is mixed with the frame number.
    scene.cycles.use_animated_seed = True
    scene.cycles.use_auto_tile = False
    # What is put away far off is left out: it costs neither time nor memory.
    scene.render.use_simplify = scene.cycles.use_distance_cull = True
    scene.cycles.distance_cull_margin = FARTHEST_M


def _choose_quality(setting: RenderSetting) -> None:
    """Denoiser, bounces, light from beyond the room, tones: ours, or BlenderProc's defaults, as published."""
    if setting.scenes == "published":
        bproc.renderer.set_denoiser("INTEL")
        bproc.renderer.set_light_bounces(3, 0, 3, 3, 0, 8, 0)
        bproc.renderer.set_world_background([0.05, 0.05, 0.05])
        bproc.renderer.set_output_format("PNG", 8, False, view_transform="Filmic")
        return
    bounces, scene = setting.max_bounces, bpy.context.scene
    bproc.renderer.set_denoiser(None)
    if setting.denoise:
        # Cycles' own and not BlenderProc's node of the compositor. At 32 px it adds a seventh to a render; filters of
        # higher quality make it two to five times as long. The line above has switched off both of these flags.
        cycles = scene.cycles
        cycles.denoiser, cycles.denoising_prefilter, cycles.denoising_quality = "OPENIMAGEDENOISE", "FAST", "FAST"
        cycles.use_denoising = bpy.context.view_layer.cycles.use_denoising = True
    bproc.renderer.set_light_bounces(bounces, bounces, 0, bounces, 0, 0, 0)
    bproc.renderer.set_world_background([0, 0, 0], 0)
    bproc.renderer.set_output_format("PNG", 8, False, view_transform="Standard")


def _choose_device(device: str) -> None:
    """Render on the CPU, or on GPUs; BlenderProc goes back to the CPU in silence where there is none."""
    bproc.renderer.set_render_devices(use_only_cpu=device == "cpu", desired_gpu_device_type=[device.upper()])
    if device != "cpu" and bpy.context.scene.cycles.device != "GPU":
        raise MissingDeviceError(
            f"rendering setting: device = {device!r}, but Blender finds no such device here; "
            "run where there is one, or set device to cpu"
        )


def enable_outputs(setting: RenderSetting, folder: str) -> None:
    """Write the maps that the setting's labels need to files in `folder`, beside each image."""
    bproc.renderer.enable_segmentation_output(map_by="instance", output_dir=folder)
    if "normals" in setting.labels:
        bpy.context.view_layer.use_pass_normal = True
        write_pass(bpy.context.scene.node_tree, "Normal", f"{folder}/normals_")
    if "depth" in setting.labels:
        bpy.context.view_layer.use_pass_z = True
        write_pass(bpy.context.scene.node_tree, "Depth", f"{folder}/depth_")
