"""Pre-training under Ray Train: on any number of workers the same model, a lost worker no loss, nonsense no retry."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch

from render_actors.actor import SHARD_FILE
from render_actors.labels import RenderedImage, image_of_maps, semantic_map
from render_actors.shards.format import write_shard
from sweeper.config.schema import SweepConfig
from sweeper.events.reporter import Board
from sweeper.stages.image_sets import ImageSet
from sweeper.stages.inventory import Inventory
from sweeper.stages.pretrain import pretrain
from sweeper.stages.pretrain_worker import Pretraining, Shards
from sweeper.storage.artifacts import MODEL_FILE, ArtifactStore, Manifest
from sweeper.study.arms import make_plan
from tests.sweeper.examples import real_sweep, sweep_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

N, SIDE, CLASSES = 96, 32, 4
RENDER = {"resolution": SIDE, "classes": CLASSES, "poses_per_scene": 8, "scenes_per_shard": 4}
# Plain descent shows the arithmetic itself; AdamW would magnify rounding.
RECIPE = {"iterations": 40, "batch_size": 32, "lr": 0.02, "optimizer": "sgd", "warmup_images": 0, "eval_every": 20}


@pytest.fixture(autouse=True, scope="module")
def _ray() -> Iterator[None]:
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    ray.init(address="local", num_cpus=4, logging_level="ERROR", log_to_driver=False)
    yield
    ray.shutdown()


@dataclass(frozen=True)
class Bench:
    """A config, its images in a store of their own, and where Ray Train keeps its notes."""

    config: SweepConfig
    store: ArtifactStore
    scratch: Path

    def pretrain(self) -> Manifest:
        """The stage itself, as the sweep calls it."""
        plan, inventory = make_plan(self.config), Inventory(self.config, self.store)
        run = plan.run(plan.arms[0], N, 0)
        training, validation = (Shards(images, tuple(self._made(images))) for images in inventory.image_sets(run))
        job = Pretraining(
            run=run,
            identity=inventory.identities.checkpoint(run),
            settings=self.config.pretrain,
            training=training,
            validation=validation,
            store=self.store,
            cache_gb=self.config.cache_gb,
            board=ray.remote(num_cpus=0)(Board).remote(),
        )
        return pretrain(job, str(self.scratch))

    def _made(self, images: ImageSet) -> Iterator[Manifest]:
        for index in images.shards:
            folder = self.scratch / f"shard-{index}"
            folder.mkdir(parents=True, exist_ok=True)
            drawn = [coloured(index * 32 + k) for k in range(32)]
            write_shard(folder / SHARD_FILE, drawn, CLASSES)
            yield self.store.commit(images.shard(index), folder, {})

    def model(self, manifest: Manifest) -> dict[str, torch.Tensor]:
        """The backbone that was left."""
        state: dict[str, torch.Tensor] = torch.load(self.store.path(manifest, MODEL_FILE), weights_only=True)
        return state


def coloured(index: int) -> RenderedImage:
    """Noise with a square; its class is its brightness."""
    rng = np.random.default_rng(index)
    kind = index % CLASSES
    pixels = rng.integers(100, 140, (SIDE, SIDE, 3)).astype(np.uint8)
    instances = np.zeros((SIDE, SIDE), dtype=np.uint8)
    y, x = rng.integers(2, SIDE // 2, 2)
    instances[y : y + 12, x : x + 12] = 1
    pixels[instances == 1] = 80 * kind
    image = image_of_maps(index, pixels, instances, class_ids=[kind], smallest_px=1)
    return replace(image, semantic=semantic_map(instances, [kind]))


def bench(folder: Path, workers: int, recipe: dict[str, Any], task: str = "mulclass", **pretraining: Any) -> Bench:
    folder.mkdir()
    settings = {"workers": workers, "cpus_per_worker": 0.5, "validation_images": 32, "recipe": RECIPE | recipe}
    pretraining = settings | {"tasks": [task]} | pretraining
    content = real_sweep(render=RENDER, pretrain=pretraining, ladder={"sizes": [32, 64, N]})
    store = ArtifactStore(str(folder / "store"))
    store.make_root()
    return Bench(sweep_of(folder, content), store, folder / "scratch")


# DeepLab's heads drop half of what they gathered: the same half, whoever holds the image
@pytest.mark.parametrize("task", ["mulclass", "semseg"])
def test_one_two_and_four_workers_leave_the_same_model(tmp_path: Path, task: str) -> None:
    # given the same global batch, its batch norm over all workers' images
    models, metrics = {}, {}
    # judged at its end alone: of two checkpoints as good as each other, rounding would choose
    recipe = {"iterations": 3, "eval_every": 0, "sync_batch_norm": True}
    for workers in (1, 2, 4):
        here = bench(tmp_path / str(workers), workers, recipe, task)
        manifest = here.pretrain()
        models[workers], metrics[workers] = here.model(manifest), manifest.metrics["metric"]

    # then they agree up to rounding, and on what the validation images say
    for workers in (2, 4):
        apart = {name: value - models[workers][name] for name, value in models[1].items()}
        assert _size(apart) < 1e-4 * _size(models[1])
        assert metrics[workers] == pytest.approx(metrics[1], abs=0.02)


@pytest.mark.parametrize("task", ["mulclass", "semseg"])
def test_a_lost_worker_costs_time_and_nothing_else(tmp_path: Path, task: str) -> None:
    # given two workers that save every ten steps, and one that is killed after the first save
    slow = {"iterations": 120, "eval_every": 40}
    lost = bench(tmp_path / "lost", 2, slow, task, checkpoint_every=10)
    with ThreadPoolExecutor(1) as thread:
        under_way = thread.submit(lost.pretrain)
        _wait(lambda: any("checkpoint_" in note.read_text() for note in _notes(lost.scratch)))
        victim = _processes(b"TrainWorker")[-1]
        os.kill(victim, signal.SIGKILL)
        assert not under_way.done(), "the kill came too late to mean anything"
        manifest = under_way.result(timeout=600)

    # then the model is, bit for bit, that of workers whom nobody disturbed
    calm = bench(tmp_path / "calm", 2, slow, task, checkpoint_every=10)
    undisturbed = calm.model(calm.pretrain())
    for name, value in lost.model(manifest).items():
        assert torch.equal(value, undisturbed[name]), name


def test_a_worker_that_was_alone_and_is_killed_goes_on_in_another_process(tmp_path: Path) -> None:
    # given one worker that saves every ten steps, and is killed after the first save
    slow = {"iterations": 120, "eval_every": 40}
    lost = bench(tmp_path / "lost", 1, slow, checkpoint_every=10)
    with ThreadPoolExecutor(1) as thread:
        under_way = thread.submit(lost.pretrain)
        _wait(lambda: bool(list(lost.scratch.glob("pretrain-*/progress.pt"))))
        (victim,) = _processes(b"ray::pretrain_alone")
        os.kill(victim, signal.SIGKILL)
        assert not under_way.done(), "the kill came too late to mean anything"
        manifest = under_way.result(timeout=600)

    # then the model is, bit for bit, that of a worker whom nobody disturbed, and nothing is left behind
    calm = bench(tmp_path / "calm", 1, slow, checkpoint_every=10)
    undisturbed = calm.model(calm.pretrain())
    for name, value in lost.model(manifest).items():
        assert torch.equal(value, undisturbed[name]), name
    assert not list(lost.scratch.glob("pretrain-*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loss_that_is_not_finite_ends_it_at_once_naming_the_step(tmp_path: Path, workers: int) -> None:
    wild = bench(tmp_path / "wild", workers, {"lr": 1e30})

    with pytest.raises(RuntimeError, match=r"at n = 96: mulclass: the loss is (nan|inf) at step \d+"):
        wild.pretrain()


def _size(tensors: dict[str, torch.Tensor]) -> float:
    return float(sum(tensor.double().square().sum() for tensor in tensors.values())) ** 0.5


def _notes(scratch: Path) -> list[Path]:
    return list(scratch.glob("pretrain-*/checkpoint_manager_snapshot.json"))


def _wait(condition: Any, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def _processes(name: bytes) -> list[int]:
    """The processes of this very process's Ray that are called so."""
    named = {int(path.parent.name): path for path in Path("/proc").glob("[0-9]*/cmdline")}
    found = []
    for pid, path in named.items():
        try:
            if name in path.read_bytes() and os.getpid() in _ancestors(pid):
                found.append(pid)
        except FileNotFoundError:
            # gone since it was listed
            continue
    return sorted(found)


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid
