"""Tiny folders as users of real pools have them: two BOP data sets of one object each, and one CC0 texture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

SPHERE_RADIUS_MM = 60.0


def write_bop(folder: Path) -> Path:
    """lm: a red box by vertex colours; tless: a sphere. Millimetres, as BOP has it."""
    box = trimesh.creation.box((80.0, 60.0, 100.0))
    box.visual.vertex_colors = np.tile([255, 0, 0, 255], (len(box.vertices), 1))
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=SPHERE_RADIUS_MM)
    for name, mesh in (("lm", box), ("tless", sphere)):
        models = folder / name / "models"
        models.mkdir(parents=True)
        mesh.export(models / "obj_000001.ply")
        diameter = 2 * float(np.linalg.norm(mesh.vertices, axis=1).max())
        (models / "models_info.json").write_text(json.dumps({"1": {"diameter": diameter}}))
    return folder


def write_textures(folder: Path, name: str = "Bricks001") -> Path:
    """One material in plain green."""
    asset = folder / name
    asset.mkdir(parents=True)
    green = np.tile(np.array([30, 180, 30], np.uint8), (64, 64, 1))
    Image.fromarray(green).save(asset / f"{name}_2K-JPG_Color.jpg")
    Image.fromarray(green).save(asset / f"{name}_2K-JPG_Roughness.jpg")
    return folder
