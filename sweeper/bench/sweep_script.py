"""The plain script beside which `bench sweep` measures the program: a pool of long-lived processes, and three loops.

It imports once, keeps images, checkpoints and Blender in memory, and does one thing after the other: all renders, all
pre-trainings, all fine-tunes. Each process computes with one thread.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

import numpy as np

from render_actors.setting.classes import class_names
from render_actors.setting.setting import RenderSetting
from sweeper.config.schema import SweepConfig
from sweeper.stages.image_sets import training_images, validation_images
from sweeper.study.recipes import resolve_recipe
from tasks.base import ArraySet

# Seconds of a job's own, and what it made.
Timed = tuple[float, Any]


def by_script(config: SweepConfig, s: int, processes: int) -> dict[str, float]:
    """Do the stages of `config` in so many processes; seconds of all processes by stage. s: real training images."""
    spent: dict[str, float] = {}

    def collected(stage: str, answers: Iterator[Timed]) -> list[Any]:
        done = list(answers)
        spent[stage] = sum(seconds for seconds, _ in done)
        return [made for _, made in done]

    with _pool(processes) as run:
        sets = _rendered(config, processes, lambda *jobs: collected("render", run(render, *jobs)))
        jobs = [
            (config, sets[name, False].take(np.arange(n)), sets[name, True], 0)
            for name in config.renderings
            for n in config.ladder.values()
        ]
        checkpoints = collected("pretrain", run(pretrain, *zip(*jobs, strict=True)))
        finetunes = [(config, s, state, k) for state in [None, *checkpoints] for k in range(config.finetune.repeats)]
        collected("finetune", run(finetune, *zip(*finetunes, strict=True)))
    return spent


@contextmanager
def _pool(processes: int) -> Iterator[Callable[..., Iterator[Timed]]]:
    """A map over the processes. Their end is not waited for: Blender may crash at its exit."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=start) as pool:
        yield lambda function, *jobs: pool.map(function, *jobs)


def start() -> None:
    """Once in each process."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def _rendered(config: SweepConfig, processes: int, run: Callable[..., list[Any]]) -> dict[tuple[str, bool], ArraySet]:
    """The largest training set of each rendering, and its validation images (True), in one go."""
    largest = max(config.ladder.values())
    keys, jobs = [], []
    for name in config.renderings:
        for held_out in (False, True):
            images = validation_images(config, name) if held_out else training_images(config, name, largest)
            for shard in images.shards:
                first = shard * images.scenes_per_shard
                keys.append((name, held_out))
                jobs.append((images.setting, images.seed, range(first, first + images.scenes_per_shard)))
    made = run(*zip(*jobs, strict=True))
    sets = {}
    for key in dict.fromkeys(keys):
        parts = [part for each, part in zip(keys, made, strict=True) if each == key]
        pixels, classes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        setting = training_images(config, key[0], largest).setting
        sets[key] = ArraySet(pixels, classes, class_names(setting))
    return sets


_renderer: list[tuple[RenderSetting, Any]] = []


def render(setting: RenderSetting, seed: int, scenes: Sequence[int]) -> Timed:
    """Pixels (N, H, W, 3) and class sets (N, K) of some scenes."""
    from render_actors.blender.renderer import Renderer
    from render_actors.scene.sample import sample_scene

    began = time.perf_counter()
    if not _renderer or _renderer[0][0] != setting:
        _renderer[:] = [(setting, Renderer(setting))]
    images = [image for scene in scenes for image in _renderer[0][1].render(sample_scene(setting, seed, scene))]
    classes = np.zeros((len(images), len(class_names(setting))), np.uint8)
    for row, image in zip(classes, images, strict=True):
        row[[thing.class_id for thing in image.objects]] = 1
    return time.perf_counter() - began, (np.stack([image.rgb for image in images]), classes)


def pretrain(config: SweepConfig, training: ArraySet, validation: ArraySet, seed: int) -> Timed:
    """The backbone's tensors at the best step."""
    from tasks.base import task
    from tasks.models.transfer import seeded_model
    from tasks.training.loop import train

    began = time.perf_counter()
    settings = config.pretrain
    learnt, recipe = task(settings.tasks[0]), resolve_recipe("pretrain", settings.tasks[0], settings.recipe)
    model = seeded_model(settings.backbones[0], learnt, len(training.class_names), seed)
    result = train(model, learnt, training, recipe, seed=seed, validation=validation)
    # Arrays travel between processes by value.
    state = {name: value.numpy() for name, value in result.best_state["backbone"].items()}
    return time.perf_counter() - began, state


@lru_cache(maxsize=1)
def _photographs(dataset: str, resolution: int) -> Any:
    from tasks.data.catalogue import RealSet

    return RealSet(dataset, None, resolution).load()


def finetune(config: SweepConfig, s: int, state: dict[str, np.ndarray] | None, repeat: int) -> Timed:
    """The error on the test images."""
    import torch

    from tasks.base import task
    from tasks.data.sampling import subset
    from tasks.models.transfer import load_backbone, seeded_model
    from tasks.training.evaluation import on_test_images
    from tasks.training.loop import train

    began = time.perf_counter()
    settings = config.finetune
    real = _photographs(settings.dataset, config.finetune_resolution)
    learnt, recipe = task(settings.tasks[0]), resolve_recipe("finetune", settings.tasks[0], settings.recipe)
    training = real.train.take(subset(real.train, count=s, seed=config.seed))
    model = seeded_model(config.pretrain.backbones[0], learnt, len(training.class_names), repeat)
    if state is not None:
        load_backbone(model, {name: torch.from_numpy(value) for name, value in state.items()})
    train(model, learnt, training, recipe, seed=repeat)
    tested = on_test_images(model, learnt, real.test)
    return time.perf_counter() - began, 1.0 - tested.metric
