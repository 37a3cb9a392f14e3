"""The report's images: the first renders of each setting and real photographs, cut to the same size."""

import io
import logging
from collections.abc import Iterator, Sequence

from PIL import Image

from analysis.report.records import ContactSheet
from render_actors.actor import SHARD_FILE
from render_actors.export.contact_sheet import contact_sheet, plain_sheet
from render_actors.setting.classes import class_names
from render_actors.shards.format import read_shard
from sweeper.config.schema import SweepConfig
from sweeper.errors import one_line
from sweeper.stages.image_sets import run_images
from sweeper.stages.photographs import photographs
from sweeper.storage.artifacts import ArtifactStore
from sweeper.study import results
from tasks.base import TaskError

log = logging.getLogger("sweeper")

SHEET_IMAGES = 24


def render_sheets(config: SweepConfig, observations: Sequence[results.Observation]) -> Iterator[ContactSheet]:
    """The first images of each rendering setting, as they are and with their labels drawn."""
    store = ArtifactStore(config.store)
    for rendering in config.renderings:
        read = ((row.n, row.seed) for row in observations if row.rendering == rendering)
        first = next(read, None)
        if first is None and config.is_adaptive:
            # It was not chosen.
            continue
        images = run_images(config, rendering, *(first or (1, config.seed)))
        manifest = store.find_sound(images.shard(0))
        if manifest is None:
            why = "its first images are missing or damaged; `sweeper render` makes them"
            log.warning("no contact sheet of %s: %s", rendering, why)
            continue
        there = read_shard(store.path(manifest, SHARD_FILE))
        # Spread over the shard's scenes: neighbours show the same scene from another side.
        shown = there[:: max(1, len(there) // SHEET_IMAGES)][:SHEET_IMAGES]
        labelled = contact_sheet(shown, class_names(images.setting))
        caption = f"{len(shown)} of its first {len(there)} renders, as the network sees them"
        yield ContactSheet(rendering, caption, _jpeg(plain_sheet([each.rgb for each in shown])), _jpeg(labelled))


def photograph_sheet(config: SweepConfig) -> ContactSheet | None:
    """Real photographs that fine-tunes learn from; None where the data set is not on this machine."""
    own = photographs(config)
    try:
        real = own.pinned() if config.finetune.dataset_sha256 else own.listed()
        drawn = own.drawn(real, own.seed)
        shown = drawn[:: max(1, len(drawn) // SHEET_IMAGES)][:SHEET_IMAGES]
        pictures = real.training.take(shown).images
    except (OSError, TaskError) as error:
        log.warning("no photographs in the report: %s", one_line(error))
        return None
    caption = f"{len(shown)} of the {len(drawn):,} that a fine-tune learns from, as the network sees them"
    return ContactSheet(f"Real photographs ({dataset_name(config)})", caption, _jpeg(plain_sheet(list(pictures))))


def dataset_name(config: SweepConfig) -> str:
    """What the set of photographs is called: of a folder its last part."""
    return config.finetune.dataset.rstrip("/").rpartition("/")[2].rpartition(":")[2]


def _jpeg(sheet: Image.Image) -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
