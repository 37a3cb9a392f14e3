# SPDX-License-Identifier: GPL-3.0-or-later
"""BlenderProc and bpy, imported into a plain Python process: what else runs in Blender takes both from here.

bpy comes after BlenderProc, whose import sets it up.
"""

import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from render_actors.setting.bop_objects import model_params
from render_actors.silence import silence

__all__ = [
    "BopLoader",
    "GlobalStorage",
    "Matrix",
    "Utility",
    "bproc",
    "bpy",
    "clean_up",
    "cv2",
    "render_init",
    "reset_keyframes",
]


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
from blenderproc.python.loader.BopLoader import _BopLoader as BopLoader  # noqa: E402
from blenderproc.python.renderer.RendererUtility import render_init  # noqa: E402
from blenderproc.python.utility.GlobalStorage import GlobalStorage  # noqa: E402
from blenderproc.python.utility.Initializer import clean_up  # noqa: E402
from blenderproc.python.utility.Utility import Utility, reset_keyframes  # noqa: E402
from mathutils import Matrix  # noqa: E402
