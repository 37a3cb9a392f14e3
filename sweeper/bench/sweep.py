"""`sweeper bench sweep`: the stages of a small sweep, by the program and by a plain script, one after the other.

Both render, pre-train and fine-tune the same, with the project's own functions, in two processes of one thread each.
What that is stands here: it is the kind of work of configs/quickstart.yaml and does not follow that file. The script
(`sweep_script.py`) knows beforehand what there is to do; it decides nothing, stores nothing and survives nothing.
"""

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from sweeper.bench.figures import Figure
from sweeper.bench.sweep_script import by_script
from sweeper.commands.check import check
from sweeper.commands.run import run_sweep
from sweeper.config.schema import SweepConfig
from sweeper.events.reporter import Reporter

STAGES = ("render", "pretrain", "finetune")
CORES = 2
REPEATS = 2
_SAMPLE_S = 0.1


@dataclass(frozen=True)
class Size:
    """How large the sweep is: renderings, sizes n, images a shard, steps of each training."""

    renderings: int
    ladder: tuple[int, ...]
    scenes_per_shard: int
    pretrain_steps: int
    finetune_steps: int


WHOLE = Size(2, (200, 400, 800), 10, pretrain_steps=250, finetune_steps=100)
SMALL = Size(1, (20, 30, 40), 1, pretrain_steps=6, finetune_steps=3)


@dataclass
class Spent:
    """Seconds of a side by the clock, and core-seconds by stage; how many stages it did of each kind."""

    seconds: float
    counts: Mapping[str, int]
    cores: dict[str, float] = field(default_factory=dict)

    @property
    def idle(self) -> float:
        """Core-seconds in which no stage held a core: starting, deciding, waiting for each other."""
        return CORES * self.seconds - sum(self.cores.values())

    def rate(self, stage: str) -> float:
        """Stages of a kind an hour, were there no other."""
        return 3600 * CORES * self.counts[stage] / self.cores[stage]


