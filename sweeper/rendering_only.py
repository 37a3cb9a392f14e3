"""`sweeper render`: images of each rendering setting, and a contact sheet to judge them by."""

from __future__ import annotations

import time
from collections.abc import Iterator

from render_actors.actor import SHARD_FILE
from render_actors.objects import class_names
from render_actors.preview import contact_sheet, side_by_side
from render_actors.shards import read_shard
from sweeper.artifacts import ArtifactStore
from sweeper.config import SweepConfig
from sweeper.errors import BadInput
from sweeper.progress import Reporter
from sweeper.rendering import ensure_rendered, missing_images, training_images
from sweeper.sweep import open_run_folder, ray_session

SHEET_IMAGES = 60


def render_only(config: SweepConfig, n: int, preview: bool, reporter: Reporter) -> Iterator[str]:
    """Render the first n images of every setting into the store; lines saying what was made and where."""
    if config.is_simulated:
        raise BadInput("a simulated sweep renders nothing; choose another config")
    wanted = {rendering: training_images(config, rendering, n) for rendering in config.renderings}
    folder, store = open_run_folder(config), ArtifactStore(config.store)
    absent = {name: missing_images([images], config.render, store) for name, images in wanted.items()}
    drawn = {}
    with ray_session(config):
        for name, images in wanted.items():
            started = time.monotonic()
            count = reporter.counter("render", name, absent[name], "images")
            [manifests] = ensure_rendered([images], config.render, store, count)
            seconds = time.monotonic() - started
            yield f"{name}: {n} images, {absent[name]} of them rendered now in {seconds:.1f} s, in {store.uri}"
            if preview:
                shown = [image for m in manifests for image in read_shard(store.path(m, SHARD_FILE))][:n]
                sheet = folder / f"preview-{name}.png"
                drawn[name] = (shown[:SHEET_IMAGES], class_names(images.setting))
                contact_sheet(*drawn[name]).save(sheet)
                yield f"{name}: contact sheet {sheet}"
    if len(drawn) > 1:
        # The images of one scene show it from several sides: take one of each scene.
        apart = {name: (shown[:: config.render.poses_per_scene], names) for name, (shown, names) in drawn.items()}
        side_by_side(apart).save(folder / "preview.png")
        yield f"all settings side by side: {folder / 'preview.png'}"
