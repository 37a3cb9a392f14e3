"""A rendering setting: what an image is and what it depends on, as data that can be named and hashed."""

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from render_actors.labels import MOST_NUMBERS
from render_actors.setting.declared import (
    EACH,
    LATER,
    OPTIONAL,
    OVERRIDDEN,
    SHARED,
    Section,
    between,
    folder,
    whole,
)
from render_actors.setting.digests import tree_digest
from render_actors.setting.materials import FIXED_CC_TEXTURE, cc_textures
from render_actors.setting.objects import pool_classes, pool_size
from render_actors.setting.source import Source, source_content

# Part of every artifact's identity. Bump it whenever the same (setting, seed, index) gives other pixels or labels.
RENDER_VERSION = 3

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


Label = Literal["classes", "boxes", "masks", "semantic", "normals", "depth", "poses", "target"]
Device = Literal["cpu", "cuda", "optix"]

DEFAULT_LABELS: tuple[Label, ...] = ("classes", "boxes", "masks")

# What says nothing of the published scenes: they have their own.
_NOT_PUBLISHED = (
    *("placement", "material", "light_strength", "framing", "look", "gloss", "denoise"),
    *("lit_by", "max_bounces", "distractors"),
)
# What says something of cameras that aim at one object only.
_AIMING = ("fill", "elevation", "roll", "field_of_view")


class MissingDeviceError(ValueError):
    """The setting asks for a device that this machine lacks."""


