"""The keys of a sweep file that say what is rendered, and how the rendering is spread."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from render_actors.setting.source import Source, source_content
from render_actors.sources.labelled_folder import folder_classes
from sweeper.config.types import CLOSED, Count, Number, Positive
from sweeper.errors import BadInput


class ImageSource(BaseModel):
    """Images that Blender does not make (docs/own-renderer.md): a Python function or a labelled folder.

    `path` is FILE.py:NAME or MODULE:NAME of a function, else the folder; class names may be left out where the folder
    gives them.
    """

    model_config = CLOSED

    kind: Literal["function", "coco", "imagefolder", "masks"]
    path: str
    class_names: tuple[str, ...] = ()

    def resolved(self) -> Source:
        """The source by absolute path; raises ValueError where it cannot work."""
        if self.kind != "function":
            folder = Path(self.path).expanduser().absolute()
            return Source(self.kind, str(folder), self.class_names or folder_classes(self.kind, folder))
        place, colon, name = self.path.rpartition(":")
        is_file = place.endswith(".py")
        where = f"{Path(place).expanduser().absolute()}{colon}{name}" if is_file else self.path
        return Source("function", where, self.class_names)


class Rendering(BaseModel):
    """One rendering setting: the four attributes of the paper's appendix B, or a source of images of the user's own.

    `placement`: objects stand apart on the floor, or are dropped and lie as they fell. `material`: objects look as
    their class does, or each object of each scene is covered anew, at random.
    """

    model_config = CLOSED

    appearance: Literal["single", "multiple"] = "multiple"
    light: Literal["fix", "random"] = "random"
    background: Literal["fix", "random"] = "random"
    texture: Literal["with", "without"] = "with"
    placement: Literal["surface", "physics"] = "surface"
    material: Literal["own", "random"] = "own"
    source: ImageSource | None = None


class Render(BaseModel):
    """What all rendering settings share, and how the rendering is spread over actors.

    `objects` and `textures` are folders of BOP data sets and CC0 textures, in place of the packaged pools. What is None
    is render_actors.setting.setting.RenderSetting's default.
    """

    model_config = CLOSED

    resolution: Annotated[int, Field(ge=16, le=2048, strict=True)] = 64
    samples: Count = 4
    classes: Annotated[int, Field(ge=2, strict=True)] = 20
    max_objects: Count = 5
    poses_per_scene: Count = 10
    scenes_per_shard: Count = 10
    min_objects: Count | None = None
    size_jitter: bool | None = None
    light_strength: tuple[Positive, Positive] | None = None
    min_visible_share: Annotated[Number, Field(ge=0, lt=1)] | None = None
    labels: tuple[str, ...] | None = None
    objects: str | None = None
    textures: str | None = None
    device: Literal["cpu", "cuda", "optix"] | None = None
    actors: Count = 2
    cpus_per_actor: Positive = 1.0
    gpus_per_actor: Positive = 1.0
    recycle_after: Count = 1000
    scene_timeout_s: Positive = 120.0
    retries: Annotated[int, Field(ge=0, strict=True)] = 3

    @property
    def gpus(self) -> float:
        """GPUs that all actors hold together."""
        return self.actors * self.gpus_per_actor if self.device not in (None, "cpu") else 0.0


def content_of(source: ImageSource, rendering: str) -> dict[str, object]:
    """What determines a source's images; raises BadInput where it cannot work."""
    try:
        return source_content(source.resolved())
    except ValueError as error:
        raise BadInput(f"renderings.{rendering}.source: {error}") from None
