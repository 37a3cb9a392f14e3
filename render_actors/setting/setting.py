"""A rendering setting: what an image is and what it depends on, as data that can be named and hashed."""

import contextlib
import dataclasses
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, get_args

from render_actors.labels import MOST_NUMBERS
from render_actors.setting.digests import tree_digest
from render_actors.setting.objects import pool_classes, pool_size
from render_actors.setting.source import Source, source_content

# Part of every artifact's identity. Bump it whenever the same (setting, seed, index) gives other pixels or labels.
RENDER_VERSION = 2

# What draws, and what the packaged meshes and textures come from.
_PACKAGES = ("bpy", "blenderproc", "pybullet", "robosuite")


def render_version(blender: bool) -> str:
    """What makes the images besides the setting: our version and, where Blender draws them, its packages' versions.

    A package that is not installed is left out.
    """
    versions = {}
    for name in _PACKAGES if blender else ():
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return " ".join([str(RENDER_VERSION), *(f"{name}={number}" for name, number in versions.items())])


Label = Literal["classes", "boxes", "masks", "semantic", "normals", "depth", "poses"]
Device = Literal["cpu", "cuda", "optix"]

DEFAULT_LABELS: tuple[Label, ...] = ("classes", "boxes", "masks")

# Fields that came later: left out of the content at their defaults, so that what was rendered before keeps its name.
_LATER = (
    "placement",
    "material",
    "min_objects",
    "size_jitter",
    "light_strength",
    "device",
    "objects",
    "textures",
    "source",
)

_CHOICES: dict[str, tuple[str, ...]] = {
    "appearance": ("single", "multiple"),
    "light": ("fix", "random"),
    "background": ("fix", "random"),
    "texture": ("with", "without"),
    "placement": ("surface", "physics"),
    "material": ("own", "random"),
    "device": get_args(Device),
}
_RANGES = {
    "resolution": (16, 1024),
    "samples": (1, 4096),
    "min_objects": (1, 10),
    "max_objects": (1, 10),
    "poses_per_scene": (1, 100),
    "max_bounces": (0, 12),
}


class MissingDeviceError(ValueError):
    """The setting asks for a device that this machine lacks."""


@dataclass(frozen=True)
class RenderSetting:
    """A rendering setting: the paper's four attributes (appendix B), and what an image is.

    appearance: one object a scene, or min_objects to max_objects of them (the paper: 10). texture: every class of the
    pool, or its texture-less ones only. placement: objects stand apart on the floor, or are dropped and lie as they
    fell (render_actors/scene/settling.py). material: objects look as their class does, or each object of each scene is
    covered anew, at random. resolution is the image side in px, samples are Cycles samples a pixel,
    min_visible_share is the share of the image's pixels an object must cover to count as visible. size_jitter varies
    an object's size by -15 to +20 %. light_strength: least and most of random lights; stronger ones bleach light
    surfaces (docs/rendering.md). objects is a folder of BOP data sets and textures a folder of CC0 materials, in place
    of the packaged pools. source renders with something else than Blender: then `appearance` to `material` and the
    pools say nothing.
    Raises ValueError for a value out of range.
    """

    appearance: Literal["single", "multiple"] = "multiple"
    light: Literal["fix", "random"] = "random"
    background: Literal["fix", "random"] = "random"
    texture: Literal["with", "without"] = "with"
    placement: Literal["surface", "physics"] = "surface"
    material: Literal["own", "random"] = "own"
    resolution: int = 64
    samples: int = 4
    classes: int = 20
    max_objects: int = 5
    poses_per_scene: int = 10
    max_bounces: int = 1
    min_visible_share: float = 0.004
    labels: tuple[Label, ...] = DEFAULT_LABELS
    min_objects: int = 1
    size_jitter: bool = True
    light_strength: tuple[float, float] = (0.35, 0.8)
    device: Device = "cpu"
    objects: str | None = None
    textures: str | None = None
    source: Source | None = None

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"rendering setting: {name} = {getattr(self, name)!r}; choose {' or '.join(allowed)}")
        for name, (low, high) in _RANGES.items():
            self._check_whole_number(name, low, high)
        if self.min_objects > self.max_objects:
            raise ValueError(
                f"rendering setting: min_objects = {self.min_objects} is above max_objects = {self.max_objects}"
            )
        if not 0 <= self.min_visible_share < 1:
            raise ValueError(
                f"rendering setting: min_visible_share = {self.min_visible_share!r}; give a share in [0, 1)"
            )
        weakest, strongest = self.light_strength
        if not 0 < weakest <= strongest <= 10:
            raise ValueError(
                f"rendering setting: light_strength = {self.light_strength!r}; give least and most, above 0 up to 10"
            )
        self._check_labels()
        self._check_pools()

    def _check_whole_number(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"rendering setting: {name} = {value!r}; give a whole number from {low} to {high}")

    def _check_labels(self) -> None:
        known = get_args(Label) if self.source is None else self.source.labels
        unknown = [label for label in self.labels if label not in known]
        if unknown:
            of = "" if self.source is None else f" of a source of kind {self.source.kind}"
            raise ValueError(f"rendering setting: unknown label {unknown[0]!r}{of}; choose from {', '.join(known)}")
        if "semantic" in self.labels and self.source is None and self.classes >= MOST_NUMBERS:
            raise ValueError(f"rendering setting: a semantic map holds {MOST_NUMBERS - 1} classes at most")

    def _check_pools(self) -> None:
        for name in ("objects", "textures"):
            folder = getattr(self, name)
            if folder is not None and not Path(folder).is_dir():
                raise ValueError(f"rendering setting: {name} = {folder!r} is not a folder; give one, or leave it out")
        if self.source is None:
            self._check_whole_number("classes", 1, pool_size(self.objects))
            if not pool_classes(self.objects, self.classes, self.texture):
                raise ValueError(
                    f"rendering setting: none of the first {self.classes} classes is texture-less; raise classes"
                )

    def content(self) -> dict[str, object]:
        """Everything that determines the images and labels, as JSON-ready values.

        Folders stand in it by name and digest, not by path: they may lie elsewhere on another machine.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        content: dict[str, object] = {
            name: getattr(self, name)
            for name in defaults
            if name not in _LATER or getattr(self, name) != defaults[name]
        }
        if "light_strength" in content:
            content["light_strength"] = list(self.light_strength)
        # What else lies there, as the photographs of a BOP data set, is not rendered.
        for name, part in (("objects", "*/models*/**/*"), ("textures", "*/*")):
            if getattr(self, name) is not None:
                content[name] = tree_digest(Path(getattr(self, name)), part)
        if self.source is not None:
            content["source"] = source_content(self.source)
        elif self.texture == "without":
            # Until it meant the paper's texture-less objects, it meant every object in one grey.
            content["pool"] = "texture-less"
        return content | {"labels": sorted(set(self.labels))}

    def scene_content(self) -> dict[str, object]:
        """The content less the labels, which say what is kept of a render and not what is rendered."""
        return {key: value for key, value in self.content().items() if key != "labels"}
