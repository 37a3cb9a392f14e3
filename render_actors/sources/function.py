"""Images that Blender does not make: a Python function of the user's, or a folder of labelled images.

Everything after the images (shards, cache, arms, verdict) is the same. See docs/howto/write-a-renderer.md.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import operator
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from render_actors.labels import MAPS, MOST_NUMBERS, RenderedImage, image_of_maps, semantic_map

if TYPE_CHECKING:
    from render_actors.setting.setting import RenderSetting

# Of a normal's length: what half precision and a renderer's own rounding leave.
UNIT_TOLERANCE = 0.01


# What a function may raise in passing, and another try may not: storage, network, memory.
_IN_PASSING = (OSError, RuntimeError, MemoryError, EOFError, SubprocessError)


@dataclass(frozen=True)
class Picture:
    """What a function of the user's returns for each image.

    rgb uint8 (H, W, 3) of the setting's resolution; instances uint8 (H, W): 0 = background, k + 1 = the object of class
    class_ids[k]. Only where the setting's labels ask for them: normals float (H, W, 3) in camera axes (x right, y up,
    z to the viewer), unit, or 0 where there is none; depth float (H, W) in metres, finite and 0 or more.
    """

    rgb: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    class_ids: Sequence[int]
    normals: NDArray[Any] | None = None
    depth: NDArray[Any] | None = None


SceneFunction = Callable[["RenderSetting", int, int], Sequence[Picture]]


def load_function(where: str) -> SceneFunction:
    """The function of a source.

    Raises ValueError where its file cannot be loaded, has no such function, or has one that takes other arguments.
    """
    place, _, name = where.rpartition(":")
    try:
        module = _module(place)
    # Whatever a user's file raises as it is loaded.
    except Exception as error:
        raise ValueError(f"{where!r}: {place} cannot be loaded: {_told(error)}") from error
    function: Any = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"{where!r}: {place} has no function {name}")
    try:
        inspect.signature(function).bind(None, 0, 0)
    except TypeError as error:
        raise ValueError(f"{where!r}: {name} is called with (setting, seed, scene): {error}") from None
    loaded: SceneFunction = function
    return loaded


def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    spec = importlib.util.spec_from_file_location(Path(place).stem, place)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Pickling and dataclasses look a module up by its name.
    sys.modules.setdefault(spec.name, module)
    spec.loader.exec_module(module)
    return module


def _told(error: BaseException) -> str:
    """One line of an exception, with the file and line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return type(error).__name__ + (f": {text}" if text else "") + ("" if isinstance(error, SyntaxError) else at)


def scene_of_function(function: SceneFunction, setting: RenderSetting, seed: int, scene: int) -> list[RenderedImage]:
    """The images of one scene of a function, checked.

    Raises ValueError, one line with the function, seed, scene and image, where one of them is not what `Picture` says,
    or where the function itself fails; RuntimeError where it fails by what may pass.
    """
    where = f"{setting.source.where if setting.source else 'function'}: seed {seed}, scene {scene}"
    try:
        returned = function(setting, seed, scene)
    except Exception as error:
        passing = isinstance(error, _IN_PASSING) and not isinstance(error, FileNotFoundError)
        raise (RuntimeError if passing else ValueError)(f"{where}: it raised {_told(error)}") from error
    if not isinstance(returned, Iterable):
        raise ValueError(f"{where} gives {type(returned).__name__}; return a list of Picture")
    pictures = list(returned)
    if len(pictures) != setting.poses_per_scene:
        raise ValueError(
            f"{where} has {len(pictures)} images; return poses_per_scene = {setting.poses_per_scene} of them"
        )
    first = scene * setting.poses_per_scene
    return [_checked(picture, setting, first + k, where) for k, picture in enumerate(pictures)]


