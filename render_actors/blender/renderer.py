# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene to images and labels with BlenderProc in one long-lived process.

Meshes, materials and the compositor are made once for a setting, and an object for each that a scene ever shows
(`props.py`). A scene then only moves and tints objects, so that next to nothing grows and set-up costs little. No state
of a scene reaches the next one: every property that any scene sets is set by every scene, and what it does not show is
out of the scene.
"""

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render_actors.blender.assets import build_covers, build_room, drawn_for_objects, load_mesh, object_cover
from render_actors.blender.imports import Matrix, bproc, bpy, cv2, reset_keyframes
from render_actors.blender.props import Props, copies
from render_actors.blender.session import FARTHEST_M, enable_outputs, scratch_folder, start_blender
from render_actors.blender.world import Environments
from render_actors.labels import (
    Camera,
    RenderedImage,
    camera_from,
    camera_of,
    image_of_maps,
    pose_in_camera,
    semantic_map,
    target_class,
    unit_normals,
)
from render_actors.scene.published import intrinsics
from render_actors.scene.sensor import sensed
from render_actors.scene.spec import Distractor, Light, ObjectPlacement, SceneSpec, Surface
from render_actors.setting.classes import classes_of
from render_actors.setting.distractors import distractor_classes
from render_actors.setting.materials import (
    FIXED_FLOOR,
    FIXED_WALL,
    SURFACES,
    Material,
    published_background,
    surface_names,
)
from render_actors.setting.setting import RenderSetting
from render_actors.silence import silence


def blender_version() -> str:
    """Blender's own version, for `sweeper doctor`."""
    return str(bpy.app.version_string)


class Renderer:
    """Blender, loaded with one setting's meshes and materials. One at a time in a process: a new one replaces the old.

    Raises MissingAssetError when a package of the pools is absent, MissingDeviceError (a ValueError) without the GPU
    that the setting asks for.
    """

    def __init__(self, setting: RenderSetting) -> None:
        self.setting, self._published = setting, setting.scenes == "published"
        self._folder = scratch_folder()
        with silence():
            start_blender(setting, self._folder)
            self._classes = classes_of(setting)
            self._meshes: dict[tuple[str, int], Any] = {}
            self._covers = build_covers(setting)
            self._room = build_room(setting)
            self._props = Props(self._make, _put_away)
            self._lights = {"point": bproc.types.Light("POINT")} if setting.lit_by != "world" else {}
            if not self._published and setting.lit_by != "world":
                self._lights["area"] = bproc.types.Light("AREA")
            self._environments = Environments() if setting.lit_by != "lamps" else None
            for light in self._lights.values():
                # A lamp's disc in the image would be a bright object without a label.
                light.blender_obj.visible_camera = False
            enable_outputs(setting, self._folder)
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
        beside = copies("distractor", [each.mesh for each in scene.distractors])
        keys = [*copies("object", [placed.class_id for placed in scene.objects]), *beside]
        things = self._arrange_room(scene, keys)
        for thing, distractor in zip(things[len(scene.objects) :], scene.distractors, strict=True):
            _put(thing, distractor)
            thing.color = (*distractor.tint, distractor.scale)
        for number, (thing, placed) in enumerate(zip(things, scene.objects, strict=False), start=1):
            _place(thing, placed, number)
        # no covers: each keeps its class's own material
        for thing, surface in zip(things, scene.covers, strict=False):
            self._cover_object(thing, surface)
        for light in scene.lights:
            if light.kind in self._lights:
                _set_light(self._lights[light.kind], light)
        if scene.world is not None and self._environments is not None:
            self._environments.show(scene.world)
        reset_keyframes()
        bpy.context.scene.frame_end = 0
        side = self.setting.resolution
        if self._published:
            bproc.camera.set_intrinsics_from_K_matrix(_from_pixel_middles(intrinsics(side)), side, side)
        else:
            bproc.camera.set_intrinsics_from_blender_params(scene.fields_of_view[0], side, side, lens_unit="FOV")
        for number, pose in enumerate(scene.cameras):
            bproc.camera.add_camera_pose(np.array(pose))
            if len(set(scene.fields_of_view)) > 1:
                _set_field_of_view(scene.fields_of_view[number], number)
        bpy.context.scene.cycles.seed = scene.noise_seed

    def _arrange_room(self, scene: SceneSpec, objects: list[tuple[Any, ...]]) -> list[Any]:
        """Put the room of a scene, and its lamp, in their places; returns the things of the keys `objects`."""
        if self._published:
            room, lamp, *things = self._props.take([("room",), ("lamp",), *objects])
            # A copy of the room for each cover would keep each one's large textures in memory.
            room.material_slots[0].material = self._covers[self._published_cover(scene.floor)]
            _cover(room, scene.floor)
            plane = next(light for light in scene.lights if light.kind == "plane")
            lamp.location, lamp.color = plane.position, (*plane.colour, plane.power)
            return things
        keys = (
            ("floor", self._cover_name(scene.floor, FIXED_FLOOR)),
            ("walls", self._cover_name(scene.walls, FIXED_WALL)),
        )
        floor, walls, *things = self._props.take([*keys, *objects])
        _cover(floor, scene.floor)
        _cover(walls, scene.walls)
        return things

    def _published_cover(self, surface: Surface) -> str:
        textures = self.setting.textures
        return published_background(textures) if surface.material < 0 else surface_names(textures)[surface.material]

    def _cover_object(self, thing: Any, surface: Surface) -> None:
        # An object for each of its covers would lose no memory, but Blender goes through all of them at each scene.
        cover = self._covers[object_cover(SURFACES[surface.material], self.setting)]
        for slot in thing.material_slots:
            slot.link, slot.material = "OBJECT", cover
        thing.color = (*surface.tint, surface.scale)

    def _mesh(self, kind: str, number: int) -> Any:
        """A class's or distractor's mesh, loaded when a scene first shows it: a pool may hold many more."""
        if (kind, number) not in self._meshes:
            if kind == "object":
                entry, drawn = self._classes[number], drawn_for_objects(self.setting)
                self._meshes[kind, number] = load_mesh(entry, drawn, white=self._published)
            else:
                self._meshes[kind, number] = load_mesh(distractor_classes()[number])
            # What the mesh file brought along: materials and full-size textures.
            bpy.data.orphans_purge(do_recursive=True)
        return self._meshes[kind, number]

    def _make(self, key: tuple[Any, ...]) -> Any:
        """A copy of a class's object or of a distractor, or a part of the room in one of its covers."""
        if key[0] in ("object", "distractor"):
            thing = bproc.object.create_from_blender_mesh(self._mesh(key[0], key[1]), str(key)).blender_obj
            thing.rotation_mode = "QUATERNION"
        else:
            part, *cover = key
            thing = bproc.object.create_from_blender_mesh(self._room[part], str(key)).blender_obj
            if part != "lamp":
                thing.material_slots[0].link = "OBJECT"
            if cover:
                thing.material_slots[0].material = self._covers[cover[0]]
            if part == "walls" and self._environments is not None:
                # The camera sees them, and the light of the world goes through them.
                thing.visible_diffuse = thing.visible_glossy = thing.visible_shadow = False
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
        rgb = read("rgb", "png")
        if scene.sensors:
            rgb = sensed(rgb, scene.sensors[pose])
        image = image_of_maps(index, rgb, instances, class_ids, setting.min_visible_px)
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
            image = replace(image, poses=poses, camera=self._camera(scene, pose))
        if "target" in setting.labels:
            image = replace(image, target=target_class(image, scene.targets[pose], class_ids))
        return image

    def _camera(self, scene: SceneSpec, pose: int) -> Camera:
        side, to_world = self.setting.resolution, np.array(scene.cameras[pose])
        if self._published:
            return camera_from(intrinsics(side), to_world)
        return camera_of(side, scene.fields_of_view[pose], to_world)


