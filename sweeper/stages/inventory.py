"""Which shards of rendered images a store has: asked for every candidate at every decision, so it is looked up once."""

from __future__ import annotations

from collections.abc import Iterable

from render_actors.actor import shard_identity
from render_actors.setting.setting import RenderSetting
from sweeper.config.render import Render
from sweeper.stages.image_sets import ImageSet, shards_of
from sweeper.storage.artifacts import ArtifactStore, artifact_key

# Where a row of shards begins: every image set is the first so many of one row.
Row = tuple[RenderSetting, int, int]


class Shelf:
    """What the store had when it was last listed; others may add to it meanwhile, and rendering looks for itself."""

    def __init__(self, store: ArtifactStore, render: Render) -> None:
        self._store, self._render = store, render
        self._there: set[str] | None = None
        self._keys: dict[Row, dict[int, str]] = {}

    @property
    def images_a_shard(self) -> int:
        """How many images one shard holds."""
        return self._render.poses_per_scene * self._render.scenes_per_shard

    def changed(self) -> None:
        """Shards were added or withdrawn: list the store again when it is next asked."""
        self._there = None

    def missing(self, sets: Iterable[ImageSet], alongside: Iterable[ImageSet] = ()) -> int:
        """Shards of these image sets that the store lacks and that those alongside do not bring."""
        brought = self._ends(alongside)
        return sum(
            not self._has(row, index)
            for row, end in self._ends(sets).items()
            for index in range(brought.get(row, row[2]), end)
        )

    def there(self, sets: Iterable[ImageSet]) -> int:
        """Shards of these image sets that the store has."""
        return sum(self._has(row, i) for row, end in self._ends(sets).items() for i in range(row[2], end))

    def _ends(self, sets: Iterable[ImageSet]) -> dict[Row, int]:
        ends: dict[Row, int] = {}
        for images in sets:
            row = (images.setting, images.seed, images.first_shard)
            ends[row] = max(ends.get(row, 0), shards_of(images, self._render).stop)
        return ends

    def _has(self, row: Row, index: int) -> bool:
        there = self._there
        if there is None:
            there = self._there = self._store.keys("render")
        # An empty store needs no names.
        return bool(there) and self._key(row, index) in there

    def _key(self, row: Row, index: int) -> str:
        known = self._keys.setdefault(row, {})
        if index not in known:
            setting, seed, _ = row
            known[index] = artifact_key(shard_identity(setting, seed, index, self._render.scenes_per_shard))
        return known[index]
