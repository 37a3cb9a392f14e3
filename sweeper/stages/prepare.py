"""What must exist before a run can be fine-tuned: its images and its checkpoint, made when missing and charged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from sweeper.budget.cost_model import TRAIN_START_S
from sweeper.budget.costs import GPU, cost_of
from sweeper.budget.devices import device_type
from sweeper.budget.ledger import Ledger
from sweeper.cluster.admission import Room, Take
from sweeper.cluster.capacity import CapacityWatch, nodes_now
from sweeper.cluster.failures import is_caused_by
from sweeper.cluster.resources import needs
from sweeper.config.schema import SweepConfig
from sweeper.errors import InterruptedSweep
from sweeper.events.reporter import Reporter
from sweeper.stages.identity import Trial, finetune_identity, pretrain_identity
from sweeper.stages.image_sets import ImageSet, shards_of, training_images, validation_images
from sweeper.stages.inventory import Shelf
from sweeper.stages.pretrain import Pretraining, pretrain
from sweeper.stages.render import ensure_rendered, missing_images
from sweeper.storage.artifacts import ArtifactStore, CorruptArtifactError, Manifest, artifact_key
from sweeper.study.arms import RunKey, Work


@dataclass
class Charge:
    """Seconds that a piece of work kept its devices; None: all the time it took."""

    seconds: float | None = None


class Stages:
    """Renders and pre-trains for runs: side by side where the nodes hold it, else one at a time, for the stages of one
    machine would only slow each other down. Used by several threads.
    """

    def __init__(
        self,
        config: SweepConfig,
        store: ArtifactStore,
        ledger: Ledger,
        reporter: Reporter,
        scratch: str,
        board: Any,
        watch: CapacityWatch | None = None,
    ) -> None:
        self._config, self._store, self._ledger = config, store, ledger
        self._reporter, self._scratch, self._board = reporter, scratch, board
        self._watch = watch
        self._room = Room(nodes_now, needs(config))
        self._closed = threading.Event()
        self._shelf = Shelf(store, config.render)
        self._sets: dict[tuple[str, int], tuple[ImageSet, ...]] = {}

    def work(self, run: RunKey, alongside: Sequence[RunKey] = (), tuning_trials: int = 0) -> Work:
        """What a run still needs once the runs alongside it are done, as far as the store knows."""
        finetunes = self._config.finetune.repeats
        if run.arm.is_reference or self._config.is_simulated or self.checkpoint(run) is not None:
            return Work(0, False, finetunes, tuning_trials)
        images = self._shelf.missing(self._image_sets(run), self._sets_of(alongside)) * self._shelf.images_a_shard
        return Work(images, True, finetunes, tuning_trials)

    def whole_work(self, run: RunKey, tuning_trials: int) -> Work:
        """What a run needs where the store has nothing."""
        finetunes = self._config.finetune.repeats
        if run.arm.is_reference or self._config.is_simulated:
            return Work(0, False, finetunes, tuning_trials)
        shards = sum(len(shards_of(images, self._config.render)) for images in self._image_sets(run))
        return Work(shards * self._shelf.images_a_shard, True, finetunes, tuning_trials)

    def checkpoint(self, run: RunKey) -> Manifest | None:
        """The checkpoint of a run, if it exists and its bytes are sound."""
        return self._store.find_sound(pretrain_identity(self._config, run.arm, run.n, run.seed))

    def measured(self, trial: Trial) -> Manifest | None:
        """What a fine-tune measured, if it was done before."""
        return self._store.find(finetune_identity(self._config, trial))

    def images_there(self, runs: Sequence[RunKey]) -> int:
        """How many of the images that these runs read are rendered."""
        return self._shelf.there(self._sets_of(runs)) * self._shelf.images_a_shard

    def pass_on_progress(self, finetuning: bool) -> None:
        """Show what Ray's workers have posted since the last call, and look whether nodes are left for them."""
        if self._watch is not None:
            self._watch.look(self._room.stages() | ({"finetune"} if finetuning else set()))
        if self._board is not None:
            for stage, what, done, total, rate, unit in ray.get(self._board.take.remote()):
                self._reporter.progress(stage, what, done, total, rate, unit)

    def prepare(self, run: RunKey, reserved: dict[str, str]) -> Manifest | None:
        """Render and pre-train what a run lacks; its checkpoint, or None for one that needs none."""
        if run.arm.is_reference or self._config.is_simulated:
            return None
        with self._room.place() as take:
            self._require_open()
            checkpoint = self.checkpoint(run)
            if checkpoint is None:
                try:
                    checkpoint = self._make(run, reserved, take)
                except Exception as error:
                    if not is_caused_by(error, CorruptArtifactError):
                        raise
                    # It was withdrawn where it was read: what is missing now is made again.
                    checkpoint = self._make(run, reserved, take)
            for stage in ("render", "pretrain"):
                if stage in reserved:
                    self._ledger.refund(reserved.pop(stage))
        return checkpoint

    def _make(self, run: RunKey, reserved: dict[str, str], take: Take) -> Manifest:
        training, validation = self._render(run, reserved, take)
        take("pretrain", artifact_key(pretrain_identity(self._config, run.arm, run.n, run.seed)))
        self._require_open()
        # Arms that differ in their fine-tuning task only share it: another may have made it by now.
        return self.checkpoint(run) or self._pretrain(run, training, validation, reserved)

    def close(self) -> None:
        """Begin nothing more: Ray is about to go, and a stage that asked for it would start another."""
        self._closed.set()

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise InterruptedSweep("the sweep has ended")

    def _image_sets(self, run: RunKey) -> tuple[ImageSet, ...]:
        """The training and the validation images of a run that reads any."""
        if run.arm.is_reference or self._config.is_simulated:
            return ()
        key = (run.arm.rendering, run.n)
        if key not in self._sets:
            rendering = run.arm.rendering
            training = training_images(self._config, rendering, run.n)
            self._sets[key] = (training, validation_images(self._config, rendering))
        return self._sets[key]

    def _sets_of(self, runs: Sequence[RunKey]) -> Iterator[ImageSet]:
        return (images for run in runs for images in self._image_sets(run))

    def _render(self, run: RunKey, reserved: dict[str, str], take: Take) -> list[list[Manifest]]:
        """The shards of a run's training and validation images, the missing ones rendered in one go."""
        sets, render = self._image_sets(run), self._config.render
        absent = missing_images(sets, render, self._store)
        if absent:
            take("render", run.arm.rendering)
            self._require_open()
            absent = missing_images(sets, render, self._store)
        what = f"{run.arm.rendering} n={run.n}"
        show = self._reporter.counter("render", what, absent, "images")
        if not absent:
            return ensure_rendered(sets, render, self._store, show)
        started = time.monotonic()
        cpus, left = render.actors * render.cpus_per_actor, absent

        def rendered(images: int, actor_s: float) -> None:
            nonlocal left
            show(images, actor_s)
            left -= images
            if self._watch is not None and left < absent:
                self._watch.soon("pretrain", left * (time.monotonic() - started) / (absent - left))

        with self._charged(reserved, "render", run, absent, cpus=cpus, gpus=render.gpus):
            try:
                manifests = ensure_rendered(sets, render, self._store, rendered)
            finally:
                self._shelf.changed()
        seconds = time.monotonic() - started
        text = f"render {what}: {absent} images in {seconds:.0f} s ({absent / seconds:.0f} images/s)"
        self._reporter.event("rendered", text, stage="render", what=what, images=absent, seconds=seconds)
        return manifests

    def _pretrain(
        self, run: RunKey, training: list[Manifest], validation: list[Manifest], reserved: dict[str, str]
    ) -> Manifest:
        config = self._config
        identity = pretrain_identity(config, run.arm, run.n, run.seed)
        job = Pretraining(
            identity,
            config,
            run.arm,
            run.n,
            run.seed,
            tuple(training),
            tuple(validation),
            self._store,
            self._board,
        )
        started, workers = time.monotonic(), config.pretrain.workers
        cpus, gpus = workers * config.pretrain.cpus_per_worker, float(workers * config.pretrain.gpu)
        with self._charged(reserved, "pretrain", run, 1.0, cpus=cpus, gpus=gpus) as charge:
            if self._watch is not None:
                self._watch.began()
            manifest = pretrain(job, self._scratch)
            # Waiting for devices that others hold is no cost of this work.
            charge.seconds = TRAIN_START_S + manifest.metrics["seconds"]
        seconds = time.monotonic() - started
        measured = manifest.metrics
        text = (
            f"pretrain {run.what}: synthetic metric {measured['metric']:.3f}"
            f" in {seconds:.0f} s ({measured['images_per_s']:.0f} images/s)"
        )
        fields = {"metric": measured["metric"], "seconds": seconds, "images_per_s": measured["images_per_s"]}
        self._reporter.event("pretrained", text, stage="pretrain", what=f"{run.arm.name} n={run.n}", **fields)
        return manifest

    @contextmanager
    def _charged(
        self, reserved: dict[str, str], stage: str, run: RunKey, units: float, cpus: float, gpus: float = 0.0
    ) -> Iterator[Charge]:
        """Charge the time of a piece of work, `units` of it if it succeeds; what fails costs as much.

        Work that turned out necessary without a reservation (a repair) is charged all the same.
        """
        started, done, charge = time.monotonic(), 0.0, Charge()
        if stage in reserved:
            self._ledger.begin(reserved[stage])
        try:
            yield charge
            done = units
        finally:
            elapsed = time.monotonic() - started
            seconds = elapsed if charge.seconds is None else min(elapsed, charge.seconds)
            device = device_type(gpus) or GPU
            cost = cost_of(self._config.prices, seconds, cpus=cpus, gpus=gpus, device=device)
            if stage in reserved:
                self._ledger.settle(reserved.pop(stage), cost, done, device)
            else:
                self._ledger.charge(stage, run.what, cost, done, device)
