"""`sweeper bench pretrain`: images/s of the training loop beside a plain torch loop with its tensors in memory.

On the CPU under Ray Train, one worker with one thread, in turns with a process of its own for the plain loop. On a GPU,
where there is one, without Ray: `python -m sweeper.bench.pretrain` measures that part alone and needs no Ray.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from render_actors.labels import RenderedImage, image_of_maps
from render_actors.shards.arrays import load_arrays
from render_actors.shards.format import write_shard
from sweeper.bench.registry import Figure, as_json
from sweeper.bench.training_loops import (
    CLASSES,
    Setting,
    flop_per_image,
    in_turns,
    matmul_flop_per_s,
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
MFU_UNIT = "FLOP/s of the model; reference: a matrix product on the same device"


def measure(data_root: Path | None) -> dict[str, Figure]:
    """Every figure that this machine can give, by name. `data_root` is not needed: pixels are noise in shards."""
    return _on_cpu() | on_gpu()


def on_gpu() -> dict[str, Figure]:
    """The loop without Ray on the GPU, its data resident there; nothing where there is no GPU."""
    figures: dict[str, Figure] = {}
    for name, setting in GPU.items() if torch.cuda.is_available() else ():
        with tempfile.TemporaryDirectory() as folder:
            rates = side_by_side(setting, data_from_shards(setting.side, GPU_IMAGES, Path(folder)), GPU_ROUNDS)
        figures |= _figures(name, setting, *rates, matrix=8192)
    return figures


def _on_cpu() -> dict[str, Figure]:
    """Our loop in a worker of Ray Train, the plain one in a process without Ray, block after block."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sweeper.bench.pretrain", "plain", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as plain:
            try:
                ours = _under_ray_train(Path(folder))
                said, _ = plain.communicate(timeout=600)
            finally:
                plain.kill()
    return _figures("cpu", CPU, ours, float(json.loads(said)), matrix=1024)


def _figures(name: str, setting: Setting, ours: float, plain: float, matrix: int) -> dict[str, Figure]:
    torch.set_num_threads(1)
    used = ours * flop_per_image(setting)
    most = matmul_flop_per_s(setting.device, setting.precision, matrix)
    return {f"{name}_vs_plain_torch": Figure(ours, plain, UNIT), f"{name}_mfu": Figure(used, most, MFU_UNIT)}


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


def main(arguments: Sequence[str]) -> None:
    """`plain FOLDER`: the other side of the measurement on the CPU. Without arguments: the GPU's figures as JSON."""
    if arguments:
        print(json.dumps(plain_rate(CPU, Path(arguments[1]), CPU_ROUNDS)))
    else:
        print(as_json("pretrain", on_gpu()))


if __name__ == "__main__":
    main(sys.argv[1:])
