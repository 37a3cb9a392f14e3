"""Read a BOP data set with BlenderProc's own loader: `python bop_reader.py DATASET SCENE` prints what it found as JSON.

BlenderProc asks bop_toolkit_lib, which no registry offers, for file names and JSON: this file answers instead.
"""

import json
import sys
import types
from pathlib import Path
from typing import Any

from render_actors.blender.imports import bproc, bpy
from render_actors.silence import silence


def answer_for_bop_toolkit(dataset: Path) -> None:
    split = str(dataset / "train_pbr" / "{scene_id:06d}")
    side = json.loads((dataset / "camera.json").read_text())["width"]
    parameters = {
        "scene_gt_tpath": f"{split}/scene_gt.json",
        "scene_camera_tpath": f"{split}/scene_camera.json",
        "im_size": (side, side),
    }
    toolkit: Any = sys.modules["bop_toolkit_lib"]
    toolkit.dataset_params.get_split_params = lambda *_, **__: parameters
    toolkit.inout = types.SimpleNamespace(
        load_json=lambda path: json.loads(Path(path).read_text()),
        load_scene_gt=lambda path: {int(k): v for k, v in json.loads(Path(path).read_text()).items()},
    )


if __name__ == "__main__":
    dataset, scene = Path(sys.argv[1]), int(sys.argv[2])
    answer_for_bop_toolkit(dataset)
    with silence():
        # BlenderProc numbers camera poses from the scene's last frame on.
        bpy.context.scene.frame_start = bpy.context.scene.frame_end = 0
        loaded = bproc.loader.load_bop_scene(str(dataset), scene_id=scene, split="train", object_model_unit="mm")
        poses = [thing.get_local2world_mat().tolist() for thing in loaded]
        count = len(json.loads((dataset / "train_pbr" / f"{scene:06d}" / "scene_camera.json").read_text()))
        cameras = [bproc.camera.get_camera_pose(frame).tolist() for frame in range(count)]
    found = {
        "objects": [thing.get_cp("category_id") for thing in loaded],
        "poses": poses,
        "cameras": cameras,
        "intrinsics": bproc.camera.get_intrinsics_as_K_matrix().tolist(),
    }
    print(json.dumps(found), flush=True)