def _checked(picture: Any, setting: RenderSetting, index: int, where: str) -> RenderedImage:
    fault = _fault_of(picture, setting)
    if fault:
        raise ValueError(f"{where}, image {index}: {fault}")
    return labelled(index, picture, [int(class_id) for class_id in picture.class_ids], setting)


def _fault_of(picture: Any, setting: RenderSetting) -> str:
    """What is wrong with a picture and what to give instead; empty where nothing is."""
    if not isinstance(picture, Picture):
        return f"is {type(picture).__name__}; return render_actors.sources.function.Picture"
    side, known = setting.resolution, len(setting.source.class_names) if setting.source else 0
    return (
        _fault_of_array("rgb", picture.rgb, np.uint8, (side, side, 3))
        or _fault_of_array("instances", picture.instances, np.uint8, (side, side))
        or _fault_of_classes(picture, known)
        or ("normals" in setting.labels and _fault_of_normals(picture.normals, side))
        or ("depth" in setting.labels and _fault_of_depth(picture.depth, side))
        or ""
    )


def _fault_of_array(name: str, array: Any, kind: type, shape: tuple[int, ...]) -> str:
    wanted = f"give {'uint8' if kind is np.uint8 else 'float'} {shape}"
    if array is None:
        return f"has no {name}; {wanted}"
    if not isinstance(array, np.ndarray):
        return f"{name} is {type(array).__name__}; {wanted} as a NumPy array"
    if not np.issubdtype(array.dtype, kind) or array.shape != shape:
        return f"{name} is {array.dtype} {array.shape}; {wanted}"
    return ""


def _fault_of_classes(picture: Picture, known: int) -> str:
    try:
        class_ids = [operator.index(class_id) for class_id in picture.class_ids]
    except TypeError:
        return f"class ids are {picture.class_ids!r}; give whole numbers, one an instance"
    if len(class_ids) > MOST_NUMBERS:
        return f"has {len(class_ids)} class ids; 8 bits number {MOST_NUMBERS} instances at most"
    if any(not 0 <= class_id < known for class_id in class_ids):
        return f"has class ids {class_ids}; the source names {known} classes: 0 to {known - 1}"
    if int(picture.instances.max()) > len(class_ids):
        return f"has instance {int(picture.instances.max())} but {len(class_ids)} class ids"
    return ""


def _fault_of_normals(normals: Any, side: int) -> str:
    fault = _fault_of_array("normals", normals, np.floating, (side, side, 3))
    if fault:
        return fault
    lengths = np.linalg.norm(normals.astype(np.float64), axis=-1)
    wrong = ~((np.abs(lengths - 1) < UNIT_TOLERANCE) | (lengths == 0))
    if wrong.any():
        return f"has normals of length {lengths[wrong][0]:.3g}; give unit ones, or 0 where there is none"
    return ""


def _fault_of_depth(depth: Any, side: int) -> str:
    fault = _fault_of_array("depth", depth, np.floating, (side, side))
    if fault:
        return fault
    wrong = ~(np.isfinite(depth) & (depth >= 0))
    if wrong.any():
        return f"has a depth of {depth[wrong][0]:.3g}; give metres, finite and 0 or more"
    return ""


def labelled(
    index: int,
    picture: Picture,
    class_ids: Sequence[int],
    setting: RenderSetting,
    content: tuple[int, int] | None = None,
) -> RenderedImage:
    """The labels that the setting asks for; the picture has what they need.

    content: width and height in px of what of the square is picture, from its top left corner, where that is not all.
    """
    image = image_of_maps(index, picture.rgb, picture.instances, class_ids, setting.min_visible_px)
    more: dict[str, Any] = {}
    if "semantic" in setting.labels:
        more["semantic"] = semantic_map(picture.instances, class_ids)
    for name in ("normals", "depth"):
        if name in setting.labels:
            more[name] = np.ascontiguousarray(getattr(picture, name), dtype=MAPS[name].dtype)
    return RenderedImage(index, image.rgb, image.instances, image.objects, content=content, **more)
