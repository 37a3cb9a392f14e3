"""`sweeper render`: images of each rendering setting, and a contact sheet to judge them by."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from render_actors.actor import SHARD_FILE
from render_actors.export.bop import check_exportable, export_bop
from render_actors.export.coco import export_coco
from render_actors.export.contact_sheet import contact_sheet, side_by_side
from render_actors.labels import RenderedImage
from render_actors.setting.classes import class_names
from render_actors.setting.setting import RenderSetting
from render_actors.shards.arrays import ImageView
from render_actors.shards.keypoints import class_keypoints
from sweeper.cluster.session import ray_session
from sweeper.commands.driver import open_run_folder
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput, bad_input
from sweeper.events.reporter import Reporter
from sweeper.stages.image_sets import ImageSet, training_images
from sweeper.stages.inventory import missing_images
from sweeper.stages.render import ensure_rendered
from sweeper.storage.artifacts import ArtifactStore

SHEET_IMAGES = 60


Export = Literal["coco", "bop"]


def render_only(
    config: SweepConfig, n: int, preview: bool, reporter: Reporter, export: Export | None = None
) -> Iterator[str]:
    """Render the first n images of every setting into the store; lines saying what was made and where."""
    if config.is_simulated:
        raise BadInput("a simulated sweep renders nothing; choose another config")
    wanted = {rendering: training_images(config, rendering, n) for rendering in config.renderings}
    if export == "bop":
        # Before hours of rendering, not after.
        with bad_input():
            for images in wanted.values():
                check_exportable(images.setting)
    folder, store = open_run_folder(config), ArtifactStore(config.store, cache_gb=config.cache_gb)
    store.make_root()
    drawn = {}
    with ray_session(config):
        for name, images in wanted.items():
            started = time.monotonic()
            absent = missing_images([images], store)
            count = reporter.counter("render", name, absent, "images")
            [manifests] = ensure_rendered([images], config.render, store, count)
            seconds = time.monotonic() - started
            yield f"{name}: {n} images, {absent} of them rendered now in {seconds:.1f} s, in {store.uri}"
            view = ImageView([store.path(m, SHARD_FILE) for m in manifests], images.images_a_shard, n)
            if export is not None:
                yield f"{name}: exported to {_exported(view, images.setting, folder / f'{export}-{name}', export)}"
            if preview:
                shown = _shown(images, config, store, view)
                sheet = folder / f"preview-{name}.png"
                drawn[name] = (shown, class_names(images.setting))
                contact_sheet(*drawn[name]).save(sheet)
                yield f"{name}: contact sheet {sheet}"
    if len(drawn) > 1:
        # The images of one scene show it from several sides: take one of each scene.
        apart = {name: (shown[:: config.render.poses_per_scene], names) for name, (shown, names) in drawn.items()}
        side_by_side(apart).save(folder / "preview.png")
        yield f"all settings side by side: {folder / 'preview.png'}"


def _shown(images: ImageSet, config: SweepConfig, store: ArtifactStore, view: ImageView) -> list[RenderedImage]:
    """The first images for a contact sheet, with normals: rendered for it where the sweep itself does without."""
    setting = images.setting
    if setting.source is not None or "normals" in setting.labels:
        return list(view[:SHEET_IMAGES])
    more = replace(setting, labels=(*setting.labels, "normals"))
    wanted = replace(images, setting=more, n=min(images.n, SHEET_IMAGES))
    [manifests] = ensure_rendered([wanted], config.render, store, lambda count, seconds: None)
    return list(ImageView([store.path(m, SHARD_FILE) for m in manifests], wanted.images_a_shard, wanted.n)[:])


def _exported(view: ImageView, setting: RenderSetting, folder: Path, export: Export) -> Path:
    """Images in a format of other people's; raises BadInput where they cannot be, or the folder is in use."""
    with bad_input("", (ValueError, FileExistsError)):
        if export == "coco":
            points = class_keypoints(setting) if "poses" in setting.labels else None
            return export_coco(view, class_names(setting), folder, points)
        return export_bop(view, setting, folder)
