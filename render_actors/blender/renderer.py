# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene to images and labels with BlenderProc in one long-lived process: the only file that imports bpy.

Meshes, materials and the compositor are made once for a setting, and an object for each that a scene ever shows
(`props.py`). A scene then only moves and tints objects, so that next to nothing grows and set-up costs little. No state
of a scene reaches the next one: every property that any scene sets is set by every scene, and what it does not show is
out of the scene.
"""

import importlib.util
import os
import shutil
import sys
import tempfile
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render_actors.blender.nodes import build_nodes
from render_actors.blender.passes import write_pass
from render_actors.blender.props import Props, copies
from render_actors.labels import RenderedImage, camera_of, image_of_maps, pose_in_camera, semantic_map, unit_normals
from render_actors.scene.sample import FIELD_OF_VIEW, ROOM_HALF_M, Light, ObjectPlacement, SceneSpec, Surface
from render_actors.setting.bop_objects import model_params
from render_actors.setting.classes import classes_of
from render_actors.setting.materials import FIXED_FLOOR, FIXED_WALL, SURFACES, Material, surface_names, texture_pixels
from render_actors.setting.object_class import ObjectClass, normalisation
from render_actors.setting.setting import MissingDeviceError, RenderSetting
from render_actors.silence import silence


def _placeholder(name: str, **members: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


def _import_blenderproc() -> Any:
    """BlenderProc beside the bpy wheel: it expects to run inside a Blender of its own, and to install into it."""
    spec = importlib.util.find_spec("blenderproc")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("rendering needs blenderproc and bpy; run: make setup")
    setup = {"setup": staticmethod(lambda *_: sys.argv), "setup_pip": staticmethod(lambda *_, **__: "")}
    _placeholder("blenderproc.python.utility.SetupUtility", SetupUtility=type("SetupUtility", (), setup))
    # Only BlenderProc's Matterport loader uses these, and they take more than half of its import: 8 of 13 s.
    slow = [name for name in ("sklearn", "sklearn.cluster") if name not in sys.modules]
    for name in slow:
        _placeholder(name, MeanShift=None, estimate_bandwidth=None)
    if importlib.util.find_spec("bop_toolkit_lib") is None:
        # BlenderProc's BOP loader would install it from a repository; it asks it for the files of the models only.
        dataset_params = types.SimpleNamespace(get_model_params=model_params)
        _placeholder("bop_toolkit_lib", dataset_params=dataset_params)
    # It imports GitPython, which refuses to be imported on a machine without git unless told to be quiet.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ["INSIDE_OF_THE_INTERNAL_BLENDER_PYTHON_ENVIRONMENT"] = "1"
    search_path, python_path = list(sys.path), os.environ.get("PYTHONPATH")
    # Its import removes one entry of site-packages from the path: give it one to remove.
    sys.path.insert(0, str(Path(spec.origin).parent.parent.absolute()))
    if not hasattr(np, "string_"):
        # BlenderProc is written for NumPy 1.
        np.string_ = np.bytes_  # type: ignore[attr-defined]
    try:
        import blenderproc
    finally:
        sys.path[:] = search_path
        for name in slow:
            del sys.modules[name]
        if python_path is not None:
            os.environ["PYTHONPATH"] = python_path
    return blenderproc


with silence():
    bproc = _import_blenderproc()

import bpy  # noqa: E402
import cv2  # noqa: E402
from blenderproc.python.loader.BopLoader import _BopLoader  # noqa: E402
from blenderproc.python.renderer.RendererUtility import render_init  # noqa: E402
from blenderproc.python.utility.GlobalStorage import GlobalStorage  # noqa: E402
from blenderproc.python.utility.Initializer import clean_up  # noqa: E402
from blenderproc.python.utility.Utility import Utility, reset_keyframes  # noqa: E402
from mathutils import Matrix  # noqa: E402

TEXTURE_PX = 256
# Past the room's diagonal.
FARTHEST_M = 100.0


def blender_version() -> str:
    """Blender's own version, for `sweeper doctor`."""
    return str(bpy.app.version_string)


def _scratch_folder() -> str:
    """A folder in memory for what Blender writes; those that killed processes left behind are removed."""
    memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    for left in memory.glob("sweeper-render-*-*"):
        owner = left.name.split("-")[2]
        if not Path("/proc", owner).exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"sweeper-render-{os.getpid()}-", dir=memory)


