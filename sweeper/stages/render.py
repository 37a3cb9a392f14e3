"""The render stage: making the images that are missing."""

from collections.abc import Callable, Sequence

from render_actors.pool import RenderJob, render_shards
from sweeper.config.schema import Render
from sweeper.errors import BadInput
from sweeper.stages.image_sets import ImageSet
from sweeper.stages.inventory import found
from sweeper.storage.artifacts import ArtifactStore, Manifest


def ensure_rendered(
    sets: Sequence[ImageSet], render: Render, store: ArtifactStore, on_progress: Callable[[int, float], None]
) -> list[list[Manifest]]:
    """Render what is missing of image sets of one setting and seed; the manifests of each set's shards, in order.

    Runs inside an initialised Ray. `on_progress(images, seconds)` is told of images as they are made. Raises BadInput
    where the user's renderer, the pools or the devices are at fault.
    """
    # Each set is looked through once: every shard is verified.
    there = [found(images, store) for images in sets]
    absent = [i for images, has in zip(sets, there, strict=True) for i in images.shards if i not in has]
    if absent:
        try:
            job = RenderJob(
                sets[0].setting,
                sets[0].seed,
                sets[0].scenes_per_shard,
                store,
                actors=render.actors,
                cpus_per_actor=render.cpus_per_actor,
                scene_timeout_s=render.scene_timeout_s,
                retries=render.retries,
                gpus_per_actor=render.gpus_per_actor if render.gpus else 0.0,
                recycle_after=render.recycle_after,
                on_progress=on_progress,
            )
            render_shards(job, absent)
        except (ValueError, FileNotFoundError) as error:
            # A function of the user's that draws what it may not, a missing package, a missing GPU.
            raise BadInput(str(error)) from error
    return [list(found(images, store).values()) for images in sets]
