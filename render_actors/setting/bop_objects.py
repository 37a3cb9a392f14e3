"""Real objects, as the paper's: the classes of a folder of BOP data sets (LM, T-LESS, ITODD, HB, YCB-V, ...)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from render_actors.setting.materials import Material
from render_actors.setting.object_class import ObjectClass

# Whose objects have no texture; the published code draws from these two for "object texture w/o".
TEXTURELESS_SETS = ("itodd", "tless")
# An object of this radius, about that of a mug, becomes as large as the packaged pool's.
COMMON_RADIUS_M = 0.1
# The published code turns BOP objects about the vertical only: they stand as their models do.
_UPRIGHT = ((0.0, 0.0, -1.0),)
_GREY = (0.55, 0.55, 0.55)


def model_folder(dataset: Path) -> Path | None:
    """The folder of a BOP data set that holds its models, or None where there is none."""
    candidates = (dataset / name for name in ("models", "models_cad", "models_reconst"))
    return next((folder for folder in candidates if (folder / "models_info.json").is_file()), None)


@cache
def bop_classes(folder: Path) -> tuple[ObjectClass, ...]:
    """Every object of every BOP data set below `folder`, by data set name and object id.

    Raises ValueError where there is none, or a model file is missing.
    """
    datasets = sorted(path for path in folder.iterdir() if path.is_dir() and model_folder(path) is not None)
    classes = tuple(entry for dataset in datasets for entry in _classes_of_dataset(dataset))
    if not classes:
        raise ValueError(f"objects: {folder} holds no NAME/models/models_info.json; give a folder of BOP data sets")
    return classes


def _classes_of_dataset(dataset: Path) -> list[ObjectClass]:
    models = model_folder(dataset)
    assert models is not None
    information = json.loads((models / "models_info.json").read_text())
    material = Material("own", colours=(_GREY, _GREY), roughness=0.5) if dataset.name in TEXTURELESS_SETS else None
    classes = []
    for number, measures in sorted((int(key), value) for key, value in information.items()):
        mesh = models / f"obj_{number:06d}.ply"
        if not mesh.is_file():
            raise ValueError(f"objects: {mesh} is missing, though {models.name}/models_info.json lists it; fetch it")
        # Diameters are in millimetres.
        size = measures["diameter"] / 2000 / COMMON_RADIUS_M
        classes.append(
            ObjectClass(f"{dataset.name}-{number:06d}", "", str(mesh), _UPRIGHT, material, size, bop_id=number)
        )
    return classes


def model_params(datasets_path: str, dataset_name: str, model_type: str | None = None) -> dict[str, Any]:
    """What BlenderProc's loader asks of bop_toolkit_lib.dataset_params.get_model_params, which no registry offers."""
    dataset = Path(datasets_path) / dataset_name
    models = model_folder(dataset) if model_type is None else dataset / f"models_{model_type}"
    if models is None:
        raise ValueError(f"objects: {dataset} holds no models")
    numbers = sorted(int(key) for key in json.loads((models / "models_info.json").read_text()))
    return {"obj_ids": numbers, "model_tpath": str(models / "obj_{obj_id:06d}.ply")}
