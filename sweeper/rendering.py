"""The render stage: which shards a size needs, which of them are missing, and making those."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from render_actors.actor import shard_identity
from render_actors.pool import render_shards
from render_actors.scene import RenderSetting
from sweeper.artifacts import ArtifactStore, Manifest
from sweeper.config import Render, SweepConfig
from sweeper.errors import BadInput

# Validation images come from scenes that no training image shows.
VALIDATION_SEED_OFFSET = 1_000_003


@dataclass(frozen=True)
class ImageSet:
    """The first `n` images of a rendering setting under a seed."""

    setting: RenderSetting
    seed: int
    n: int


def setting_of(config: SweepConfig, rendering: str) -> RenderSetting:
    """The rendering setting of this name; raises BadInput where its values cannot work."""
    render, choice = config.render, config.renderings[rendering]
    try:
        return RenderSetting(
            appearance=choice.appearance,
            light=choice.light,
            background=choice.background,
            texture=choice.texture,
            resolution=render.resolution,
            samples=render.samples,
            classes=render.classes,
            max_objects=render.max_objects,
            poses_per_scene=render.poses_per_scene,
        )
    except ValueError as error:
        raise BadInput(f"renderings.{rendering}: {error}") from None


def training_images(config: SweepConfig, rendering: str, n: int) -> ImageSet:
    """The images that pre-training on n reads."""
    return ImageSet(setting_of(config, rendering), config.seed, n)


def validation_images(config: SweepConfig, rendering: str) -> ImageSet:
    """The synthetic images that choose the best checkpoint."""
    seed = config.seed + VALIDATION_SEED_OFFSET
    return ImageSet(setting_of(config, rendering), seed, config.pretrain.validation_images)


def shards_of(images: ImageSet, render: Render) -> range:
    """Indices of the shards that hold the first n images."""
    return range(math.ceil(images.n / (render.poses_per_scene * render.scenes_per_shard)))


def found(images: ImageSet, render: Render, store: ArtifactStore) -> dict[int, Manifest]:
    """The shards that exist, by index, each verified against its checksum."""
    identities = {
        i: shard_identity(images.setting, images.seed, i, render.scenes_per_shard) for i in shards_of(images, render)
    }
    manifests = {index: store.find_sound(identity) for index, identity in identities.items()}
    return {index: manifest for index, manifest in manifests.items() if manifest is not None}


def missing_images(images: ImageSet, render: Render, store: ArtifactStore) -> int:
    """How many images rendering would have to make: whole shards."""
    per_shard = render.poses_per_scene * render.scenes_per_shard
    return (len(shards_of(images, render)) - len(found(images, render, store))) * per_shard


def ensure_rendered(
    images: ImageSet, render: Render, store: ArtifactStore, on_progress: Callable[[int, float], None]
) -> list[Manifest]:
    """Render what is missing of an image set; the manifests of all its shards, in order.

    Runs inside an initialised Ray. `on_progress(images, seconds)` is told of images as they are made.
    """
    shards = found(images, render, store)
    absent = [index for index in shards_of(images, render) if index not in shards]
    if absent:
        render_shards(
            images.setting,
            images.seed,
            absent,
            render.scenes_per_shard,
            store,
            actors=render.actors,
            cpus_per_actor=render.cpus_per_actor,
            scene_timeout_s=render.scene_timeout_s,
            retries=render.retries,
            on_progress=on_progress,
        )
        shards = found(images, render, store)
    return [shards[index] for index in shards_of(images, render)]
