"""Photographs that are added to a sweep's set: what was measured stays, and a larger s is another s of the same sweep.

The store keeps which photographs a sweep began with. While s can be drawn from those, it is; a larger s is drawn from
all, and tested on the same photographs as before.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sweeper.config.schema import SweepConfig
from sweeper.stages.photographs import Photographs
from sweeper.storage.artifacts import ArtifactStore, CorruptArtifactError, Manifest
from tasks.base import TaskError, task_facts
from tasks.data.cache.kept import Kept, item_hash
from tasks.data.catalogue import RealData

_STAGE, _FILE = "photographs", "photographs.json"


@dataclass(frozen=True)
class Settled:
    """The set that a sweep uses, how it is found, and lines to tell of it."""

    own: Photographs
    real: RealData
    lines: tuple[str, ...] = ()


def settled(config: SweepConfig, own: Photographs) -> Settled:
    """The photographs of a sweep: as they lie on disk, or those of them that it began with.

    Raises TaskError or OSError where the set is no use.
    """
    real, wanted, last = own.listed(), own.settings.pool or own.settings.most, None
    for known in _before(config):
        first = replace(own, kept=known.kept)
        began_with = real if known.listed == real.listed_sha256 else _listed(first)
        if began_with is None or began_with.listed_sha256 != known.listed:
            continue
        if wanted is not None and wanted <= len(began_with.training):
            return Settled(first, began_with, _not_used(began_with, real, wanted))
        last = first
    if last is None or last.kept is None:
        return Settled(own, real)
    there = len(last.kept.train) + len(last.kept.test)
    every = replace(last, kept=replace(last.kept, more=True))
    return Settled(every, every.listed(), _used(_count(real) - there))


def _listed(own: Photographs) -> RealData | None:
    try:
        return own.listed()
    except TaskError:
        return None


def _count(real: RealData) -> int:
    return len(real.training) + len(real.testing)


def _not_used(began_with: RealData, real: RealData, wanted: int) -> tuple[str, ...]:
    added, there = _count(real) - _count(began_with), len(began_with.training)
    line = (
        f"finetune.dataset: {added:,} photographs were added; the {wanted:,} of this sweep are drawn from the {there:,}"
        " that it began with, so what was measured stays: raise finetune.count to learn from more"
    )
    return (line,) if added else ()


def _used(added: int) -> tuple[str, ...]:
    line = (
        f"finetune.dataset: {added:,} photographs were added and are learnt from; the test photographs are those that"
        " this sweep began with, and its checkpoints stay"
    )
    return (line,) if added else ()


def keep(config: SweepConfig, real: RealData, store: ArtifactStore) -> None:
    """Keep which photographs the sweep uses, where the store has not got it."""
    if real.listing is None or config.finetune.dataset_sha256 is None:
        return
    identity = {"stage": _STAGE, "of": _of(config), "sha256": config.finetune.dataset_sha256}
    if store.find(identity) is not None:
        return
    parts = {name: [item_hash(item) for item in split.items] for name, split in real.listing.splits.items()}
    with tempfile.TemporaryDirectory(prefix="photographs-") as folder:
        (Path(folder) / _FILE).write_text(json.dumps(parts))
        store.commit(identity, Path(folder), {"listed": real.listed_sha256, "images": sum(map(len, parts.values()))})


def kept_as(store: ArtifactStore, sha256: str) -> Kept | None:
    """The photographs of the set of this hash, as a sweep kept them."""
    manifests = (found for found in store.all_of(_STAGE) if found.identity["sha256"] == sha256)
    return next((known.kept for manifest in manifests for known in _read(store, manifest)), None)


@dataclass(frozen=True)
class _Known:
    listed: str
    kept: Kept


def _before(config: SweepConfig) -> Iterator[_Known]:
    """What this sweep's photographs were, the fewest first."""
    store = ArtifactStore(config.store, look_only=True)
    manifests = [found for found in store.all_of(_STAGE) if found.identity["of"] == _of(config)]
    for manifest in sorted(manifests, key=lambda found: found.metrics["images"]):
        yield from _read(store, manifest)


def _read(store: ArtifactStore, manifest: Manifest) -> Iterator[_Known]:
    try:
        parts = json.loads(store.path(manifest, _FILE).read_text())
    except CorruptArtifactError:
        return
    yield _Known(manifest.metrics["listed"], Kept(tuple(parts["train"]), tuple(parts["test"])))


def _of(config: SweepConfig) -> dict[str, object]:
    """What photographs are a sweep's: another name is another sweep, which begins with all that is there."""
    finetune = config.finetune
    kind = task_facts(finetune.tasks[0]).label_kind
    return {"sweep": config.name, "dataset": finetune.dataset, "kind": kind, "resolution": config.finetune_resolution}