@dataclass(frozen=True)
class RenderSetting:
    """A rendering setting: the paper's four attributes (appendix B), and what an image is.

    appearance: one object a scene, or min_objects to max_objects of them (the paper: 10). texture: every class of the
    pool, or its texture-less ones only. placement: objects stand apart on the floor, or are dropped and lie as they
    fell (render_actors/scene/settling.py). look: objects look as their class does; or, hue, each object of each scene
    is drawn one colour, its pattern kept as lightness; or, random, it is covered anew. material: the same without hue.
    gloss: that of its class, or specular and roughness drawn for each object. framing: cameras look at all objects, or
    each aims at one of them, which fills the frame (render_actors/scene/aiming.py): fill is its bounding sphere's
    diameter by the frame's side, elevation, roll and field_of_view are degrees, each least and most. denoise: by
    Intel's denoiser. lit_by: the room's two lamps, an environment beyond its walls, or half of each
    (render_actors/scene/lighting.py); max_bounces: how often light bounces. distractors: the most things of no class
    that stand and hang about, without a label (render_actors/scene/distractors.py). sensor: what Cycles draws, or what
    a phone's camera makes of it (render_actors/scene/sensor.py). scenes: framed, our own, in which objects fill the
    image, or published, room, lights, look, placement, camera, denoiser and bounces as the paper's published files have
    them (render_actors/scene/published.py); those leave nothing of that to choose. resolution is the image side in px,
    samples are Cycles samples a pixel, min_visible_px is how many pixels an object must cover to count as visible,
    whatever the resolution: a share of a large image would leave plain objects without a label. size_jitter varies an
    object's size by -15 to +20 %. light_strength: least and most of random lights; stronger ones bleach light surfaces
    (docs/reference/renderings.md). objects is a folder of BOP data sets and textures a folder of CC0 materials, in
    place of the packaged pools. source renders with something else than Blender: then `appearance` to `sensor` and the
    pools say nothing.
    Raises ValueError for a value out of range.
    """

    appearance: Literal["single", "multiple"] = field(default="multiple", metadata=EACH)
    light: Literal["fix", "random"] = field(default="random", metadata=EACH)
    background: Literal["fix", "random"] = field(default="random", metadata=EACH)
    texture: Literal["with", "without"] = field(default="with", metadata=EACH)
    placement: Literal["surface", "physics"] = field(default="surface", metadata=EACH | LATER)
    material: Literal["own", "random"] = field(default="own", metadata=EACH | LATER)
    scenes: Literal["framed", "published"] = field(default="framed", metadata=EACH | LATER)
    framing: Literal["scene", "object"] = field(default="scene", metadata=EACH | LATER)
    fill: tuple[float, float] = field(default=(0.7, 1.4), metadata=EACH | LATER | between(0.2, 2))
    elevation: tuple[float, float] = field(default=(8.0, 75.0), metadata=EACH | LATER | between(1, 89))
    roll: tuple[float, float] = field(default=(-45.0, 45.0), metadata=EACH | LATER | between(-180, 180))
    field_of_view: tuple[float, float] = field(default=(50.0, 50.0), metadata=EACH | LATER | between(15, 75))
    look: Literal["class", "hue", "random"] = field(default="class", metadata=EACH | LATER)
    gloss: Literal["class", "random"] = field(default="class", metadata=EACH | LATER)
    denoise: bool = field(default=False, metadata=EACH | LATER)
    lit_by: Literal["lamps", "world", "both"] = field(default="lamps", metadata=EACH | LATER)
    max_bounces: int = field(default=1, metadata=EACH | whole(0, 12))
    distractors: int = field(default=0, metadata=EACH | LATER | whole(0, 10))
    sensor: Literal["none", "camera"] = field(default="none", metadata=EACH | LATER)
    resolution: int = field(default=64, metadata=SHARED | whole(16, 1024))
    samples: int = field(default=4, metadata=SHARED | OVERRIDDEN | whole(1, 4096))
    classes: int = field(default=20, metadata=SHARED)
    max_objects: int = field(default=5, metadata=SHARED | whole(1, 10))
    poses_per_scene: int = field(default=10, metadata=SHARED | whole(1, 100))
    min_visible_px: int = field(default=5, metadata=SHARED | OPTIONAL | whole(1, 1024**2))
    labels: tuple[Label, ...] = field(default=DEFAULT_LABELS, metadata=SHARED | OPTIONAL)
    min_objects: int = field(default=1, metadata=SHARED | LATER | whole(1, 10))
    size_jitter: bool = field(default=True, metadata=SHARED | LATER)
    light_strength: tuple[float, float] = field(default=(0.35, 0.8), metadata=SHARED | LATER)
    device: Device = field(default="cpu", metadata=SHARED | LATER)
    # What else lies there, as the photographs of a BOP data set, is not rendered.
    objects: str | None = field(default=None, metadata=SHARED | LATER | folder("*/models*/**/*"))
    textures: str | None = field(default=None, metadata=SHARED | LATER | folder("*/*"))
    source: Source | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            self._check(each.name, each.metadata)
        if self.min_objects > self.max_objects:
            raise ValueError(
                f"rendering setting: min_objects = {self.min_objects} is above max_objects = {self.max_objects}"
            )
        weakest, strongest = self.light_strength
        if not 0 < weakest <= strongest <= 10:
            raise ValueError(
                f"rendering setting: light_strength = {self.light_strength!r}; give least and most, above 0 up to 10"
            )
        self._check_look()
        self._check_labels()
        self._check_classes()
        if self.scenes == "published" and self.source is None:
            self._check_published()

    def _check(self, name: str, declared: Mapping[str, Any]) -> None:
        """ValueError where a value is not what its field declares."""
        value, choices = getattr(self, name), _choices().get(name)
        if choices and value not in choices:
            raise ValueError(f"rendering setting: {name} = {value!r}; choose {' or '.join(choices)}")
        if "range" in declared:
            self._check_whole_number(name, *declared["range"])
        if "between" in declared:
            self._check_pair(name, *declared["between"])
        if "folder" in declared and value is not None and not Path(value).is_dir():
            raise ValueError(f"rendering setting: {name} = {value!r} is not a folder; give one, or leave it out")

    def _check_whole_number(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"rendering setting: {name} = {value!r}; give a whole number from {low} to {high}")

    def _check_pair(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if len(value) != 2 or not low <= value[0] <= value[1] <= high:
            raise ValueError(
                f"rendering setting: {name} = {list(value)!r}; give least and most, from {low:g} to {high:g}"
            )

    def _check_look(self) -> None:
        if self.material == "random" and self.look == "hue":
            raise ValueError("rendering setting: material = 'random' and look = 'hue' exclude each other; give look")
        aiming = [name for name in self._given(_AIMING) if self.framing != "object"]
        if aiming:
            raise ValueError(
                f"rendering setting: {aiming[0]} is of cameras that aim at one object; set framing to object, or leave "
                f"out {aiming[0]}"
            )

    def _given(self, names: tuple[str, ...]) -> list[str]:
        """Those of the fields `names` that are not at their default."""
        return [
            each.name
            for each in dataclasses.fields(self)
            if each.name in names and getattr(self, each.name) != each.default
        ]

    @property
    def covers_objects(self) -> bool:
        """Whether each object of each scene has a material of its own, drawn anew."""
        return "random" in (self.material, self.look)

    @property
    def aims(self) -> bool:
        """Whether each image has one object that the camera aims at."""
        return self.source is None and (self.framing == "object" or self.appearance == "single")

    def _check_labels(self) -> None:
        known = get_args(Label) if self.source is None else self.source.labels
        unknown = [label for label in self.labels if label not in known]
        if unknown:
            of = "" if self.source is None else f" of a source of kind {self.source.kind}"
            raise ValueError(f"rendering setting: unknown label {unknown[0]!r}{of}; choose from {', '.join(known)}")
        if "target" in self.labels:
            self._check_target()
        if "semantic" in self.labels and self.source is None and self.classes >= MOST_NUMBERS:
            raise ValueError(f"rendering setting: a semantic map holds {MOST_NUMBERS - 1} classes at most")

    def _check_target(self) -> None:
        if not self.aims:
            raise ValueError(
                "rendering setting: label target (task sinclass) needs one object that the camera aims at; set framing "
                "to object, or appearance to single"
            )
        most = self.resolution**2 // 50
        if self.min_visible_px > most:
            raise ValueError(
                f"rendering setting: label target: min_visible_px = {self.min_visible_px} may leave out the object "
                f"aimed at; give {most} at most, 2 % of the image"
            )

    def _check_classes(self) -> None:
        if self.source is None:
            self._check_whole_number("classes", 1, pool_size(self.objects))
            if not pool_classes(self.objects, self.classes, self.texture):
                raise ValueError(
                    f"rendering setting: none of the first {self.classes} classes is texture-less; raise classes"
                )

    def _check_published(self) -> None:
        for name in self._given(_NOT_PUBLISHED):
            raise ValueError(
                f"rendering setting: {name} says nothing of published scenes, which have their own; "
                f"leave out {name}, or scenes"
            )
        if self.background == "fix" and self.textures and FIXED_CC_TEXTURE not in cc_textures(Path(self.textures)):
            raise ValueError(
                f"rendering setting: textures: {self.textures} lacks {FIXED_CC_TEXTURE}, the fixed background of "
                "published scenes; fetch it, or leave out textures for the packaged carpet"
            )

    def content(self) -> dict[str, object]:
        """Everything that determines the images and labels, as JSON-ready values.

        Folders stand in it by name and digest, not by path: they may lie elsewhere on another machine.
        """
        content: dict[str, object] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if each.metadata.get("later") and value == each.default:
                continue
            if "folder" in each.metadata:
                value = tree_digest(Path(value), each.metadata["folder"])
            content[each.name] = list(value) if isinstance(value, tuple) else value
        if content.get("look") == "random":
            # one thing under two names
            del content["look"]
            content["material"] = "random"
        if self.source is not None:
            content["source"] = source_content(self.source)
        elif self.texture == "without":
            # Until it meant the paper's texture-less objects, it meant every object in one grey.
            content["pool"] = "texture-less"
        return content | {"labels": sorted(set(self.labels))}


@cache
def _choices() -> dict[str, tuple[str, ...]]:
    """What the fields that have a choice may be."""
    return {name: get_args(hint) for name, hint in get_type_hints(RenderSetting).items() if get_origin(hint) is Literal}


def attributes(section: Section) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of RenderSetting that a section of a sweep file has."""
    return tuple(each for each in dataclasses.fields(RenderSetting) if _belongs(each, section))


def _belongs(each: dataclasses.Field[Any], section: Section) -> bool:
    return each.metadata.get("section") == section or (section == "renderings" and "overridden" in each.metadata)
