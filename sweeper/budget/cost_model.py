"""What work costs, from the config's guesses and then from what the sweep has measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sweeper.budget.costs import CPU, FREE, GPU, Cost, Estimate, Guess, cost_of, estimate
from sweeper.config.schema import SweepConfig
from sweeper.study.recipes import resolve_recipe
from tasks.base import network_of

# Training speed of one core at 64 px, images/s, before anything was measured; others are taken for ResNet-50.
GUESSED_SPEED = {
    "small_resnet": 1000.0,
    "small_resnet_stride1": 300.0,
    "small_resnet_stride1_quarter": 1200.0,
    "small_resnet_stride1_half": 700.0,
    "small_resnet_stride1_double": 110.0,
    "resnet18": 100.0,
    "resnet34": 55.0,
    "resnet50": 35.0,
}

# How many times as long a task's head makes it, measured for ResNet-18 (insseg and keypoint: guesses on top of objdet).
GUESSED_SLOWDOWN = {"objdet": 5.0, "insseg": 6.0, "keypoint": 6.0, "semseg": 2.0, "normal": 2.0, "depth": 2.0}

GUESSED_GPU_IN_CORES = 50.0

# Seconds from the moment that a stage has its devices to its first line of work, as measured on a laptop's two cores:
# starting Ray Train's workers, starting a pre-training's only worker, and starting a fine-tune's process. The last two
# are mostly taken up again, with their imports.
TRAIN_START_S = 18.0

ALONE_START_S = 2.0

FINETUNE_START_S = 4.0


@dataclass(frozen=True)
class Work:
    """What one run would still need: images to render, whether to pre-train, fine-tunes, trials of a tuning.

    `length`: how many times the steps of a fine-tune each of them has.
    """

    images: int
    pretrain: bool
    finetunes: int
    tuning_trials: int = 0
    length: float = 1.0


# What was measured of a stage on a type of device (None: the latest): (units, cost) of each piece of work.
Measured = Callable[[str, str | None], list[tuple[float, Cost]]]


class CostModel:
    """What work costs, from the config's guesses and then from what this sweep has measured.

    `slots`: how many fine-tunes run side by side on the machine or cluster at hand. `device_type`: the type of device
    of work that asks for so many GPUs; None where that is not known yet.
    """

    def __init__(self, config: SweepConfig, slots: float, device_type: Callable[[float], str | None]) -> None:
        self._config, self.slots, self._device_type = config, slots, device_type

    def stage(self, stage: str, units: float, measured: Measured, backbone: str) -> Estimate:
        """Estimate of `units` of a stage: images to render, pre-trainings, or fine-tunes."""
        if units <= 0:
            return FREE
        cpus, gpus = devices_of(self._config, stage, self.slots)
        device = self._device_type(gpus)
        guess = self._guess(stage, backbone, device)
        return estimate(guess, measured(stage, device), units, self._config.prices, cpus, gpus, device)

    def run(self, work: Work, measured: Measured, backbone: str) -> dict[str, Estimate]:
        """Estimate by stage of one run; a fold of a tuning trial costs no more than a fine-tune."""
        return {stage: self.stage(stage, n, measured, backbone) for stage, n in self.units(work).items()}

    def units(self, work: Work) -> dict[str, float]:
        """Work by stage: images, pre-trainings, fine-tunes (tuning trials counted once a fold)."""
        finetunes = work.length * (work.finetunes + work.tuning_trials * self._config.finetunes_per_trial)
        return {"render": float(work.images), "pretrain": float(work.pretrain), "finetune": float(finetunes)}

    def _guess(self, stage: str, backbone: str, device: str | None) -> Guess:
        config = self._config
        if config.is_simulated:
            seconds = max(law.seconds for law in config.simulated.values())
            return Guess(0.5, seconds if stage == "finetune" else 0.0)
        pixels = (config.render.resolution / 64) ** 2
        if stage == "render":
            samples = max(each.samples or config.render.samples for each in config.renderings.values())
            seconds = 0.02 + 0.014 * samples * pixels
            return Guess(12.0, seconds / config.render.actors)
        learnt = config.pretrain.tasks[0] if stage == "pretrain" else config.finetune.tasks[0]
        side = config.render.resolution if stage == "pretrain" else config.finetune_resolution
        network = network_of(backbone)
        guessed = GUESSED_SPEED.get(network.removeprefix("timm:"), GUESSED_SPEED["resnet50"])
        core = config.prices.speed.get(CPU, {}).get(network) or guessed
        gpu = config.prices.speed.get(device or GPU, {}).get(network) or core * GUESSED_GPU_IN_CORES
        recipe = config.pretrain.recipe if stage == "pretrain" else config.finetune.recipe
        work = resolve_recipe(stage, learnt, recipe, backbone)
        slowdown = GUESSED_SLOWDOWN.get(learnt, 1.0) * work.side_of(side) ** 2 / 64**2
        if stage == "pretrain":
            speed = config.pretrain.workers * (gpu * config.pretrain.gpus or core) / slowdown
            return Guess(train_start_s(config), work.iterations * work.batch_size / speed)
        speed = (gpu * config.finetune.gpus or core) / slowdown
        return Guess(0.0, (FINETUNE_START_S + work.iterations * work.batch_size / speed) / self.slots)


def devices_of(config: SweepConfig, stage: str, slots: float = 1.0) -> tuple[float, float]:
    """CPU cores and GPUs a stage holds while it runs; of fine-tunes `slots` run side by side."""
    if stage == "render":
        return config.render.actors * config.render.cpus_per_actor, config.render.gpus
    if stage == "pretrain":
        workers = config.pretrain.workers
        return workers * config.pretrain.cpus_per_worker, workers * config.pretrain.gpus
    return config.finetune.cpus * slots, config.finetune.gpus * slots


def train_start_s(config: SweepConfig) -> float:
    """Seconds that a pre-training holds its devices before its first line of work."""
    return TRAIN_START_S if config.pretrain.in_ray_train else ALONE_START_S


def finetune_cost(config: SweepConfig, seconds: float, processes: int, slots: float, device: str) -> Cost:
    """What `seconds` of fine-tuning cost, done by so many processes on a type of device, `slots` side by side.

    A process is paid from its start, which takes a while before its first second of work.
    """
    settings = config.finetune
    held = seconds + processes * (0.0 if config.is_simulated else FINETUNE_START_S)
    worked = cost_of(config.prices, held, cpus=settings.cpus, gpus=settings.gpus, device=device)
    return Cost(held / slots, worked.device_s, worked.usd)


def total(estimates: Iterable[Estimate]) -> Estimate:
    """Sum of estimates."""
    return sum(estimates, FREE)
