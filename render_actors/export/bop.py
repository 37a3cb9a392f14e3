"""Rendered images as a BOP data set: train_pbr/SCENE/{rgb,depth,mask_visib}, scene_*.json, models/; millimetres.

What BOP has and a visible-pixel render does not, is left out: masks of occluded parts and what is counted from them.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render_actors.labels import Camera, ObjectPose, RenderedImage
from render_actors.setting.classes import classes_of
from render_actors.setting.object_class import normalisation, unit_vertices
from render_actors.setting.setting import RenderSetting

# Millimetres of a depth unit: 16 bits reach 13 m, past the room's diagonal.
DEPTH_SCALE = 0.2
SPLIT = "train_pbr"
# What is nearer to the camera than this is beside or behind it.
_NEAREST_M = 0.01


def check_exportable(setting: RenderSetting) -> None:
    """Raises ValueError where a setting's images lack depth or poses, or its objects vary in size: BOP's are rigid."""
    if not {"depth", "poses"} <= set(setting.labels):
        raise ValueError("BOP export: the images have no depth or poses; set render.labels to have both")
    if setting.size_jitter:
        raise ValueError("BOP export: objects of a class differ in size; set render.size_jitter to false")


def export_bop(images: Iterable[RenderedImage], setting: RenderSetting, folder: Path) -> Path:
    """Write images of a setting as the BOP data set `folder`; returns the folder. Object id = class_id + 1.

    Raises what `check_exportable` raises, before anything is written; FileExistsError where the folder holds something
    already.
    """
    check_exportable(setting)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"BOP export: {folder} is not empty; remove it or name another")
    scales: dict[int, float] = {}
    scenes: dict[int, dict[str, dict[str, Any]]] = {}
    last: Camera | None = None
    for image in images:
        if image.depth is None or image.poses is None or image.camera is None:
            raise ValueError(f"BOP export: image {image.index} has no depth or poses, which its setting asks for")
        scales |= {pose.class_id: pose.scale for pose in image.poses}
        scene, view = divmod(image.index, setting.poses_per_scene)
        _write_view(folder / SPLIT / f"{scene:06d}", view, image)
        files = scenes.setdefault(scene, {"scene_camera": {}, "scene_gt": {}, "scene_gt_info": {}})
        last = image.camera
        files["scene_camera"][str(view)] = _camera(image.camera)
        files["scene_gt"][str(view)] = [_ground_truth(pose) for pose in image.poses]
        files["scene_gt_info"][str(view)] = [_extent(image, k, setting) for k in range(len(image.poses))]
    for scene, files in scenes.items():
        for name, content in files.items():
            (folder / SPLIT / f"{scene:06d}" / f"{name}.json").write_text(json.dumps(content))
    if last is not None:
        _write_camera(folder, last, setting.resolution)
    _write_models(folder / "models", setting, scales)
    return folder


def _write_view(scene: Path, view: int, image: RenderedImage) -> None:
    for name in ("rgb", "depth", "mask_visib"):
        (scene / name).mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.rgb).save(scene / "rgb" / f"{view:06d}.png")
    assert image.depth is not None
    assert image.poses is not None
    units = np.clip(np.rint(image.depth * 1000 / DEPTH_SCALE), 0, 65535).astype(np.uint16)
    Image.fromarray(units).save(scene / "depth" / f"{view:06d}.png")
    for k in range(len(image.poses)):
        mask = np.where(image.instances == k + 1, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(scene / "mask_visib" / f"{view:06d}_{k:06d}.png")


def _intrinsics(camera: Camera) -> NDArray[np.float64]:
    """BOP counts pixel centres from 0: half a pixel less than from the image's corner."""
    matrix = np.array(camera.intrinsics).reshape(3, 3)
    matrix[:2, 2] -= 0.5
    return matrix


def _camera(camera: Camera) -> dict[str, Any]:
    to_world = np.array(camera.to_world).reshape(4, 4)
    rotation = np.diag([1.0, -1.0, -1.0]) @ to_world[:3, :3].T
    return {
        "cam_K": _intrinsics(camera).ravel().tolist(),
        "depth_scale": DEPTH_SCALE,
        "cam_R_w2c": rotation.ravel().tolist(),
        "cam_t_w2c": (-1000 * rotation @ to_world[:3, 3]).tolist(),
    }


def _ground_truth(pose: ObjectPose) -> dict[str, Any]:
    matrix = np.array(pose.matrix).reshape(3, 4)
    return {
        "cam_R_m2c": matrix[:, :3].ravel().tolist(),
        "cam_t_m2c": (1000 * matrix[:, 3]).tolist(),
        "obj_id": pose.class_id + 1,
    }


def _extent(image: RenderedImage, k: int, setting: RenderSetting) -> dict[str, Any]:
    """The box of an object's whole silhouette, from its projected vertices, and of its visible part (x, y, w, h).

    Of what lies beside or behind the camera the silhouette has those vertices that it faces; without one it is -1, as
    of what is not visible.
    """
    assert image.poses is not None
    assert image.camera is not None
    pose = image.poses[k]
    matrix = np.array(pose.matrix).reshape(3, 4)
    points = unit_vertices(classes_of(setting)[pose.class_id]) * pose.scale @ matrix[:, :3].T + matrix[:, 3]
    faced = points[points[:, 2] > _NEAREST_M] @ _intrinsics(image.camera).T
    rows, columns = np.nonzero(image.instances == k + 1)
    visible = [-1, -1, -1, -1]
    if len(rows):
        x, y = int(columns.min()), int(rows.min())
        visible = [x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1]
    whole = [-1, -1, -1, -1]
    if len(faced):
        flat = faced[:, :2] / faced[:, 2:]
        low, high = np.floor(flat.min(axis=0)), np.ceil(flat.max(axis=0))
        whole = [int(v) for v in (*low, *(high - low))]
    return {"bbox_obj": whole, "bbox_visib": visible, "px_count_visib": len(rows)}


def _write_camera(folder: Path, camera: Camera, side: int) -> None:
    matrix = _intrinsics(camera)
    content = {"fx": matrix[0, 0], "fy": matrix[1, 1], "cx": matrix[0, 2], "cy": matrix[1, 2]}
    (folder / "camera.json").write_text(json.dumps(content | {"width": side, "height": side, "depth_scale": 1.0}))


def _write_models(folder: Path, setting: RenderSetting, scales: dict[int, float]) -> None:
    """A model for each class seen, in the frame and at the size in which it was placed."""
    import trimesh

    folder.mkdir()
    information = {}
    for class_id, scale in sorted(scales.items()):
        entry = classes_of(setting)[class_id]
        mesh = trimesh.load(entry.mesh_path(), process=False, force="mesh")
        centre, radius = normalisation(entry)
        mesh.apply_translation(-centre)
        mesh.apply_scale(1000 * scale / radius)
        trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(folder / f"obj_{class_id + 1:06d}.ply")
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        hull = mesh.convex_hull.vertices
        across = max(float(np.linalg.norm(hull - point, axis=1).max()) for point in hull)
        corners = dict(zip(("min_x", "min_y", "min_z"), low.tolist(), strict=True))
        sizes = dict(zip(("size_x", "size_y", "size_z"), (high - low).tolist(), strict=True))
        information[str(class_id + 1)] = {"diameter": across, **corners, **sizes}
    (folder / "models_info.json").write_text(json.dumps(information))
