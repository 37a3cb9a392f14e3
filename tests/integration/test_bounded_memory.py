"""Pre-training learns from a set larger than the memory it may have: images stay on disk, their pages come and go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from render_actors.labels import image_of_maps
from render_actors.shards.format import write_shard

ROOT = Path(__file__).parents[2]
SIDE, IMAGES, A_SHARD = 256, 1200, 200
SET_BYTES = IMAGES * SIDE**2 * 3

# decodes shards and learns from every image twice, under a limit of private memory; prints what it came to, in bytes
TRAIN = """
import json, resource, sys
from dataclasses import replace
from pathlib import Path
import torch
from torch import nn
from render_actors.shards.arrays import load_arrays
from sweeper.stages.training_labels import labelled_set
from tasks.base import task
from tasks.models.backbones import StagedBackbone
from tasks.models.transfer import TransferModel
from tasks.recipes.recipe import Recipe
from tasks.training import loop

folder, images, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def status(key):
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(key + ":"))
    return 1024 * int(line.split()[1])

torch.set_num_threads(1)
# a model that costs nothing beside its images
learnt = task("mulclass")
model = TransferModel(StagedBackbone(nn.AvgPool2d(32), [nn.Conv2d(3, 8, 1)], [8]), learnt.head([8], 5))
recipe = Recipe(iterations=2 * images // 16, batch_size=16, lr=1e-3, augment=("flip",))
# as often as a training that is as slow as real ones would
loop._PROGRESS_EVERY_S = 0.05
# what torch loads when it first trains does not count
few = load_arrays(sorted(folder.glob("*.parquet")), 2, folder / "few", "key")
once = replace(recipe, iterations=1, batch_size=2)
loop.train(model, learnt, labelled_set("class_set", few, tuple("abcde")), once, seed=0)

Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + limit,) * 2)
arrays = load_arrays(sorted(folder.glob("*.parquet")), images, folder / "cache", "key")
decoded = status("VmHWM") - before
Path("/proc/self/clear_refs").write_text("5")
data = labelled_set("class_set", arrays, tuple("abcde"))
loop.train(model, learnt, data, recipe, seed=0, on_progress=lambda *_: data.drop_pages())
print(json.dumps({"decoding": decoded, "training": status("VmHWM") - before, "set": data.images.nbytes}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured as Linux counts it")
def test_a_training_on_a_set_larger_than_its_memory(tmp_path: Path) -> None:
    # given shards of 236 MB of pixels
    instances = np.zeros((SIDE, SIDE), np.uint8)
    instances[:20, :20] = 1
    for first in range(0, IMAGES, A_SHARD):
        rgb = [np.full((SIDE, SIDE, 3), number % 256, np.uint8) for number in range(first, first + A_SHARD)]
        shown = [image_of_maps(first + k, each, instances, [k % 5], 5) for k, each in enumerate(rgb)]
        write_shard(tmp_path / f"{first:05d}.parquet", shown, 5)

    # when they are learnt from with 120 MB of private memory
    arguments = [sys.executable, "-c", TRAIN, str(tmp_path), str(IMAGES), str(120_000_000)]
    done = subprocess.run(arguments, cwd=ROOT, check=False, capture_output=True, text=True)

    # then that is enough, and pages of the files take no more than that either
    assert done.returncode == 0, done.stderr[-2000:]
    peak = json.loads(done.stdout.splitlines()[-1])
    assert peak["set"] == SET_BYTES
    assert max(peak["decoding"], peak["training"]) < 0.6 * SET_BYTES, peak