class Renderer:
    """Blender, loaded with one setting's meshes and materials. One at a time in a process: a new one replaces the old.

    Raises MissingAssetError when a package of the pools is absent, MissingDeviceError (a ValueError) without the GPU
    that the setting asks for.
    """

    def __init__(self, setting: RenderSetting) -> None:
        self.setting = setting
        self._folder = _scratch_folder()
        with silence():
            _start_blender(setting, self._folder)
            self._classes = classes_of(setting)
            self._meshes: dict[int, Any] = {}
            self._covers = _build_covers(setting)
            self._room = _build_room()
            self._props = Props(self._make, _put_away)
            self._lights = {"point": bproc.types.Light("POINT"), "area": bproc.types.Light("AREA")}
            for light in self._lights.values():
                # A lamp's disc in the image would be a bright object without a label.
                light.blender_obj.visible_camera = False
            _enable_outputs(setting, self._folder)
            bpy.data.orphans_purge(do_recursive=True)

    def render(self, scene: SceneSpec) -> list[RenderedImage]:
        """The scene's images in the order of its cameras, indices scene.index * poses_per_scene + pose."""
        with silence():
            self._arrange(scene)
            bproc.renderer.render(
                output_dir=self._folder, output_key=None, load_keys=set(), return_data=False, verbose=True
            )
            return [self._read_image(scene, pose) for pose in range(len(scene.cameras))]

    def render_bare(self) -> None:
        """Draw the last scene again with nothing but bpy, its passes kept in memory: what the bench compares with."""
        scene = bpy.context.scene
        scene.render.use_compositing = False
        with silence():
            for frame in range(scene.frame_start, scene.frame_end):
                scene.frame_set(frame)
                bpy.ops.render.render(write_still=False)
        scene.render.use_compositing = True

    def close(self) -> None:
        """Remove the temporary folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _arrange(self, scene: SceneSpec) -> None:
        room: list[tuple[Any, ...]] = [
            ("floor", self._cover_name(scene.floor, FIXED_FLOOR)),
            ("walls", self._cover_name(scene.walls, FIXED_WALL)),
        ]
        floor, walls, *things = self._props.take(room + copies([placed.class_id for placed in scene.objects]))
        _cover(floor, scene.floor)
        _cover(walls, scene.walls)
        for number, (thing, placed) in enumerate(zip(things, scene.objects, strict=True), start=1):
            _place(thing, placed, number)
        # no covers: each keeps its class's own material
        for thing, surface in zip(things, scene.covers, strict=False):
            self._cover_object(thing, surface)
        for light in scene.lights:
            _set_light(self._lights[light.kind], light)
        reset_keyframes()
        bpy.context.scene.frame_end = 0
        side = self.setting.resolution
        bproc.camera.set_intrinsics_from_blender_params(FIELD_OF_VIEW, side, side, lens_unit="FOV")
        for pose in scene.cameras:
            bproc.camera.add_camera_pose(np.array(pose))
        bpy.context.scene.cycles.seed = scene.noise_seed

    def _cover_object(self, thing: Any, surface: Surface) -> None:
        # An object for each of its covers would lose no memory, but Blender goes through all of them at each scene.
        cover = self._covers[SURFACES[surface.material].name]
        for slot in thing.material_slots:
            slot.link, slot.material = "OBJECT", cover
        thing.color = (*surface.tint, surface.scale)

    def _mesh(self, class_id: int) -> Any:
        """A class's mesh, loaded when a scene first shows it: a pool may hold many that a short run never does."""
        if class_id not in self._meshes:
            self._meshes[class_id] = _load_mesh(self._classes[class_id])
            # What the mesh file brought along: materials and full-size textures.
            bpy.data.orphans_purge(do_recursive=True)
        return self._meshes[class_id]

    def _make(self, key: tuple[Any, ...]) -> Any:
        """A copy of a class's object, or a part of the room in one of its covers."""
        if key[0] == "object":
            thing = bproc.object.create_from_blender_mesh(self._mesh(key[1]), str(key)).blender_obj
            thing.rotation_mode = "QUATERNION"
        else:
            part, cover = key
            thing = bproc.object.create_from_blender_mesh(self._room[part], str(key)).blender_obj
            thing.material_slots[0].link = "OBJECT"
            thing.material_slots[0].material = self._covers[cover]
        thing.pass_index = 0
        thing.cycles.use_distance_cull = True
        _put_away(thing)
        return thing

    def _cover_name(self, surface: Surface, fixed: Material) -> str:
        return fixed.name if surface.material < 0 else surface_names(self.setting.textures)[surface.material]

    def _read_image(self, scene: SceneSpec, pose: int) -> RenderedImage:
        def read(name: str, suffix: str = "exr") -> NDArray:
            # BlenderProc's own reader takes a millisecond more an image, 4 % of a small one's render.
            bgr = cv2.imread(f"{self._folder}/{name}_{pose:04d}.{suffix}", cv2.IMREAD_UNCHANGED)
            return np.ascontiguousarray(bgr[:, :, ::-1])

        setting, camera = self.setting, np.array(scene.cameras[pose])
        instances = read("segmap")[:, :, 0].astype(np.uint8)
        class_ids = [placed.class_id for placed in scene.objects]
        index = scene.index * setting.poses_per_scene + pose
        smallest = setting.min_visible_share * setting.resolution**2
        image = image_of_maps(index, read("rgb", "png"), instances, class_ids, smallest)
        if "semantic" in setting.labels:
            image = replace(image, semantic=semantic_map(instances, class_ids))
        if "normals" in setting.labels:
            # The pass is in world axes; labels are in the camera's.
            image = replace(image, normals=unit_normals(read("normals") @ camera[:3, :3]))
        if "depth" in setting.labels:
            image = replace(image, depth=np.ascontiguousarray(read("depth")[:, :, 0], dtype=np.float32))
        if "poses" in setting.labels:
            placed = [(o.class_id, o.position, o.rotation, o.radius) for o in scene.objects]
            poses = tuple(pose_in_camera(*where, camera) for where in placed)
            image = replace(image, poses=poses, camera=camera_of(setting.resolution, FIELD_OF_VIEW, camera))
        return image


