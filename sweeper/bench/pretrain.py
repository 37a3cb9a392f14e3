"""`sweeper bench pretrain`: images/s of the training loop beside a plain torch loop with its tensors in memory.

On the CPU under Ray Train, one worker with one thread, in turns with a process of its own for the plain loop. On a GPU,
where there is one, without Ray.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from render_actors.labels import RenderedImage, image_of_maps
from render_actors.shards.arrays import load_arrays
from render_actors.shards.format import write_shard
from sweeper.bench.figures import Figure
from sweeper.bench.training_loops import (
    CLASSES,
    Setting,
    check_device,
    in_turns,
    our_block,
    plain_rate,
    side_by_side,
)
from tasks.base import ArraySet

CPU = Setting("resnet18", side=64, batch=32, precision="fp32", device="cpu", steps=5)
GPU = {
    "gpu224": Setting("resnet50", side=224, batch=256, precision="bf16", device="cuda", steps=150),
    "gpu64": Setting("resnet50", side=64, batch=256, precision="bf16", device="cuda", steps=600),
}
CPU_ROUNDS, GPU_ROUNDS = 7, 5
CPU_IMAGES, GPU_IMAGES = 256, 2048
IMAGES_A_SHARD = 256
UNIT = "images/s; reference: a plain torch loop, tensors in memory"


def measure(device: str | None = None) -> dict[str, Figure]:
    """Figures of this `device`, "cpu" or "cuda"; by default of the CPU, and of the GPU where there is one.

    Pixels are noise in shards, so no data is needed; nor is Ray on a GPU. Raises BadInput where a GPU is asked for and
    there is none.
    """
    if device is not None:
        check_device(device)
    figures = {} if device == "cuda" else _on_cpu()
    return figures if device == "cpu" or not torch.cuda.is_available() else figures | _on_gpu()


def _on_gpu() -> dict[str, Figure]:
    """The loop without Ray on the GPU, its data resident there."""
    figures: dict[str, Figure] = {}
    for name, setting in GPU.items():
        with tempfile.TemporaryDirectory() as folder:
            rates = side_by_side(setting, data_from_shards(setting.side, GPU_IMAGES, Path(folder)), GPU_ROUNDS)
        figures[f"{name}_vs_plain_torch"] = Figure(*rates, UNIT)
    return figures


def _on_cpu() -> dict[str, Figure]:
    """Our loop in a worker of Ray Train, the plain one in a process without Ray, block after block."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sweeper.bench.pretrain", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as plain:
            try:
                ours = _under_ray_train(Path(folder))
                said, _ = plain.communicate(timeout=600)
            finally:
                plain.kill()
    return {"cpu_vs_plain_torch": Figure(ours, float(json.loads(said)), UNIT)}


def _under_ray_train(folder: Path) -> float:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    ray.init(address="local", num_cpus=1, runtime_env={"env_vars": {"OMP_WAIT_POLICY": "PASSIVE"}}, **quiet)
    try:
        scaling = ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1.0})
        run = RunConfig(name="bench", storage_path=str(folder / "ray"))
        TorchTrainer(_worker, train_loop_config={"folder": str(folder)}, scaling_config=scaling, run_config=run).fit()
    finally:
        ray.shutdown()
    return float(json.loads((folder / "ours.json").read_text()))


def _worker(train_loop_config: dict[str, Any]) -> None:
    folder = Path(train_loop_config["folder"])
    torch.set_num_threads(1)
    block = our_block(CPU, data_from_shards(CPU.side, CPU_IMAGES, folder))
    seconds = in_turns(folder, "ours", "plain", block, CPU_ROUNDS, begins=True)
    (folder / "ours.json").write_text(json.dumps(CPU.images / seconds))


def data_from_shards(side: int, count: int, folder: Path) -> ArraySet:
    """Noise with labels, written as a renderer would write it and read as pre-training reads it: a memory map."""
    rng = np.random.default_rng(0)
    paths = []
    for start in range(0, count, IMAGES_A_SHARD):
        paths.append(folder / f"shard-{side}-{start}.parquet")
        images = [_noise(index, side, rng) for index in range(start, min(count, start + IMAGES_A_SHARD))]
        write_shard(paths[-1], images, CLASSES)
    arrays = load_arrays(paths, count, folder / "decoded", cache_key=f"bench-{side}")
    return ArraySet(arrays.images, arrays.class_sets, tuple(f"class {k}" for k in range(CLASSES)))


def _noise(index: int, side: int, rng: np.random.Generator) -> RenderedImage:
    instances = np.zeros((side, side), dtype=np.uint8)
    instances[: side // 2, : side // 2] = 1
    pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return image_of_maps(index, pixels, instances, class_ids=[int(rng.integers(CLASSES))], smallest_px=1)


if __name__ == "__main__":
    # The other side of the measurement on the CPU, in a process of its own.
    print(json.dumps(plain_rate(CPU, Path(sys.argv[1]), CPU_ROUNDS)))