def measure(small: bool = False) -> dict[str, Figure]:
    """Stages an hour of the program beside those of the script, all and by stage, and where the core-seconds went.

    small: trainings of a few steps, which show that it runs and measure little but starting. Raises BadInput without
    the photographs.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # Decodes the photographs too, which is no part of either side.
        config, s = check(sweep_config(Path(folder), SMALL if small else WHOLE))
        counts = _counts(config)
        script = _timed(counts, lambda: by_script(config, s, CORES))
        program = _by_program(config, counts)
    return figures(program, script)


def figures(program: Spent, script: Spent) -> dict[str, Figure]:
    """The figures of two sides that did the same."""
    stages = sum(program.counts.values())
    found = {
        "vs_script": Figure(
            3600 * stages / program.seconds,
            3600 * stages / script.seconds,
            f"stages/h; reference: a plain script, {CORES} processes; {stages} stages",
        )
    }
    for stage in STAGES:
        unit = f"stages/h, {program.counts[stage]} of them, were there no other"
        found[f"{stage}_vs_script"] = Figure(program.rate(stage), script.rate(stage), unit)
    for stage in STAGES:
        found[f"core_seconds_{stage}"] = Figure(program.cores[stage], script.cores[stage], "s held by the stage")
    found["core_seconds_idle"] = Figure(program.idle, script.idle, "s in which no stage held a core")
    return found


def sweep_config(folder: Path, size: Size) -> SweepConfig:
    """The sweep, which no precision and no verdict ends: every size of every rendering once, one seed."""
    settings = {
        "all-random": {"appearance": "multiple", "light": "random", "background": "random", "texture": "with"},
        "fixed-light-background": {"appearance": "multiple", "light": "fix", "background": "fix", "texture": "with"},
    }
    small = {"eval_every": size.pretrain_steps // 5 or 1, "iterations": size.pretrain_steps}
    content = {
        "name": "bench",
        "output": str(folder / "run"),
        "store": str(folder / "store"),
        "renderings": dict(list(settings.items())[: size.renderings]),
        "render": {
            "resolution": 32,
            "samples": 4,
            "classes": 20,
            "max_objects": 5,
            "poses_per_scene": 10,
            "scenes_per_shard": size.scenes_per_shard,
            "actors": CORES,
        },
        "pretrain": {
            "tasks": ["mulclass"],
            "backbones": ["small_resnet"],
            "workers": 1,
            "validation_images": size.ladder[0],
            "recipe": {"batch_size": 128, "warmup_images": 128, **small},
        },
        "finetune": {
            "tasks": ["sinclass"],
            "dataset": "fashion-mnist",
            "count": 600,
            "repeats": REPEATS,
            "recipe": {"iterations": size.finetune_steps, "batch_size": 64, "lr": 3.0e-3, "warmup_images": 128},
        },
        "tune": {"trials": 0},
        "ladder": {"sizes": size.ladder},
        "policy": {"name": "grid", "in_flight": CORES + 1, "reference_seeds": 1},
        "objective": "predict",
        "n_target": 1_000_000,
        "stop": {"prediction_sd": 1e-9},
    }
    return SweepConfig.model_validate(content)


def _counts(config: SweepConfig) -> dict[str, int]:
    """Stages by kind: a rendering is made anew for every size, and the reference is fine-tuned as often as a run."""
    runs = len(config.renderings) * len(config.ladder.values())
    return {"render": runs, "pretrain": runs, "finetune": (runs + 1) * REPEATS}


def _timed(counts: Mapping[str, int], work: Any) -> Spent:
    started = time.monotonic()
    cores = work()
    return Spent(time.monotonic() - started, counts, cores)


def _by_program(config: SweepConfig, counts: Mapping[str, int]) -> Spent:
    """The program itself, watched: cores that are held belong to the stages whose events say that they ran then."""
    watcher = _Watcher(config)
    with watcher.sampling():
        spent = _timed(counts, lambda: run_sweep(config, watcher) and {})
    spent.cores = watcher.cores()
    return spent


class _Watcher(Reporter):
    """A reporter that says nothing and notes when stages ran; beside it, how many cores Ray has given away.

    Fine-tunes hold what rendering and pre-training do not.
    """

    def __init__(self, config: SweepConfig) -> None:
        super().__init__("json")
        pretrain = config.pretrain
        self._cores = {"render": config.render.actors, "pretrain": pretrain.workers * pretrain.cpus_per_worker}
        # (stage, from, to), and (when, cores held, seconds that this stands for).
        self._ran: list[tuple[str, float, float]] = []
        self._held: list[tuple[float, float, float]] = []
        self._done = threading.Event()

    def event(self, name: str, text: str, **fields: Any) -> None:
        """Note a rendering or a pre-training."""
        now = time.monotonic()
        if name in ("rendered", "pretrained"):
            self._ran.append((fields["stage"], now - fields["seconds"], now))

    def progress(self, *told: Any) -> None:
        """Nothing."""

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Look at Ray's cores while the body runs."""
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _sample(self) -> None:
        last = time.monotonic()
        while not self._done.wait(_SAMPLE_S):
            now = time.monotonic()
            try:
                held = _held() if ray.is_initialized() else 0.0
            except Exception:
                # Ray is starting or ending: nothing holds a core.
                held = 0.0
            self._held.append((now, max(0.0, held), now - last))
            last = now

    def cores(self) -> dict[str, float]:
        """Core-seconds by stage."""
        spent = dict.fromkeys(STAGES, 0.0)
        for when, held, seconds in self._held:
            for stage in ("render", "pretrain"):
                running = [ran for ran, start, end in self._ran if ran == stage and start <= when < end]
                taken = min(held, self._cores[stage] * len(running))
                spent[stage] += taken * seconds
                held -= taken
            spent["finetune"] += held * seconds
        return spent


def _held() -> float:
    """Cores that Ray has given away."""
    return float(ray.cluster_resources().get("CPU", 0.0)) - float(ray.available_resources().get("CPU", 0.0))