def _start_blender(setting: RenderSetting, folder: str) -> None:
    """What bproc.init() does, less what fails under the bpy wheel (it sets a locale the wheel lacks)."""
    clean_up(clean_up_camera=True)
    # Its loader would hand out the objects of the renderer before, which are gone.
    _BopLoader.CACHED_OBJECTS.clear()
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
    bproc.renderer.set_denoiser(None)
    bproc.renderer.set_noise_threshold(0)
    bproc.renderer.set_max_amount_of_samples(setting.samples)
    bounces = setting.max_bounces
    bproc.renderer.set_light_bounces(bounces, bounces, 0, bounces, 0, 0, 0)
    bproc.renderer.toggle_light_tree(False)
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    bproc.renderer.set_world_background([0, 0, 0], 0)
    bproc.renderer.set_output_format("PNG", 8, False, view_transform="Standard")
    # The file is read at once and thrown away: speed over size.
    scene.render.image_settings.compression = 0
    scene.render.dither_intensity = 0
    # A pattern of its own for each pose: the seed is mixed with the frame number.
    scene.cycles.use_animated_seed = True
    scene.cycles.use_auto_tile = False
    # What is put away far off is left out: it costs neither time nor memory.
    scene.render.use_simplify = scene.cycles.use_distance_cull = True
    scene.cycles.distance_cull_margin = FARTHEST_M


def _choose_device(device: str) -> None:
    """Render on the CPU, or on GPUs; BlenderProc goes back to the CPU in silence where there is none."""
    bproc.renderer.set_render_devices(use_only_cpu=device == "cpu", desired_gpu_device_type=[device.upper()])
    if device != "cpu" and bpy.context.scene.cycles.device != "GPU":
        raise MissingDeviceError(
            f"rendering setting: device = {device!r}, but Blender finds no such device here; "
            "run where there is one, or set device to cpu"
        )


def _load_mesh(entry: ObjectClass) -> Any:
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


def _build_room() -> dict[str, Any]:
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


def _build_covers(setting: RenderSetting) -> dict[str, Any]:
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


def _enable_outputs(setting: RenderSetting, folder: str) -> None:
    bproc.renderer.enable_segmentation_output(map_by="instance", output_dir=folder)
    if "normals" in setting.labels:
        bpy.context.view_layer.use_pass_normal = True
        write_pass(bpy.context.scene.node_tree, "Normal", f"{folder}/normals_")
    if "depth" in setting.labels:
        bpy.context.view_layer.use_pass_z = True
        write_pass(bpy.context.scene.node_tree, "Depth", f"{folder}/depth_")


def _put_away(thing: Any) -> None:
    """Out of view, and so far that Cycles leaves it out of the scene (see `_start_blender`)."""
    thing.location = (0.0, 0.0, -10 * FARTHEST_M)


def _cover(room_part: Any, surface: Surface) -> None:
    room_part.location = (0.0, 0.0, 0.0)
    room_part.color = (*surface.tint, surface.scale)


def _place(thing: Any, placed: ObjectPlacement, number: int) -> None:
    thing.pass_index = number
    thing.location = placed.position
    thing.rotation_quaternion = Matrix(placed.rotation).to_quaternion()
    thing.scale = (placed.radius,) * 3
    thing.color = (*placed.tint, 1.0)


def _set_light(light: Any, spec: Light) -> None:
    light.set_location(spec.position)
    light.set_color(spec.colour)
    light.set_energy(spec.power)
    size_of = {"area": "size", "point": "shadow_soft_size"}
    setattr(light.blender_obj.data, size_of[spec.kind], spec.size)
