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
    """Of the orders in the store, that of a folder of this name which has most of its images; else, where a folder was
    renamed, the longest of which every image is here. Empty: there is none."""
    place, there = ArtifactStore(store, look_only=True), contents(source).entries
    own, others = list[Order](), list[Order]()
    for manifest in place.all_of(_STAGE):
        told, wanted = manifest.identity, _identity(source, seed)
        if any(told.get(key) != wanted[key] for key in ("kind", "seed")):
            continue
        try:
            order = tuple(map(str, json.loads(place.path(manifest, _FILE).read_text())))
        except CorruptArtifactError:
            continue
        if told.get("folder") == wanted["folder"]:
            own.append(order)
        elif there.keys() >= set(order):
            others.append(order)
    found = [order for order in own if not there.keys().isdisjoint(order)]
    if found:
        return max(found, key=lambda order: (len(there.keys() & set(order)), -len(order)))
    return max(others, key=len, default=())


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
