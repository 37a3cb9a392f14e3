"""The keys of a sweep file that say what is rendered, and how the rendering is spread."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, create_model, field_validator

from render_actors.setting.declared import Section
from render_actors.setting.setting import Label, RenderSetting, attributes
from render_actors.setting.source import Fit, Source
from render_actors.sources.labelled_folder import folder_classes
from sweeper.config.types import Count, Model, Name, Number, Positive
from sweeper.storage.uris import expanded


class ImageSource(Model):
    """Images that Blender does not make (docs/howto/write-a-renderer.md): a Python function or a labelled folder.

    `path` is FILE.py:NAME or MODULE:NAME of a function, else the folder; class names may be left out where the folder
    gives them. `fit`: how images of a folder become squares; as the sweep's photographs do where it is left out.
    """

    kind: Literal["function", "coco", "yolo", "imagefolder", "masks"]
    path: str
    class_names: tuple[str, ...] = ()
    fit: Fit | None = None

    @field_validator("path")
    @classmethod
    def _expanded(cls, path: str) -> str:
        return expanded(path)

    def resolved(self, fit: Fit = "letterbox") -> Source:
        """The source by absolute path, with the `fit` of the sweep; raises ValueError where it cannot work."""
        if self.kind != "function":
            folder = Path(self.path).expanduser().absolute()
            if not folder.is_dir():
                raise ValueError(f"{folder} is not a folder; give one of labelled images")
            names = self.class_names or folder_classes(self.kind, folder)
            return Source(self.kind, str(folder), names, self.fit or fit)
        place, colon, name = self.path.rpartition(":")
        is_file = place.endswith(".py")
        where = f"{Path(place).expanduser().absolute()}{colon}{name}" if is_file else self.path
        return Source("function", where, self.class_names)


# What a sweep file may give for an attribute of this type; of other types, as choices, just that.
_TYPES: dict[Any, Any] = {
    int: Annotated[int, Field(strict=True)],
    float: Number,
    tuple[float, float]: tuple[Positive, Positive],
    # RenderSetting knows which of them the source of the images has
    tuple[Label, ...]: tuple[str, ...],
}


def _keys(section: Section) -> Any:
    """A model with a key for each attribute that RenderSetting declares for a section of a sweep file."""
    hints = get_type_hints(RenderSetting)
    keys: dict[str, Any] = {each.name: _key(section, each, hints[each.name]) for each in attributes(section)}
    return create_model(f"Keys of {section}", __base__=Model, **keys)


def _key(section: Section, each: dataclasses.Field[Any], hint: Any) -> tuple[Any, Any]:
    """Type and default of an attribute's key."""
    declared, given = each.metadata, _TYPES.get(hint, hint)
    if "between" in declared:
        low, high = declared["between"]
        end = Annotated[Number, Field(ge=low, le=high)]
        given = tuple[end, end]
    if "range" in declared:
        low, high = declared["range"]
        given = Annotated[hint, Field(ge=low, le=high, strict=True)]
    # what it overrides is given where it is not
    overrides = declared["section"] != section
    if overrides or declared.get("optional") or (section == "render" and declared.get("later")):
        return given | None, None
    return given, each.default


_OfEach: Any = _keys("renderings")
_Shared: Any = _keys("render")


class Rendering(_OfEach):
    """One rendering setting: the attributes in which renderings differ, or a source of images of the user's own.

    What each key says: docs/reference/renderings.md. `factors`: the level that the setting has of factors that no
    attribute says, as what a folder of one's own shows (docs/howto/find-the-attribute.md).
    """

    source: ImageSource | None = None
    factors: dict[Name, str | bool | int | float] | None = None


class Render(_Shared):
    """What all rendering settings share, and how the rendering is spread over actors.

    What each shared key says: docs/reference/renderings.md; what is left out has the default that stands there.
    `device`: cpu, cuda, optix, gpu, or auto, a GPU where this machine has one.
    """

    device: Literal["auto", "cpu", "gpu", "cuda", "optix"] | None = None
    scenes_per_shard: Count = 10
    actors: Count = 2
    cpus_per_actor: Positive = 1.0
    gpus_per_actor: Positive = 1.0
    recycle_after: Count = 1000
    scene_timeout_s: Positive = 120.0
    retries: Annotated[int, Field(ge=0, strict=True)] = 3

    @field_validator("classes")
    @classmethod
    def _two_classes(cls, classes: int) -> int:
        if classes < 2:
            raise ValueError("there must be two classes at least to be told apart")
        return classes

    @property
    def gpus(self) -> float:
        """GPUs that all actors hold together."""
        return self.actors * self.gpus_per_actor if self.device not in (None, "cpu") else 0.0
