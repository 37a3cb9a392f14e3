"""The real images of a sweep: which are drawn, what decoding them takes, and that they stay what they were.

Photographs may be added: the store keeps which a sweep began with. While s can be drawn from those, it is, so that what
was measured stays; a larger s is drawn from all, and tested on the same photographs as before.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.config.finetune import Finetune
from sweeper.config.schema import SweepConfig
from sweeper.storage.artifacts import ArtifactStore, CorruptArtifactError, Manifest
from tasks.base import TaskError, task_facts
from tasks.data.cache.kept import Kept, item_hash
from tasks.data.catalogue import RealData, RealSet
from tasks.data.sampling import subset

# of the disk, so many bytes stay free
_SPARE_BYTES = 10**8
# training images whose pixels the hash is of, where a sweep has several s and is tested on the set's own split
_HASHED = 1_000
# where the store keeps which photographs a sweep began with
_STAGE, _FILE = "photographs", "photographs.json"


@dataclass(frozen=True)
class Photographs:
    """What of a sweep's config its real images depend on. `seed`: of the draw that runs share. `kept`: the images that
    are in the set, where others were added.
    """

    settings: Finetune
    task: str
    data_root: str | None
    resolution: int
    seed: int
    kept: Kept | None = None

    def listed(self) -> RealData:
        """The set as it lies on disk now, every file looked at; FileNotFoundError or TaskError where it is no use."""
        return self._set.load(verify=True)

    def pinned(self) -> RealData:
        """The set that the sweep began with, by its hash; TaskError where another is found."""
        assert self.settings.dataset_sha256 is not None
        return self._set.pinned(self.settings.dataset_sha256, self.hashed)

    def pin(self, real: RealData, sha256: str) -> None:
        """Let fine-tunes on this machine find the set by its hash."""
        self._set.pin(real, sha256)

    def drawn(self, real: RealData, seed: int, s: int | None = None) -> np.ndarray:
        """The training images (s,) of one draw, in its order; of the pool where there is one.

        s: how many, of a sweep of several; the most of them where it is left out.
        """
        if self.settings.test == "split" or seed == self.seed:
            return self._draw(real, seed, s)
        pool, s = self.pool(real), len(self._draw(real, self.seed, s))
        return subset(real.training, count=s, seed=seed, balanced=self.settings.balanced, among=pool)

    def pool(self, real: RealData) -> np.ndarray:
        """The training images that are tested on at no s: the shared draw of as many, of which that of s is the start.

        TaskError where it is smaller than s, or larger than the set.
        """
        settings, s = self.settings, len(self._draw(real, self.seed))
        if settings.pool is None:
            return self._draw(real, self.seed)
        if not s <= settings.pool <= len(real.training):
            raise TaskError(
                f"pool: {settings.pool:,} is not between s, {s:,}, and the {len(real.training):,} training images;"
                " correct finetune.pool"
            )
        return subset(real.training, count=settings.pool, seed=self.seed, balanced=settings.balanced)

    def rest(self, real: RealData) -> np.ndarray:
        """The training images (M,) that are tested on beside the test split: none where that alone is the test."""
        outside = real.outside(self.pool(real)) if self.settings.test == "rest" else np.arange(0)
        if self.settings.test == "rest" and not len(outside) + len(real.testing):
            raise TaskError(
                f"test: rest leaves nothing of {len(real.training):,} photographs outside the pool that s is drawn"
                f" from; lower finetune.{self.settings.size_key} or finetune.pool"
            )
        return outside

    def hashed(self, real: RealData) -> np.ndarray:
        """The training images whose pixels the hash of the set is of: those drawn, and those tested on."""
        if self.settings.test == "split" and self.settings.counts is not None:
            # The same hash whatever the counts: a further s leaves what was measured.
            count = min(_HASHED, len(real.training))
            return subset(real.training, count=count, seed=self.seed, balanced=self.settings.balanced)
        if self.settings.test == "split":
            return self.drawn(real, self.seed)
        # The same hash at every s that has this pool.
        return np.concatenate([self.pool(real), self.rest(real)])

    def _draw(self, real: RealData, seed: int, s: int | None = None) -> np.ndarray:
        settings = self.settings
        several = s is not None and settings.counts is not None
        sizes: dict[str, Any] = {"fraction": settings.whole, "count": s if several else settings.most}
        return subset(real.training, **sizes, seed=seed, balanced=settings.balanced)

    @property
    def _set(self) -> RealSet:
        settings = self.settings
        kind = task_facts(self.task).label_kind
        return RealSet(
            settings.dataset,
            self.data_root,
            self.resolution,
            kind,
            ignore_label=settings.ignore_label,
            fit=settings.fit,
            every=settings.test == "rest",
            test_fraction=settings.test_fraction,
            seed=self.seed,
            kept=self.kept,
        )


def photographs(config: SweepConfig) -> Photographs:
    """Those of this sweep, whose fine-tuning tasks have one kind of label."""
    finetune, resolution = config.finetune.model_copy(update={"fit": config.finetune_fit}), config.finetune_resolution
    return Photographs(finetune, finetune.tasks[0], config.data_root, resolution, config.seed)


def tested_in_words(config: SweepConfig, real: RealData) -> str:
    """What the error of a sweep is measured on."""
    own = photographs(config)
    if config.finetune.test == "split":
        return "the test split"
    tested, pool = len(own.rest(real)) + len(real.testing), len(own.pool(real))
    return f"the {tested:,} photographs outside of a pool of {pool:,} (finetune.test: rest)"


def check_disk(real: RealData, drawn: np.ndarray) -> None:
    """TaskError where what is left to decode of these training images and the test images does not fit on the disk."""
    left = real.training.missing(drawn) + real.testing.missing(np.arange(len(real.testing)))
    wanted, folder = real.training.bytes_of(left), real.training.folder
    free = shutil.disk_usage(_existing(folder)).free
    if wanted + _SPARE_BYTES > free and wanted:
        raise TaskError(
            f"decoding {left:,} images takes {wanted / 1e9:.3g} GB in {folder.parent}, which has {free / 1e9:.3g} GB "
            "free; make room, set XDG_CACHE_HOME to another disk, or draw fewer"
        )


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def disk_in_words(config: SweepConfig, real: RealData, s: int) -> str:
    """What the decoded real images of a sweep take on the disk of each machine that fine-tunes."""
    own = photographs(config)
    tested = len(own.rest(real)) + len(real.testing)
    images = len(own.hashed(real)) + len(real.testing)
    if not real.training.bytes_of(images):
        return f"real images: {real.source}, {tested:,} for testing, decoded whole in {real.training.folder}"
    text = (
        f"real images: {s:,} drawn and {tested:,} for testing are decoded, "
        f"{real.training.bytes_of(images) / 1e9:.3g} GB in {real.training.folder.parent}"
    )
    if config.finetune.subset != "shared":
        who = "run" if config.finetune.subset == "independent" else "seed"
        most = real.training.bytes_of(len(real.training) + len(real.testing))
        text += f"; each {who} draws others, up to {most / 1e9:.3g} GB"
    return text


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
        " that it began with, so what was measured stays: raise finetune.count, or add to finetune.counts, to learn"
        " from more"
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
    parts = {
        name: [item_hash(split.items[k]) for k in range(len(split.items))]
        for name, split in real.listing.splits.items()
    }
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
