"""`sweeper bench render`: what the renderer costs beside bare Blender, beside itself, and beside a process a scene.

Each part runs in a process of its own, because Blender is one a process; what is compared is measured in turns.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from render_actors.scene.sample import sample_scene
from render_actors.setting.setting import RenderSetting
from render_actors.shards.format import write_shard
from sweeper.bench.figures import Figure

TIMED = RenderSetting(resolution=64, samples=4, min_objects=10, max_objects=10)
SMALL = RenderSetting(resolution=32, samples=1)
SCENES_A_SHARD = 5


def measure() -> dict[str, Figure]:
    """Every figure, by name: rates in images/s, memory in MB."""
    small, large = _part("bare", 64, 4, 12), _part("bare", 128, 16, 6)
    scaling, process, memory = _part("scaling"), _part("process"), _part("memory")
    return {
        "vs_bare_64px_4spp": Figure(small["ours"], small["bare"], "images/s"),
        "vs_bare_128px_16spp": Figure(large["ours"], large["bare"], "images/s"),
        "two_actor_scaling": Figure(scaling["two"], scaling["one"], "images/s"),
        "vs_process_per_scene": Figure(process["actor"], process["process"], "images/s"),
        "rss_growth_300_scenes": Figure(memory["growth"], memory["before"], "MB"),
    }


def _part(name: str, *numbers: int) -> dict[str, float]:
    """Run one part in a new process and read what it measured; raises RuntimeError where it says nothing."""
    command = [sys.executable, "-m", "sweeper.bench.render", name, *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        raise RuntimeError(f"bench render: part {name} measured nothing: {done.stderr[-500:]}") from None
    return found


def against_bare(side: int, samples: int, scenes: int) -> dict[str, float]:
    """Images/s of an actor's work (scene, set-up, render, labels, shard) and of bpy alone on the very same scenes.

    bpy finds meshes, materials, lights and cameras in place and keeps its passes in memory: it draws, and no more.
    """
    from render_actors.blender.renderer import Renderer

    setting = RenderSetting(resolution=side, samples=samples, min_objects=10, max_objects=10)
    renderer, spent = Renderer(setting), {"ours": 0.0, "bare": 0.0}
    # Meshes are loaded by the first scene that shows them: one view of each scene ahead of the timing.
    for scene in range(scenes):
        whole = sample_scene(setting, 0, scene)
        renderer.render(replace(whole, cameras=whole.cameras[:1]))
    with tempfile.TemporaryDirectory() as folder:
        for scene in range(scenes):
            began = time.perf_counter()
            images = renderer.render(sample_scene(setting, 0, scene))
            write_shard(Path(folder) / "shard.parquet", images, setting.classes)
            middle = time.perf_counter()
            renderer.render_bare()
            spent["ours"] += middle - began
            spent["bare"] += time.perf_counter() - middle
    renderer.close()
    return {name: scenes * setting.poses_per_scene / seconds for name, seconds in spent.items()}


def scaling(shards: int = 4, turns: int = 2) -> dict[str, float]:
    """Images/s of a pool of one actor and of two that make as many shards each, on two cores.

    They take turns: a machine that is slower for a while is so for both.
    """
    import ray

    ray.init(address="local", num_cpus=2, logging_level="error", include_dashboard=False)
    images, seconds = {"one": 0, "two": 0}, {"one": 0.0, "two": 0.0}
    for name, actors in (("one", 1), ("two", 2)) * turns:
        made, took = _steady(actors, actors * shards)
        images[name] += made
        seconds[name] += took
    ray.shutdown()
    return {name: images[name] / seconds[name] for name in images}


def _steady(actors: int, shards: int) -> tuple[int, float]:
    """Images, and the seconds they took, while all actors worked: without the first fifth and the last third."""
    from render_actors.pool import RenderJob, render_shards
    from sweeper.storage.artifacts import ArtifactStore

    arrived: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:

        def note(images: int, _: float) -> None:
            arrived.append((time.perf_counter(), images))

        job = RenderJob(TIMED, 0, SCENES_A_SHARD, ArtifactStore(folder), actors, 1.0, 120, 0, note)
        render_shards(job, range(shards))
    inner = arrived[len(arrived) // 5 : -len(arrived) // 3]
    return sum(images for _, images in inner[1:]), inner[-1][0] - inner[0][0]


def process_per_scene(scenes: int = 4) -> dict[str, float]:
    """Images/s of one actor that goes on, and of a new process for each scene, as the published code does it."""
    from render_actors.blender.renderer import Renderer

    renderer = Renderer(TIMED)
    renderer.render(sample_scene(TIMED, 0, 0))
    spent = {"actor": 0.0, "process": 0.0}
    for scene in range(1, scenes + 1):
        began = time.perf_counter()
        renderer.render(sample_scene(TIMED, 0, scene))
        middle = time.perf_counter()
        subprocess.run([sys.executable, "-m", "sweeper.bench.render", "one", str(scene)], check=False)
        spent["actor"] += middle - began
        spent["process"] += time.perf_counter() - middle
    renderer.close()
    return {name: scenes * TIMED.poses_per_scene / seconds for name, seconds in spent.items()}


def one_scene(scene: int) -> dict[str, float]:
    """Start Blender, render one scene, end: what a new process for each scene does."""
    from render_actors.blender.renderer import Renderer

    renderer = Renderer(TIMED)
    renderer.render(sample_scene(TIMED, 0, scene))
    renderer.close()
    return {}


def memory(scenes: int = 300, before: int = 20) -> dict[str, float]:
    """Resident MB once every mesh was drawn, and how much they grow over the scenes that follow."""
    from render_actors.blender.renderer import Renderer

    renderer, classes = Renderer(SMALL), itertools.cycle(range(SMALL.classes))
    for scene in range(before):
        drawn = sample_scene(SMALL, 0, scene)
        # Blender keeps more of a mesh once it was drawn: the first scenes show the classes one after the other.
        renderer.render(replace(drawn, objects=tuple(replace(o, class_id=next(classes)) for o in drawn.objects)))
    first = _resident_mb()
    for scene in range(before, before + scenes):
        renderer.render(sample_scene(SMALL, 0, scene))
    growth = _resident_mb() - first
    renderer.close()
    return {"before": first, "growth": growth}


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


PARTS: dict[str, Callable[..., dict[str, float]]] = {
    "bare": against_bare,
    "scaling": scaling,
    "process": process_per_scene,
    "one": one_scene,
    "memory": memory,
}

if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](*map(int, sys.argv[2:]))), flush=True)
    # Blender may crash when the interpreter ends.
    os._exit(0)
