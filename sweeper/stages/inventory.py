"""What the store has of what runs need. It makes nothing: plans, prices and decisions are read from it."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from analysis.policy.runs import Run
from sweeper.budget.cost_model import Work
from sweeper.config.schema import SweepConfig
from sweeper.stages.identity import Identities, Trial, mixed_recipe, recipe_of
from sweeper.stages.image_sets import ImageSet, render_seed, run_images, validation_images
from sweeper.storage.artifacts import ArtifactStore, CorruptArtifactError, Manifest, artifact_key
from sweeper.storage.tested import row_of_test_images
from sweeper.study.arms import Arm

log = logging.getLogger("sweeper")


class Inventory:
    """What a store had when it was last listed. Others may add to it meanwhile; whoever makes something looks again.

    Every candidate of every decision asks for its shards, so the store is listed once and asked for names.
    """

    def __init__(self, config: SweepConfig, store: ArtifactStore) -> None:
        self._config, self._store = config, store
        self.identities = Identities(config)
        self._sets: dict[tuple[str, int, int], tuple[ImageSet, ...]] = {}
        self._there: set[str] | None = None
        self._keys: dict[ImageSet, dict[int, str]] = {}

    def work(self, run: Run, alongside: Sequence[Run] = (), tuning_trials: int = 0) -> Work:
        """What a run still needs once the runs alongside it are done."""
        finetunes = self._config.finetune.repeats
        pretrains, length = self.needs_checkpoint(run), self.length(run)
        if not self.needs_images(run) or (pretrains and self.checkpoint(run) is not None):
            return Work(0, False, finetunes, tuning_trials, length)
        if pretrains and any(
            (other.arm, other.n, other.seed) == (run.arm, run.n, run.seed) and other.s != run.s for other in alongside
        ):
            # At another s, on the same checkpoint.
            return Work(0, False, finetunes, tuning_trials)
        brought = self._ends(self._sets_of(alongside))
        images = sum(
            row.images_a_shard
            for row, end in self._ends(self.image_sets(run)).items()
            for index in range(brought.get(row, row.first_shard), end)
            if not self._has(row, index)
        )
        return Work(images, pretrains, finetunes, tuning_trials, length)

    def whole_work(self, run: Run, tuning_trials: int) -> Work:
        """What a run needs where the store has nothing."""
        images = sum(len(each.shards) * each.images_a_shard for each in self.image_sets(run))
        finetunes, length = self._config.finetune.repeats, self.length(run)
        return Work(images, self.needs_checkpoint(run), finetunes, tuning_trials, length)

    def needs_checkpoint(self, run: Run) -> bool:
        """Whether a run is pre-trained at all: a reference, a mixed training and a simulated one are not."""
        return self.needs_images(run) and not Arm.named(run.arm).is_mixed

    def needs_images(self, run: Run) -> bool:
        """Whether a run learns from renders at all: a reference does not, and a simulated one neither."""
        return not (Arm.named(run.arm).is_reference or self._config.is_simulated)

    def length(self, run: Run) -> float:
        """How many fine-tunes' steps one of the run has: a mixed training has those of the pre-training on top."""
        arm = Arm.named(run.arm)
        if not arm.is_mixed:
            return 1.0
        whole, alone = mixed_recipe(self._config, arm, {}), recipe_of(self._config.finetune.recipe, arm, {})
        return whole.iterations / alone.iterations

    def checkpoint(self, run: Run) -> Manifest | None:
        """The checkpoint of a run, if it exists and its bytes are sound."""
        return self._store.find_sound(self.identities.checkpoint(run))

    def measured(self, trial: Trial) -> dict[str, Any] | None:
        """What a fine-tune measured, if it was done before and its bytes are sound."""
        manifest = self._store.find(self.identities.finetune(trial))
        try:
            return None if manifest is None else manifest.metrics | row_of_test_images(self._store, manifest)
        except CorruptArtifactError as error:
            log.warning("%s", error)
            return None

    def images_there(self, runs: Sequence[Run]) -> int:
        """How many of the images that these runs read are rendered."""
        ends = self._ends(self._sets_of(runs))
        shards = ((row, index) for row, end in ends.items() for index in range(row.first_shard, end))
        return sum(row.images_a_shard for row, index in shards if self._has(row, index))

    def image_sets(self, run: Run) -> tuple[ImageSet, ...]:
        """The training and the validation images of a run that reads any."""
        if not self.needs_images(run):
            return ()
        config, rendering = self._config, Arm.named(run.arm).rendering
        key = rendering, run.n, render_seed(config, run.n, run.seed)
        if key not in self._sets:
            training = run_images(config, rendering, run.n, run.seed)
            self._sets[key] = training, validation_images(config, rendering)
        # A mixed training looks at no synthetic validation images.
        return self._sets[key] if self.needs_checkpoint(run) else self._sets[key][:1]

    def changed(self) -> None:
        """Shards were added or withdrawn: the store is listed again when it is next asked."""
        self._there = None

    def _sets_of(self, runs: Iterable[Run]) -> Iterator[ImageSet]:
        return (images for run in runs for images in self.image_sets(run))

    def _ends(self, sets: Iterable[ImageSet]) -> dict[ImageSet, int]:
        """Where the shards of these sets end, by the row that they begin."""
        ends: dict[ImageSet, int] = {}
        for images in sets:
            ends[images.row] = max(ends.get(images.row, 0), images.shards.stop)
        return ends

    def _has(self, row: ImageSet, index: int) -> bool:
        there = self._there
        if there is None:
            there = self._there = self._store.keys("render")
        # An empty store needs no names.
        return bool(there) and self._key(row, index) in there

    def _key(self, row: ImageSet, index: int) -> str:
        known = self._keys.setdefault(row, {})
        if index not in known:
            known[index] = artifact_key(row.shard(index))
        return known[index]


def found(images: ImageSet, store: ArtifactStore) -> dict[int, Manifest]:
    """The shards that exist, by index, each verified against its checksum."""
    manifests = {index: store.find_sound(images.shard(index)) for index in images.shards}
    return {index: manifest for index, manifest in manifests.items() if manifest is not None}


def missing_images(sets: Sequence[ImageSet], store: ArtifactStore) -> int:
    """How many images rendering would have to make: whole shards."""
    return sum((len(images.shards) - len(found(images, store))) * images.images_a_shard for images in sets)
