"""The render stage: making the images that are missing."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from render_actors.kept_actors import KeptActors
from render_actors.pool import RenderJob, render_shards
from sweeper.config.schema import Render
from sweeper.errors import BadInput
from sweeper.stages.image_sets import ImageSet
from sweeper.stages.inventory import found
from sweeper.storage.artifacts import ArtifactStore, Manifest
from sweeper.study.folder_order import keep_order


def ensure_rendered(
    sets: Sequence[ImageSet],
    render: Render,
    store: ArtifactStore,
    on_progress: Callable[[int, float], None],
    kept: KeptActors | None = None,
    room: Callable[[int], int] | None = None,
    on_held: Callable[[float], None] = lambda seconds: None,
) -> list[list[Manifest]]:
    """Render what is missing of image sets of one setting; the manifests of each set's shards, in order.

    Runs inside an initialised Ray. `on_progress(images, seconds)` is told of images as they are made. `kept`: the
    actors that wait from one call to the next. `room`, `on_held`: as the pool has them. Raises BadInput where the
    user's renderer, the pools or the devices are at fault.
    """
    if sets[0].is_of_folder:
        keep_order(sets[0].setting, sets[0].seed, store)
    # Each set is looked through once: every shard is verified.
    there = [found(images, store) for images in sets]
    absent: dict[int, list[int]] = {images.seed: [] for images in sets}
    for images, has in zip(sets, there, strict=True):
        absent[images.seed] += [index for index in images.shards if index not in has]
    for seed, shards in absent.items():
        if shards:
            _render(replace(sets[0], seed=seed), shards, render, store, on_progress, kept, room, on_held)
    return [list(found(images, store).values()) for images in sets]


def _render(
    images: ImageSet,
    shards: Sequence[int],
    render: Render,
    store: ArtifactStore,
    on_progress: Callable[[int, float], None],
    kept: KeptActors | None,
    room: Callable[[int], int] | None,
    on_held: Callable[[float], None],
) -> None:
    """Render these shards of a setting and seed, `images` being any of theirs."""
    try:
        job = RenderJob(
            images.setting,
            images.seed,
            images.scenes_per_shard,
            store,
            actors=render.actors,
            cpus_per_actor=render.cpus_per_actor,
            scene_timeout_s=render.scene_timeout_s,
            retries=render.retries,
            gpus_per_actor=render.gpus_per_actor if render.gpus else 0.0,
            recycle_after=render.recycle_after,
            on_progress=on_progress,
            kept=kept,
            room=room,
            on_held=on_held,
        )
        render_shards(job, shards)
    except (ValueError, FileNotFoundError) as error:
        # A function of the user's that draws what it may not, a missing package, a missing GPU.
        raise BadInput(str(error)) from error
