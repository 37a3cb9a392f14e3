"""The CPUs and GPUs that each stage needs, and whether nodes hold them: arithmetic that imports no Ray."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweeper.config.schema import SweepConfig


@dataclass(frozen=True)
class Need:
    """`count` workers at the same time, each with `each` CPUs or GPUs (`kind`) on one node; `key` is the config key.

    `least`: with so many the stage begins beside others, and takes more as they end; None: with all of them.
    """

    key: str
    kind: str
    each: float
    count: int = 1
    least: int | None = None

    @property
    def stage(self) -> str:
        """The stage that has it."""
        return self.key.partition(".")[0]


def needs(config: SweepConfig) -> list[Need]:
    """The least that every stage must have at the same time to run at all."""
    pretrain, finetune = config.pretrain, config.finetune
    least = [Need("finetune.cpus", "CPU", finetune.cpus), Need("finetune.gpus", "GPU", finetune.gpus)]
    if config.is_simulated:
        return least
    workers = pretrain.min_workers or pretrain.workers
    return [
        Need("pretrain.workers", "CPU", pretrain.cpus_per_worker, workers),
        Need("pretrain.gpu", "GPU", pretrain.gpus, workers),
        Need("render.actors", "CPU", config.render.cpus_per_actor, config.render.actors, least=1),
        Need("render.gpus_per_actor", "GPU", config.render.gpus_per_actor if config.render.gpus else 0.0, least=1),
        *least,
    ]


def shortage(needed: Sequence[Need], nodes: Sequence[Mapping[str, float]]) -> str | None:
    """In words, the first need that these nodes could not meet even when idle; None where they meet every one."""
    for need in needed:
        if need.each <= 0:
            continue
        amounts = [node.get(need.kind, 0.0) for node in nodes]
        room = sum(int(min(need.count, amount / need.each + 1e-9)) for amount in amounts)
        if room < need.count:
            asked, have = need.each * need.count, sum(amounts)
            on = "" if asked > have else f" ({max(amounts):g} on its largest node)"
            none = need.kind == "GPU" and have == 0
            do = f"say {need.stage}.device: cpu or auto" if none else f"lower {need.key}"
            return f"{need.key} asks for {asked:g} {need.kind}s, but Ray has {have:g}{on}: {do}"
    return None


def fit_together(needed: Sequence[Need], nodes: Sequence[Mapping[str, float]]) -> bool:
    """Whether these nodes, when idle, hold all of this at the same time: first fit, the largest workers first."""
    for kind in {need.kind for need in needed}:
        left = [node.get(kind, 0.0) for node in nodes]
        each = [need.each for need in needed if need.kind == kind and need.each > 0 for _ in range(need.count)]
        for amount in sorted(each, reverse=True):
            place = next((i for i, room in enumerate(left) if room >= amount - 1e-9), None)
            if place is None:
                return False
            left[place] -= amount
    return True


def finetunes_at_a_time(config: SweepConfig, nodes: Sequence[Mapping[str, float]]) -> float:
    """How many fine-tunes these nodes hold at the same time, by CPUs and by GPUs; at least one.

    A fine-tune takes its own time divided by this number from the sweep's minutes.
    """
    asked = [("CPU", config.finetune.cpus), ("GPU", config.finetune.gpus)]
    held = (min(int(node.get(kind, 0.0) / each + 1e-9) for kind, each in asked if each > 0) for node in nodes)
    return float(max(1, sum(held)))


def pretrainings_at_a_time(config: SweepConfig, nodes: Sequence[Mapping[str, float]]) -> float:
    """How many pre-trainings these nodes hold at the same time, of those that may be in flight; at least one."""
    one = [need for need in needs(config) if need.stage == "pretrain"]
    many = (n for n in range(config.policy.in_flight, 1, -1) if fit_together(one * n, nodes))
    return 1.0 if not one else float(next(many, 1))


def nodes_in_words(nodes: Sequence[Mapping[str, float]]) -> str:
    """In words: how many nodes, with how many CPUs and GPUs in all."""
    cpus, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    return f"{len(nodes)} node{'s' * (len(nodes) != 1)} with {cpus:g} CPUs and {gpus:g} GPUs"


def cpu_count() -> int:
    """The CPU cores this process may use."""
    return len(os.sched_getaffinity(0))
