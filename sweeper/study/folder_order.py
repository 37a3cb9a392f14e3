"""The order of a labelled folder's images, kept in the store: images that are added come behind those that were there.

Any order of file names serves any folder, so what is kept can make no image wrong: shards and checkpoints are named by
the images that they hold.
"""

import hashlib
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from render_actors.setting.setting import RenderSetting
from render_actors.setting.source import Source
from render_actors.sources.labelled_folder import Order, contents, full_order
from sweeper.storage.artifacts import ArtifactStore, CorruptArtifactError

_STAGE, _FILE = "order", "order.json"


@cache
def kept_order(store: str, source: Source, seed: int) -> Order:
    """Of the orders in the store for a folder of this name, that which has most of its images; empty: there is none."""
    place, there = ArtifactStore(store, look_only=True), contents(source).entries
    best: list[str] = []
    for manifest in place.all_of(_STAGE):
        if {key: part for key, part in manifest.identity.items() if key != "files"} != _identity(source, seed):
            continue
        try:
            order = json.loads(place.path(manifest, _FILE).read_text())
        except CorruptArtifactError:
            continue
        known = [str(file) for file in order if file in there]
        if len(known) > len(best):
            best = known
    return tuple(best)


def keep_order(setting: RenderSetting, seed: int, store: ArtifactStore) -> None:
    """Keep the order that these images are taken in, where the store has not got it."""
    source = setting.source
    assert source is not None
    text = json.dumps(full_order(source, seed))
    identity = _identity(source, seed) | {"files": hashlib.sha256(text.encode()).hexdigest()[:32]}
    if store.find(identity) is None:
        with tempfile.TemporaryDirectory(prefix="order-") as folder:
            (Path(folder) / _FILE).write_text(text)
            store.commit(identity, Path(folder))


def _identity(source: Source, seed: int) -> dict[str, Any]:
    """Of all orders of a folder, wherever it lies; the folder's own name tells it from others."""
    return {"stage": _STAGE, "kind": source.kind, "folder": Path(source.where).name, "seed": seed}
