"""What must exist before a run can be fine-tuned: its images and its checkpoint, made when missing and charged."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from analysis.policy.runs import Run
from render_actors.kept_actors import KeptActors
from sweeper.budget.cost_model import devices_of, train_start_s
from sweeper.budget.costs import GPU, cost_of
from sweeper.budget.devices import device_type
from sweeper.budget.reservation import Reservation
from sweeper.cluster.admission import Admission, Turn
from sweeper.cluster.capacity import CapacityWatch, nodes_now
from sweeper.cluster.failures import is_caused_by
from sweeper.cluster.resources import needs
from sweeper.config.schema import SweepConfig
from sweeper.errors import InterruptedSweep
from sweeper.events.reporter import Reporter
from sweeper.stages.inventory import Inventory, missing_images
from sweeper.stages.pretrain import pretrain
from sweeper.stages.pretrain_worker import Pretraining, Shards
from sweeper.stages.render import ensure_rendered
from sweeper.storage.artifacts import ArtifactStore, CorruptArtifactError, Manifest, artifact_key
from sweeper.study.arms import Arm

# Progress of Ray's workers is shown this often.
SHOW_S = 1.0


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
        inventory: Inventory,
        store: ArtifactStore,
        reporter: Reporter,
        scratch: str,
        board: Any,
        watch: CapacityWatch | None = None,
    ) -> None:
        self._config, self._inventory, self._store = config, inventory, store
        self._reporter, self._scratch, self._board = reporter, scratch, board
        self._watch = watch
        self._admission = Admission(nodes_now, needs(config))
        self._renderers = KeptActors()
        self._closed = threading.Event()
        self._shown = -SHOW_S

    def look_into(self, inventory: Inventory) -> None:
        """From now on this inventory says what is there, and is told of what was made."""
        self._inventory = inventory

    def pass_on_progress(self, finetuning: bool) -> None:
        """Show what Ray's workers have posted since the last call, and look whether nodes are left for them.

        `finetuning`: whether fine-tunes run or wait.
        """
        self._admission.keep_room(finetuning)
        if self._watch is not None:
            self._watch.look(self._admission.running_stages() | ({"finetune"} if finetuning else set()))
        # Tune's loop comes here many times a second, and each look at the board takes two processes' time.
        if self._board is not None and time.monotonic() - self._shown > SHOW_S:
            self._shown = time.monotonic()
            for stage, what, done, total, rate, unit in ray.get(self._board.take.remote()):
                self._reporter.progress(stage, what, done, total, rate, unit)

    def prepare(self, run: Run, reserved: Reservation) -> Manifest | None:
        """Render and pre-train what a run lacks; its checkpoint, or None for one that needs none."""
        if not self._inventory.needs_images(run):
            return None
        with self._admission.turn() as turn:
            self._require_open()
            if not self._inventory.needs_checkpoint(run):
                self._render(run, reserved, turn)
                reserved.refund("render", "pretrain")
                return None
            checkpoint = self._inventory.checkpoint(run)
            if checkpoint is None:
                try:
                    checkpoint = self._make(run, reserved, turn)
                except Exception as error:
                    if not is_caused_by(error, CorruptArtifactError):
                        raise
                    # It was withdrawn where it was read: what is missing now is made again.
                    checkpoint = self._make(run, reserved, turn)
            reserved.refund("render", "pretrain")
        return checkpoint

    def _make(self, run: Run, reserved: Reservation, turn: Turn) -> Manifest:
        training, validation = self._render(run, reserved, turn)
        turn.enter("pretrain", artifact_key(self._inventory.identities.checkpoint(run)))
        self._require_open()
        # Arms that differ in their fine-tuning task only share it: another may have made it by now.
        return self._inventory.checkpoint(run) or self._pretrain(run, training, validation, reserved)

    def close(self) -> None:
        """Begin nothing more: Ray is about to go, and a stage that asked for it would start another."""
        self._closed.set()

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise InterruptedSweep("the sweep has ended")

    def _render(self, run: Run, reserved: Reservation, turn: Turn) -> list[list[Manifest]]:
        """The shards of a run's training and validation images, the missing ones rendered in one go."""
        sets, render, rendering = self._inventory.image_sets(run), self._config.render, Arm.named(run.arm).rendering
        absent = missing_images(sets, self._store)
        if absent:
            turn.enter("render", rendering)
            self._require_open()
            absent = missing_images(sets, self._store)
        what = f"{rendering} n={run.n}"
        show = self._reporter.counter("render", what, absent, "images")
        if not absent:
            return ensure_rendered(sets, render, self._store, show)
        started = time.monotonic()
        left, held = absent, 0.0

        def on_held(seconds: float) -> None:
            nonlocal held
            held += seconds

        def rendered(images: int, actor_s: float) -> None:
            nonlocal left
            show(images, actor_s)
            left -= images
            if self._watch is not None and left < absent:
                self._watch.soon("pretrain", left * (time.monotonic() - started) / (absent - left))

        with self._charged(reserved, "render", absent) as charge:
            try:
                manifests = ensure_rendered(sets, render, self._store, rendered, self._renderers, turn.workers, on_held)
            finally:
                # The devices of all actors are charged; an actor that waits for its cores, or has ended, holds none.
                charge.seconds = held / render.actors
                self._inventory.changed()
        seconds = time.monotonic() - started
        text = f"render {what}: {absent} images in {seconds:.0f} s ({absent / seconds:.0f} images/s)"
        self._reporter.event("rendered", text, stage="render", what=what, images=absent, seconds=seconds)
        return manifests

    def _pretrain(
        self, run: Run, training: list[Manifest], validation: list[Manifest], reserved: Reservation
    ) -> Manifest:
        images, held_out = self._inventory.image_sets(run)
        job = Pretraining(
            run=run,
            identity=self._inventory.identities.checkpoint(run),
            settings=self._config.pretrain,
            training=Shards(images, tuple(training)),
            validation=Shards(held_out, tuple(validation)),
            store=self._store,
            cache_gb=self._config.cache_gb,
            board=self._board,
        )
        started = time.monotonic()
        with self._charged(reserved, "pretrain", 1.0) as charge:
            if self._watch is not None:
                self._watch.began()
            manifest = pretrain(job, self._scratch)
            # Waiting for devices that others hold is no cost of this work.
            charge.seconds = train_start_s(self._config) + manifest.metrics["seconds"]
        seconds, measured = time.monotonic() - started, manifest.metrics
        text = (
            f"pretrain {run.what}: synthetic metric {measured['metric']:.3f}"
            f" in {seconds:.0f} s ({measured['images_per_s']:.0f} images/s)"
        )
        fields = {"metric": measured["metric"], "seconds": seconds, "images_per_s": measured["images_per_s"]}
        self._reporter.event("pretrained", text, stage="pretrain", what=f"{run.arm} n={run.n}", **fields)
        return manifest

    @contextmanager
    def _charged(self, reserved: Reservation, stage: str, units: float) -> Iterator[Charge]:
        """Charge the time of a piece of work, `units` of it if it succeeds; what fails costs as much."""
        started, done, charge = time.monotonic(), 0.0, Charge()
        reserved.begin(stage)
        try:
            yield charge
            done = units
        finally:
            elapsed = time.monotonic() - started
            seconds = elapsed if charge.seconds is None else min(elapsed, charge.seconds)
            cpus, gpus = devices_of(self._config, stage)
            device = device_type(gpus) or GPU
            cost = cost_of(self._config.prices, seconds, cpus=cpus, gpus=gpus, device=device)
            reserved.settle(stage, cost, done, device)