def _put_away(thing: Any) -> None:
    """Out of view, and so far that Cycles leaves it out of the scene (see `start_blender`)."""
    thing.location = (0.0, 0.0, -10 * FARTHEST_M)


def _cover(room_part: Any, surface: Surface) -> None:
    room_part.location = (0.0, 0.0, 0.0)
    room_part.color = (*surface.tint, surface.scale)


def _place(thing: Any, placed: ObjectPlacement, number: int) -> None:
    thing.pass_index = number
    if placed.gloss is not None:
        # what materials with a drawn gloss read (nodes.py)
        thing["specular"], thing["roughness"] = placed.gloss
    _put(thing, placed)
    thing.color = (*placed.tint, 1.0)


def _put(thing: Any, placed: ObjectPlacement | Distractor) -> None:
    thing.location = placed.position
    thing.rotation_quaternion = Matrix(placed.rotation).to_quaternion()
    thing.scale = (placed.radius,) * 3


def _set_light(light: Any, spec: Light) -> None:
    light.set_location(spec.position)
    light.set_color(spec.colour)
    light.set_energy(spec.power)
    size_of = {"area": "size", "point": "shadow_soft_size"}
    setattr(light.blender_obj.data, size_of[spec.kind], spec.size)


def _set_field_of_view(angle: float, frame: int) -> None:
    """Of one pose alone; the next scene's reset of keyframes takes it back."""
    camera = bpy.context.scene.camera.data
    camera.angle = angle
    camera.keyframe_insert(data_path="lens", frame=frame)


def _from_pixel_middles(numbers: tuple[float, ...]) -> NDArray:
    """K (3, 3) as BlenderProc has it, from the middle of the first pixel, of one from that pixel's corner."""
    matrix = np.array(numbers).reshape(3, 3)
    matrix[:2, 2] -= 0.5
    return matrix
