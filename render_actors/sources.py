"""Images that Blender does not make: a Python function of the user's, or a folder of labelled images.

Everything after the images (shards, cache, arms, verdict) is the same. See docs/own-renderer.md.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from render_actors.labels import MOST_NUMBERS, RenderedImage, image_of_maps, semantic_map
from render_actors.trees import file_digest, tree_digest

if TYPE_CHECKING:
    from render_actors.setting import RenderSetting

Kind = Literal["function", "coco", "imagefolder", "masks"]

_LABELS: dict[Kind, tuple[str, ...]] = {
    "function": ("classes", "boxes", "masks", "semantic", "normals", "depth"),
    "coco": ("classes", "boxes", "masks", "semantic"),
    "imagefolder": ("classes",),
    "masks": ("classes", "boxes", "masks", "semantic"),
}


@dataclass(frozen=True)
class Source:
    """Where images come from. `where`: "FILE.py:NAME" or "MODULE:NAME" of a function; a folder for the other kinds.

    Raises ValueError where it cannot be found, or names no class.
    """

    kind: Kind
    where: str
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.class_names) < MOST_NUMBERS or len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"{self.where}: give 1 to {MOST_NUMBERS - 1} class names, each once")
        if self.kind == "function":
            _code_file(self.where)
        elif not Path(self.where).is_dir():
            raise ValueError(f"{self.where} is not a folder; give one of labelled images")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that this kind of source can give."""
        return _LABELS[self.kind]


@dataclass(frozen=True)
class Picture:
    """What a function of the user's returns for each image.

    rgb uint8 (H, W, 3) of the setting's resolution; instances uint8 (H, W): 0 = background, k + 1 = the object of class
    class_ids[k]. normals float (H, W, 3), unit, in camera axes (x right, y up, z to the viewer); depth float (H, W) in
    metres: only where the setting's labels ask for them.
    """

    rgb: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    class_ids: Sequence[int]
    normals: NDArray[Any] | None = None
    depth: NDArray[Any] | None = None


SceneFunction = Callable[["RenderSetting", int, int], Sequence[Picture]]


def source_content(source: Source) -> dict[str, object]:
    """What determines a source's images: the bytes of the function's file, or a folder's file names and sizes.

    What a function's file imports is not looked at: change the file, for example a version in it, when that changes.
    """
    content: dict[str, object] = {"kind": source.kind, "class_names": list(source.class_names)}
    if source.kind == "function":
        return content | {"name": source.where.rpartition(":")[2], "code": file_digest(_code_file(source.where))}
    return content | {"files": tree_digest(Path(source.where))}


def _code_file(where: str) -> Path:
    place, _, name = where.rpartition(":")
    if not place or not name.isidentifier():
        raise ValueError(f"{where!r} names no function; write FILE.py:NAME or MODULE:NAME")
    if place.endswith(".py"):
        path = Path(place)
    else:
        try:
            spec = importlib.util.find_spec(place)
        except ImportError:
            spec = None
        path = Path(spec.origin) if spec is not None and spec.origin is not None else Path(place)
    if not path.is_file():
        raise ValueError(f"{where!r}: {place} is not found; write FILE.py:NAME, or MODULE:NAME of an importable module")
    return path


def load_function(where: str) -> SceneFunction:
    """The function of a source. Raises ValueError where its file has no such name."""
    place, _, name = where.rpartition(":")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        if spec is None or spec.loader is None:
            raise ValueError(f"{where!r}: {place} cannot be loaded as Python")
        module = importlib.util.module_from_spec(spec)
        # Pickling and dataclasses look a module up by its name.
        sys.modules.setdefault(spec.name, module)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    if not callable(getattr(module, name, None)):
        raise ValueError(f"{where!r}: {place} has no function {name}")
    function: SceneFunction = getattr(module, name)
    return function


def scene_of_function(function: SceneFunction, setting: RenderSetting, seed: int, scene: int) -> list[RenderedImage]:
    """The images of one scene of a function, checked. Raises ValueError saying which image is wrong and how."""
    pictures = list(function(setting, seed, scene))
    where = setting.source.where if setting.source else "function"
    if len(pictures) != setting.poses_per_scene:
        raise ValueError(
            f"{where}: scene {scene} has {len(pictures)} images; return poses_per_scene = {setting.poses_per_scene}"
        )
    first = scene * setting.poses_per_scene
    return [_checked(picture, setting, first + k, where) for k, picture in enumerate(pictures)]


def _checked(picture: Picture, setting: RenderSetting, index: int, where: str) -> RenderedImage:
    side, known = setting.resolution, len(setting.source.class_names) if setting.source else 0
    shapes = {"rgb": (side, side, 3), "instances": (side, side)}
    for name, shape in shapes.items():
        array = getattr(picture, name)
        if array.dtype != np.uint8 or array.shape != shape:
            raise ValueError(f"{where}: {name} of image {index} is {array.dtype} {array.shape}; give uint8 {shape}")
    class_ids = [int(class_id) for class_id in picture.class_ids]
    if any(not 0 <= class_id < known for class_id in class_ids):
        raise ValueError(f"{where}: image {index} has class ids {class_ids}; the source names {known} classes")
    if int(picture.instances.max()) > len(class_ids):
        raise ValueError(
            f"{where}: image {index} has instance {int(picture.instances.max())} but {len(class_ids)} class ids"
        )
    return labelled(index, picture, class_ids, setting)


def labelled(index: int, picture: Picture, class_ids: Sequence[int], setting: RenderSetting) -> RenderedImage:
    """The labels that the setting asks for. Raises ValueError where the picture lacks what one needs."""
    smallest = setting.min_visible_share * setting.resolution**2
    image = image_of_maps(index, picture.rgb, picture.instances, class_ids, smallest)
    more: dict[str, Any] = {}
    if "semantic" in setting.labels:
        more["semantic"] = semantic_map(picture.instances, class_ids)
    for name, kind in (("normals", np.float16), ("depth", np.float32)):
        if name in setting.labels:
            array = getattr(picture, name)
            if array is None or array.shape[:2] != picture.instances.shape:
                raise ValueError(f"image {index} has no {name} of the image's size, which the labels ask for")
            more[name] = np.ascontiguousarray(array, dtype=kind)
    return RenderedImage(index, image.rgb, image.instances, image.objects, **more)
